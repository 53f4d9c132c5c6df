//! What is said of a policy that describes what cannot be: each problem where it stands, with a hint.

use carewarden::exchange::Engine;
use carewarden::policy::diagnostic::Severity;
use serde_json::{Value, json};

const CASES: &str = include_str!("../fixtures/validate/diagnostics.json");

fn problems(case: &Value) -> Vec<String> {
    let mut route = json!({
        "name": "r", "match": { "paths": ["/a/**"] }, "authenticate": "none", "authorize": [{ "allow": {} }]
    });
    for (key, value) in case["route"].as_object().into_iter().flatten() {
        route[key] = value.clone();
    }
    if route.get("fhir").is_some() {
        route["response"] = json!({ "redact": [{ "apply": "none" }] });
    }
    let mut policy = json!({ "version": 1, "name": "p", "routes": [route] });
    for (key, value) in case["policy"].as_object().into_iter().flatten() {
        policy[key] = value.clone();
    }
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &|_| None);
    let errors: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
    assert_eq!(engine.is_none(), !errors.is_empty());
    assert!(errors.iter().all(|found| found.help.is_some()), "{errors:?}");
    errors.iter().map(|found| format!("{} {}", found.code.as_str(), found.pointer)).collect()
}

#[test]
fn each_problem_is_found_where_it_stands() {
    let cases: Value = serde_json::from_str(CASES).expect("JSON");
    let cases = cases["cases"].as_array().expect("cases");
    for case in cases {
        let expected: Vec<_> =
            case["problems"].as_array().expect("problems").iter().map(|p| p.as_str().expect("text")).collect();
        assert_eq!(problems(case), expected, "{}", case["name"]);
    }
    assert!(cases.len() >= 20);
}
