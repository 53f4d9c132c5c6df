//! What is measured: each variant is a listener with filters of its own and the requests that it gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::configuration::{jwt_authn, rbac, wasm};
use crate::load::{Requests, get};
use crate::support::envoy;
use crate::support::token::{Signer, Token, now};
use crate::upstream::{BUNDLE, PATIENT};

/// The policy of all variants of ours but those that count keys and routes.
const POLICY: &str = include_str!("policy.json");

/// How many tokens one slice may use up: signing with RSA is slow.
pub(crate) const TOKENS_PER_SLICE: usize = 300;

/// One line of the table.
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) filters: Vec<Value>,
    pub(crate) requests: Arc<Requests>,
    /// How many answers a slice takes at most.
    pub(crate) at_most: usize,
    /// What the body of an answer has to be.
    pub(crate) answer: Answer,
}

/// What is to be seen before a variant is worth measuring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The patient, as the upstream sent it.
    Patient,
    /// The Bundle, as the upstream sent it.
    Bundle,
    /// The Bundle without names.
    Redacted,
    /// That, and without ids.
    Pseudonymous,
}

/// Which are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    All,
    /// Those that ask for a small answer, which no rule looks into.
    Requests,
    /// Those that ask for the Bundle.
    Bodies,
}

impl Rows {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "requests" => Some(Self::Requests),
            "bodies" => Some(Self::Bodies),
            _ => None,
        }
    }

    fn holds(self, variant: &Variant) -> bool {
        self == Self::All || (self == Self::Bodies) == variant.is_bundle()
    }
}

/// The chosen ones, and beside each of ours the same with another module; `slices` is how often each will be measured.
pub(crate) fn chosen(choice: &Choice, slices: usize) -> Vec<Variant> {
    let wanted = |variant: &Variant| {
        let listed = |only: &String| only.split(',').any(|name| name == variant.name);
        choice.rows.holds(variant) && choice.only.as_ref().is_none_or(listed)
    };
    let mut variants = Vec::new();
    for variant in all(slices).into_iter().filter(wanted) {
        let others: Vec<Variant> = choice.others.iter().filter_map(|module| variant.with_module(module)).collect();
        variants.push(variant);
        variants.extend(others);
    }
    variants
}

/// What was asked for on the command line.
pub(crate) struct Choice {
    pub(crate) rows: Rows,
    /// Names of variants, parted by commas.
    pub(crate) only: Option<String>,
    /// Modules that are measured beside the one that was built.
    pub(crate) others: Vec<PathBuf>,
}

impl Choice {
    /// Whether something that is no variant is measured.
    pub(crate) fn includes_memory(&self) -> bool {
        self.rows != Rows::Requests && self.only.as_ref().is_none_or(|only| only.split(',').any(|name| name == "memory"))
    }
}

impl Variant {
    pub(crate) fn is_bundle(&self) -> bool {
        self.answer != Answer::Patient
    }

    /// The same with another module in place of ours, which stands in no other variant.
    fn with_module(&self, module: &Path) -> Option<Self> {
        let ours = envoy::module().to_string_lossy().into_owned();
        let stem = module.file_stem()?.to_str()?;
        let text = serde_json::to_string(&self.filters).ok()?;
        let (ours, other) = (json!(ours).to_string(), json!(module).to_string());
        let text =
            text.contains(&ours).then(|| text.replace(&ours, &other).replace("\"carewarden-", &format!("\"{stem}-")))?;
        Some(Self {
            name: format!("{}@{stem}", self.name),
            title: format!("{} @{stem}", self.title),
            filters: serde_json::from_str(&text).ok()?,
            requests: self.requests.again(),
            ..*self
        })
    }
}

