//! Suites of paths, FHIR interactions, access rules and addresses, from `tests/fixtures/access`.
//!
//! Every case has a name, unknown fields are refused, and a suite without cases fails. All cases of a suite are run
//! before it fails, and each failure says what was found.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use carewarden::access::{AddressRules, Caller, Decision, Facts, Rules, Setting, When, addresses::parse_source};
use carewarden::fhir::{Awaits, Base, BundleKind, EntryRequest, FhirError, Interaction, ResourceType, TypeSet};
use carewarden::http::{Headers, Host, Matched, Method, Router, Target};
use carewarden::policy::diagnostic::{Report, Severity};
use carewarden::policy::{self, Loaded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn load<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/access").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<T> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

/// Collects what differs, so that one run shows all of it.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + Debug>(&mut self, case: &str, found: T, expected: T) {
        if found != expected {
            self.0.push(format!("{case}\n     found: {found:?}\n  expected: {expected:?}"));
        }
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} cases differ:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}

// ---- Targets ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetCase {
    name: String,
    raw: String,
    #[serde(default)]
    sent: Option<String>,
    #[serde(default)]
    refused: Option<String>,
}

#[test]
fn a_target_is_sent_as_it_is_judged_or_refused() {
    let mut differences = Differences::default();
    for TargetCase { name, raw, sent, refused } in load("targets.json") {
        let (found, rewritten) = match Target::parse(raw.as_bytes()) {
            Ok(target) => (Ok(target.to_request_target()), target.is_rewritten()),
            Err(error) => (Err(error.as_str().to_owned()), false),
        };
        differences.compare(&name, rewritten, sent.as_ref().is_some_and(|sent| *sent != raw));
        differences.compare(&name, found, sent.ok_or(refused.unwrap_or_default()));
    }
}

// ---- Interactions ----

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    method: String,
    host: Option<String>,
    path: String,
    headers: Vec<(String, String)>,
    form: Option<String>,
    bundle: Option<Bundle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    r#type: String,
    entries: Vec<EntryCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryCase {
    method: String,
    url: String,
    #[serde(default)]
    if_none_exist: Option<String>,
    #[serde(default)]
    resource: Option<String>,
}

