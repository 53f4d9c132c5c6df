//! What is said of a policy whose events cannot be delivered, or only at a risk.

use carewarden::exchange::Engine;
use serde_json::{Value, json};

use crate::support::policy;

fn found(change: impl FnOnce(&mut Value), token: Option<&str>) -> Vec<String> {
    let mut policy = policy();
    change(&mut policy["audit"]["delivery"]);
    let token = token.map(str::to_owned);
    let env = |name: &str| match name {
        "JWT_KEY" => Some("a secret of the tests, 32 bytes or more".to_owned()),
        "TOKEN" => token.clone(),
        _ => None,
    };
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &env);
    let found: Vec<_> = found
        .iter()
        .filter(|one| one.pointer.starts_with("/audit"))
        .map(|one| format!("{:?} {} {}: {}", one.severity, one.code.as_str(), one.pointer, one.message))
        .collect();
    let refuses = found.iter().any(|one| one.starts_with("Error"));
    assert_eq!(engine.is_none(), refuses, "{found:?}");
    found
}

const CLEAR: &str = "Warning risky /audit/delivery: AuditEvents name patients, users and searches in clear";

#[test]
fn events_in_clear_are_warned_of() {
    assert_eq!(found(|_| (), None), [CLEAR]);
    let plain = found(|delivery| delivery["uri"] = json!("http://audit.example/fhir"), None);
    assert_eq!(plain, ["Warning risky /audit/delivery/uri: events that name patients go over plain HTTP"]);
}

#[test]
fn what_cannot_be_is_an_error_at_its_place() {
    for (key, value, expected) in [
        ("cluster", json!(""), "/audit/delivery/cluster: the cluster has no name"),
        ("uri", json!("audit.example"), "/audit/delivery/uri: `audit.example` is not an absolute address"),
        ("interval", json!("10ms"), "/audit/delivery/interval: `interval` has to be from 250ms to 60s"),
        ("timeout", json!("2m"), "/audit/delivery/timeout: `timeout` has to be from 1s to 60s"),
        ("batch", json!(0), "/audit/delivery/batch: `batch` has to be from 1 to 200"),
        ("batch", json!(201), "/audit/delivery/batch: `batch` has to be from 1 to 200"),
        ("max_queue", json!(100_001), "/audit/delivery/max_queue: `max_queue` has to be from 1 to 100000"),
        ("source", json!(""), "/audit/delivery/source: `source` is no name for an event"),
        ("site", json!("a\nb"), "/audit/delivery/site: `site` is no name for an event"),
    ] {
        let found = found(|delivery| delivery[key] = value.clone(), None);
        assert!(found.contains(&format!("Error invalid-value {expected}")), "{key} {value}: {found:?}");
    }
    for (key, value) in [("on_overflow", json!("ignore")), ("bach", json!(1)), ("cluster", Value::Null)] {
        assert!(found(|delivery| delivery[key] = value, None).iter().any(|one| one.starts_with("Error")), "{key}");
    }
}

#[test]
fn a_token_comes_from_the_environment_and_is_one() {
    let with = |token| found(|delivery| delivery["authorization"] = json!({ "env": "TOKEN" }), token);
    assert_eq!(with(Some("0123456789abcdef")), [CLEAR]);
    let missing = with(None);
    assert!(missing.iter().any(|one| one.starts_with("Warning missing-secret /audit/delivery/authorization/env")));
    assert!(with(Some("short")).iter().any(|one| one.starts_with("Error weak-secret")));
    for wrong in ["0123456789abcdef\n", "0123456789 abcdef", "0123456789abcdéf"] {
        let found = with(Some(wrong));
        assert!(found.iter().any(|one| one.starts_with("Error weak-secret")), "{found:?}");
        assert!(!found.iter().any(|one| one.contains("0123456789")), "{found:?}");
    }
    let rotated = found(
        |delivery| delivery["authorization"] = json!({ "env": "TOKEN", "previous": "OLD" }),
        Some("0123456789abcdef"),
    );
    assert!(rotated.iter().any(|one| one.starts_with("Error not-supported")), "{rotated:?}");
}