/// All of them; `slices` is how often each will be measured.
fn all(slices: usize) -> Vec<Variant> {
    let policy: Value = serde_json::from_str(POLICY).expect("the policy is JSON");
    let provider = &policy["authentication"]["smart"];
    let empty = || wasm("empty", &example("filter_empty"), "");
    let native = |cached| jwt_authn(provider, cached);
    let physician = same(PATIENT, "physician");
    let tokens = |signer| once(&fresh_tokens(signer, slices * TOKENS_PER_SLICE));
    let (rs256, es256) = (tokens(Signer::Rs256), tokens(Signer::Es256));
    let read = |name: &str, title: &str, filters| {
        let (name, title) = (name.to_owned(), title.to_owned());
        let (requests, at_most, answer) = (Arc::clone(&physician), usize::MAX, Answer::Patient);
        Variant { name, title, filters, requests, at_most, answer }
    };
    let uncached = |name, title, filters, requests: &[Vec<u8>]| Variant {
        requests: Arc::new(Requests::once(requests.to_vec())),
        at_most: TOKENS_PER_SLICE,
        ..read(name, title, filters)
    };
    let search =
        |name, title, filters, answer| Variant { requests: same(BUNDLE, "billing"), answer, ..read(name, title, filters) };
    vec![
        read("no_filter", "no filter", vec![]),
        read("empty", "an empty wasm filter", vec![empty()]),
        read("calls", "the host calls of ours alone", vec![wasm("calls", &example("filter_calls"), "")]),
        read("ours_cached", "ours, token cached", vec![ours("cached", POLICY)]),
        read("native_cached", "empty + jwt_authn with cache + rbac", vec![empty(), native(true), rbac()]),
        uncached("ours_rs256", "ours, RS256 not cached", vec![ours("rs256", POLICY)], &rs256),
        uncached("native_rs256", "empty + jwt_authn, RS256", vec![empty(), native(false)], &rs256),
        uncached("ours_es256", "ours, ES256 not cached", vec![ours("es256", POLICY)], &es256),
        uncached("native_es256", "empty + jwt_authn, ES256", vec![empty(), native(false)], &es256),
        counted("ours_few", "ours, 10 keys and 10 routes", 10, 10),
        counted("ours_many", "ours, 10,000 keys and 1,000 routes", 10_000, 1_000),
        search("bundle_no_filter", "1 MB: no filter", vec![], Answer::Bundle),
        search("bundle_copy", "1 MB: copied by wasm", vec![wasm("copy", &example("filter_copy"), "")], Answer::Bundle),
        search("bundle_lexed", "1 MB: copied and lexed", vec![wasm("lex", &example("filter_lex"), "")], Answer::Bundle),
        redacting("bundle_redacted", "1 MB: ours, few paths", BUNDLE),
        as_role("billing-lenient", redacting("bundle_lenient", "1 MB: ours, few paths, unknown kept", BUNDLE)),
        Variant {
            answer: Answer::Pseudonymous,
            ..as_role("research", redacting("bundle_safe_harbor", "1 MB: ours, Safe Harbor", BUNDLE))
        },
        posting("post_unchecked", "20 kB POST: ours, nothing described", |_| ()),
        posting("post_shape", "20 kB POST: ours, shape of R4", |request| request["shape"] = json!("strict")),
        posting("post_inspected", "20 kB POST: ours, inspected", |request| request["inspect"] = json!("standard")),
        posting("post_schema", "20 kB POST: ours, JSON Schema", |request| request["schema"] = json!("bundle")),
        search(
            "bundle_serde",
            "1 MB: serde_json::Value",
            vec![wasm("serde", &example("filter_serde"), "")],
            Answer::Bundle,
        ),
    ]
}

/// Ours, redacting what stands at a path.
pub(crate) fn redacting(name: &str, title: &str, path: &str) -> Variant {
    Variant {
        name: name.to_owned(),
        title: title.to_owned(),
        filters: vec![ours("redacted", POLICY)],
        requests: same(path, "billing"),
        at_most: usize::MAX,
        answer: Answer::Redacted,
    }
}

/// The same, asked for by who has another role.
fn as_role(role: &str, variant: Variant) -> Variant {
    Variant { requests: same(BUNDLE, role), ..variant }
}

