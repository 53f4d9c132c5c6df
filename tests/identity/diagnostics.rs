//! What is wrong with a provider: the policies of `fixtures/providers`, each with every problem that is found in it.

use std::collections::HashMap;

use carewarden::identity;
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::Fixture;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    authentication: Value,
    /// Any of `a` when absent.
    #[serde(default = "any_of_a")]
    authenticate: Value,
    #[serde(default)]
    env: HashMap<String, String>,
    /// Severity, code and pointer of each, in alphabetical order.
    problems: Vec<String>,
}

fn any_of_a() -> Value {
    json!({"any": ["a"]})
}

/// Severity, code and pointer of each problem, in alphabetical order, and all that was said.
fn problems(case: &Case) -> (Vec<String>, String) {
    let route = json!({
        "name": "r", "match": {"paths": ["/"]}, "authenticate": case.authenticate, "authorize": [{"allow": {}}],
    });
    let policy = json!({"version": 1, "name": "x", "authentication": case.authentication, "routes": [route]});
    let text = policy.to_string();
    let mut report = Report::new(&text);
    let loaded = policy::load(&text, &mut report).unwrap();
    let env = |name: &str| case.env.get(name).cloned();
    let at = loaded.root.key("authentication");
    let providers = identity::compile(&loaded.model.authentication, at, &env, &mut report);
    identity::check_key_routes(&loaded, &mut report);
    let at = loaded.root.key("routes").item(0).key("authenticate");
    providers.requirement(loaded.model.routes[0].authenticate.as_ref().unwrap(), at, &loaded, &mut report);
    let found = report.into_vec();
    assert!(found.iter().all(|one| one.help.is_some() || one.code.as_str() == "missing-key"), "{}: no hint", case.name);
    let severity = |one: &policy::diagnostic::Diagnostic| format!("{:?}", one.severity).to_lowercase();
    let mut lines: Vec<_> =
        found.iter().map(|one| format!("{} {} {}", severity(one), one.code.as_str(), one.pointer)).collect();
    lines.sort();
    (lines, found.iter().map(|one| format!("\n  {one}")).collect())
}

#[test]
fn every_problem_of_a_provider_is_found_and_no_other() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/providers/diagnostics.json")).unwrap();
    let mut differing = Vec::new();
    for case in &cases {
        let (found, said) = problems(case);
        if found != case.problems {
            differing.push(format!("{}: {found:#?}{said}", case.name));
        }
    }
    assert!(cases.len() > 90, "cases are missing");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn no_secret_is_repeated() {
    let secret = "not long enough";
    let case = Case {
        name: "weak".to_owned(),
        authentication: json!({"a": {
            "type": "jwt", "issuer": "https://a.example", "audiences": ["x"], "algorithms": ["HS256"], "secret": {"env": "S"},
        }}),
        authenticate: any_of_a(),
        env: HashMap::from([("S".to_owned(), secret.to_owned())]),
        problems: Vec::new(),
    };
    let (found, said) = problems(&case);
    assert_eq!(found, ["error weak-secret /authentication/a/secret/env"]);
    assert!(!said.contains(secret));
}

#[test]
fn debug_output_of_providers_holds_no_secret() {
    let fixture = Fixture::load();
    let shown = format!("{:?}", fixture.providers);
    assert!(shown.contains("https://mixed.example"));
    for secret in fixture.suite.env.values() {
        assert!(!shown.contains(secret) && !shown.contains(&format!("{:?}", secret.as_bytes())));
    }
}