impl Request {
    /// The interaction, its body read.
    fn interaction(&self, base: &Base, target: &Target) -> Result<Interaction, FhirError> {
        let method = Method::parse(self.method.as_bytes()).map_err(|_| FhirError::NotAnInteraction)?;
        let headers = Headers::from_pairs(self.headers.iter().map(|(name, value)| (name, value)));
        let below = base.below(target.path()).ok_or(FhirError::NotAnInteraction)?;
        let mut interaction = Interaction::parse(&method, &below, target.query(), &headers)?;
        match (interaction.awaits(), &self.form, &self.bundle) {
            (Awaits::Form, Some(form), _) => interaction.read_form(form.as_bytes())?,
            (Awaits::Bundle, _, Some(Bundle { r#type, entries })) => {
                let kind = BundleKind::parse(r#type).ok_or(FhirError::NotAnInteraction)?;
                let requests = entries.iter().map(|EntryCase { method, url, if_none_exist, resource }| EntryRequest {
                    method,
                    url,
                    if_none_exist: if_none_exist.as_deref(),
                    has_resource: resource.is_some(),
                    resource_type: resource.as_deref(),
                    parameters: &[],
                });
                interaction.read_bundle(kind, target.path(), requests)?;
            }
            _ => (),
        }
        Ok(interaction)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InteractionCase {
    name: String,
    request: Request,
    #[serde(default)]
    is: Option<Parsed>,
    #[serde(default)]
    refused: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parsed {
    interaction: String,
    #[serde(rename = "type")]
    resource: Option<String>,
    id: Option<String>,
    version: Option<String>,
    compartment: Option<String>,
    features: Vec<String>,
    /// The types reached beside `type`; `any` and `open` for those not named.
    reaches: Vec<String>,
}

impl Parsed {
    fn of(interaction: &Interaction) -> Self {
        let touched = interaction.touched();
        let own = interaction.resource().map(ResourceType::name);
        let mut reaches: Vec<_> = names(&touched.types).into_iter().filter(|name| Some(name.as_str()) != own).collect();
        reaches.extend(touched.any.then(|| "any".to_owned()));
        reaches.extend(touched.open.then(|| "open".to_owned()));
        Self {
            interaction: interaction.name().to_owned(),
            resource: own.map(str::to_owned),
            id: interaction.id().map(str::to_owned),
            version: interaction.version().map(str::to_owned),
            compartment: interaction.compartment().map(|(kind, id)| format!("{}/{id}", kind.name())),
            features: interaction.features().iter().map(|feature| feature.as_str().to_owned()).collect(),
            reaches,
        }
    }
}

fn names(types: &TypeSet) -> Vec<String> {
    let all = ResourceType::names().iter();
    let within = all.filter(|name| ResourceType::parse(name).is_some_and(|resource| types.contains(resource)));
    within.map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_interaction_is_parsed_from_everything_that_says_what_is_asked() {
    let policy = r#"{"version": 1, "name": "t", "routes": [{"name": "r", "match": {"paths": ["/fhir/**"]},
        "fhir": {"base": "/fhir"}, "authorize": []}]}"#;
    let compiled = Compiled::new(policy);
    let mut differences = Differences::default();
    for InteractionCase { name, request, is, refused } in load("interactions.json") {
        let target = Target::parse(request.path.as_bytes()).unwrap();
        let found = request.interaction(compiled.base.as_ref().unwrap(), &target);
        let found = found.map(|interaction| Parsed::of(&interaction)).map_err(|error| error.as_str().to_owned());
        differences.compare(&name, found, is.ok_or(refused.unwrap_or_default()));
    }
}

// ---- Decisions ----

/// The first route of a policy, compiled.
struct Compiled {
    loaded: Loaded,
    router: Router,
    base: Option<Base>,
    rules: Rules,
    whens: Vec<When>,
    problems: Vec<String>,
}

impl Compiled {
    fn new(policy: &str) -> Self {
        let mut report = Report::new(policy);
        let loaded = policy::load(policy, &mut report).unwrap_or_else(|| panic!("not a policy: {policy}"));
        let routes = loaded.root.key("routes");
        let router = Router::compile(&loaded.model.routes, routes, &mut report);
        let (route, at) = (&loaded.model.routes[0], routes.item(0));
        let templates = router.templates(0);
        let base = route.fhir.as_ref().and_then(|fhir| Base::compile(fhir, templates, at.key("fhir"), &mut report));
        let setting = Setting { loaded: &loaded, route, templates };
        let rules = Rules::compile(setting, at.key("authorize"), &mut report);
        let redact = at.key("response").key("redact");
        let entries = route.response.redact.iter().flatten().enumerate();
        let whens = entries
            .map(|(index, entry)| When::compile(&entry.when, setting, redact.item(index).key("when"), &mut report))
            .collect();
        if let Some(addresses) = &route.addresses {
            AddressRules::compile(addresses, at.key("addresses"), &mut report);
        }
        let problem = |found: policy::diagnostic::Diagnostic| {
            let severity = if found.severity == Severity::Error { "error" } else { "warning" };
            let help = found.help.unwrap_or_else(|| panic!("no hint: {}", found.message));
            format!("{severity} {} {}: {} ({help})", found.code.as_str(), found.pointer, found.message)
        };
        let problems = report.into_vec().into_iter().map(problem).collect();
        Self { loaded, router, base, rules, whens, problems }
    }

    /// What the rules, and then the conditions of `redact`, say of a request.
    fn judge(&self, caller: &CallerCase, request: &Request) -> Found {
        let target = Target::parse(request.path.as_bytes()).expect("a path that can be judged");
        let method = Method::parse(request.method.as_bytes()).expect("a method that can be judged");
        let host = Host::parse(request.host.as_deref().unwrap_or("fhir.example").as_bytes()).unwrap();
        let matched = self.router.find(&method, target.path(), &host, || None).unwrap();
        let Some(Matched { route: 0, captures }) = matched else { return Found::refused("no_route") };
        let interaction = match self.base.as_ref().map(|base| request.interaction(base, &target)).transpose() {
            Ok(interaction) => interaction,
            Err(error) => return Found::refused(error.as_str()),
        };
        let facts = Facts {
            method: &method,
            path: target.path(),
            host: &host,
            captures: &captures,
            interaction: interaction.as_ref(),
        };
        let applies = || self.whens.iter().position(|when| when.holds(caller, &facts) != Ok(false));
        match self.rules.judge(caller, &facts) {
            Decision::Allow(grant) => Found {
                allow: Some(grant.rule),
                answer: grant.types.as_ref().map(Answer::of),
                redact: applies(),
                ..Found::default()
            },
            Decision::Deny(denial) => Found { rule: denial.rule, ..Found::refused(denial.reason.as_str()) },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    name: String,
    policy: Value,
    #[serde(default)]
    callers: BTreeMap<String, CallerCase>,
    cases: Vec<Case>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CallerCase {
    providers: Vec<String>,
    roles: Vec<String>,
    clients: Vec<String>,
    claims: Value,
}

impl Caller for CallerCase {
    fn has_provider(&self, name: &str) -> bool {
        self.providers.iter().any(|own| own == name)
    }
    fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|own| own == name)
    }
    fn is_client(&self, name: &str) -> bool {
        self.clients.iter().any(|own| own == name)
    }
    fn claim(&self, pointer: &str) -> Option<&Value> {
        self.claims.pointer(pointer)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    caller: Option<String>,
    request: Request,
    expect: Found,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Found {
    /// The rule that allows.
    allow: Option<usize>,
    /// The types that the answer may hold, or, after `-`, those that it may not; all when absent.
    answer: Option<Answer>,
    /// The entry of `redact` that applies, or cannot be judged.
    redact: Option<usize>,
    /// Why the request is refused.
    refused: Option<String>,
    /// The rule that refuses.
    rule: Option<usize>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Answer {
    Only(Vec<String>),
    AllBut(String),
}

impl Answer {
    /// Says it the shorter way.
    fn of(types: &TypeSet) -> Self {
        let missing = names(&TypeSet::all().without(types));
        if missing.len() < 10 { Self::AllBut(format!("-{}", missing.join(","))) } else { Self::Only(names(types)) }
    }
}

impl Found {
    fn refused(reason: &str) -> Self {
        Self { refused: Some(reason.to_owned()), ..Self::default() }
    }
}

fn run_decisions(file: &str) {
    let mut differences = Differences::default();
    for Suite { name: suite, policy, callers, cases } in load(file) {
        assert!(!cases.is_empty(), "{suite} holds no case");
        let compiled = Compiled::new(&policy.to_string());
        differences.compare(&suite, &compiled.problems, &Vec::new());
        assert!(!compiled.loaded.model.routes.is_empty());
        for Case { name, caller, request, expect } in cases {
            let caller = caller.map(|name| callers.get(&name).unwrap_or_else(|| panic!("no caller {name}")).clone());
            let found = compiled.judge(&caller.unwrap_or_default(), &request);
            differences.compare(&format!("{suite}: {name}"), found, expect);
        }
    }
}

#[test]
fn rules_on_callers_decide_as_written() {
    run_decisions("callers.json");
}

#[test]
fn rules_on_fhir_decide_as_written() {
    run_decisions("fhir.json");
}

// ---- Diagnostics ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProblemCase {
    name: String,
    #[serde(default)]
    authentication: Value,
    route: serde_json::Map<String, Value>,
    problems: Vec<String>,
}

#[test]
fn every_problem_of_a_route_is_reported_with_a_hint() {
    let mut differences = Differences::default();
    for ProblemCase { name, authentication, mut route, problems } in load("problems.json") {
        route.entry("name").or_insert_with(|| "r".into());
        route.entry("match").or_insert_with(|| serde_json::json!({ "paths": ["/fhir/**"] }));
        route.entry("authorize").or_insert_with(|| serde_json::json!([{ "allow": {} }]));
        let authentication = if authentication.is_null() { serde_json::json!({}) } else { authentication };
        let policy = serde_json::json!({ "version": 1, "name": "t", "authentication": authentication, "routes": [route] });
        differences.compare(&name, Compiled::new(&policy.to_string()).problems, problems);
    }
}

// ---- Addresses ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressCase {
    name: String,
    addresses: Value,
    permits: Vec<String>,
    refuses: Vec<String>,
}

#[test]
fn addresses_are_permitted_as_written() {
    let mut differences = Differences::default();
    for AddressCase { name, addresses, permits, refuses } in load("addresses.json") {
        let text = addresses.to_string();
        let mut report = Report::new(&text);
        let at = policy::document::Node::parse(&text, &mut report).unwrap();
        let rules = AddressRules::compile(&serde_json::from_value(addresses).unwrap(), &at, &mut report);
        assert!(!report.has_errors(), "{name}: {report:?}");
        for (sources, expected) in [(permits, true), (refuses, false)] {
            for source in sources {
                let found = parse_source(&source).is_some_and(|address| rules.permits(address));
                differences.compare(&format!("{name}: {source}"), found, expected);
            }
        }
    }
}