/// Ours, taking a Bundle of about 20 kB by a schema that looks at most of it, or without.
fn posting(name: &'static str, title: &'static str, describe: impl FnOnce(&mut Value)) -> Variant {
    let mut policy: Value = serde_json::from_str(POLICY).expect("the policy is JSON");
    policy["schemas"] = json!({ "bundle": crate::described::bundle_schema() });
    let mut route = json!({
        "name": "post", "match": { "methods": ["POST"], "paths": ["/fhir/Bundle"] }, "fhir": { "base": "/fhir" },
        "require_tls": false, "authorize": [{ "allow": { "roles": ["physician"] } }],
        "request": { "shape": "off", "inspect": "off" }, "response": { "redact": [{ "apply": "none" }] },
    });
    describe(&mut route["request"]);
    policy["routes"].as_array_mut().expect("routes").insert(0, route);
    let token = bearer(&token(0, "physician", Signer::Es256));
    let request = crate::load::post("/fhir/Bundle", &token, crate::described::small_bundle().as_bytes());
    Variant {
        name: name.to_owned(),
        title: title.to_owned(),
        filters: vec![ours(name, &policy.to_string())],
        requests: Arc::new(Requests::Same(request)),
        at_most: usize::MAX,
        answer: Answer::Patient,
    }
}

/// Ours with so many API keys and routes; the request needs the last of each.
fn counted(name: &str, title: &str, keys: usize, routes: usize) -> Variant {
    let mut policy: Value = serde_json::from_str(POLICY).expect("the policy is JSON");
    let key = |number: usize| format!("benchmark-key-{number}");
    let stored = |number: usize| {
        let sha256: String = Sha256::digest(key(number)).iter().map(|byte| format!("{byte:02x}")).collect();
        let client = format!("client-{number}");
        json!({ "client": client, "id": client, "sha256": sha256, "roles": ["physician"] })
    };
    let stored: Vec<Value> = (0..keys).map(stored).collect();
    policy["authentication"]["partners"] = json!({ "type": "api_key", "header": "x-api-key", "keys": stored });
    policy["defaults"]["authenticate"] = json!({ "any": ["smart", "partners"] });
    let others = (2..routes).map(|number| {
        json!({
            "name": format!("route-{number}"),
            "match": { "paths": [format!("/services/{number}/:id/**")] },
            "authorize": [{ "allow": { "roles": ["nurse"] } }],
        })
    });
    let own = policy["routes"].as_array_mut().expect("routes");
    own.splice(1..1, others);
    Variant {
        name: name.to_owned(),
        title: title.to_owned(),
        filters: vec![ours(name, &policy.to_string())],
        requests: Arc::new(Requests::Same(get(PATIENT, &format!("x-api-key: {}\r\n", key(keys - 1))))),
        at_most: usize::MAX,
        answer: Answer::Patient,
    }
}

fn ours(vm: &str, policy: &str) -> Value {
    wasm(&format!("carewarden-{vm}"), &envoy::module(), policy)
}

/// A module that was built beside this benchmark.
fn example(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wasm32-wasip1/release/examples");
    let module = built.join(name).with_extension("wasm");
    assert!(module.exists(), "no module at {}: run `make bench`", module.display());
    module
}

fn same(path: &str, role: &str) -> Arc<Requests> {
    Arc::new(Requests::Same(get(path, &bearer(&token(0, role, Signer::Es256)))))
}

fn once(tokens: &[String]) -> Vec<Vec<u8>> {
    tokens.iter().map(|token| get(PATIENT, &bearer(token))).collect()
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// Tokens that no two are alike.
fn fresh_tokens(signer: Signer, count: usize) -> Vec<String> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let share = |part: usize| {
            scope.spawn(move || (part..count).step_by(threads).map(|number| token(number, "physician", signer)).collect())
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares.into_iter().flat_map(|share| -> Vec<String> { share.join().expect("a token") }).collect()
    })
}

/// A token of the size that identity providers issue, valid for as long as a benchmark may take.
fn token(number: usize, role: &str, signer: Signer) -> String {
    let token = Token::smart("8f4c2a90-dr-house", &[role, "offline_access", "uma_authorization"]);
    let token = token.claim("exp", now() + 3600).claim("jti", format!("8a7cf1f2-0000-4000-8000-{number:012}"));
    let token = token.claim("azp", "clinic-portal").claim("scope", "openid fhirUser user/*.rs launch/patient");
    token.claim("fhirUser", "https://fhir.clinic.example/fhir/Practitioner/prac-1").sign(signer)
}
