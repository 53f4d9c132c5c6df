//! `envoy/envoy.yaml` and `envoy/filter.yaml.in` as they are shipped, with other ports.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{AUDIT_KEY, BILLING, PHI_KEY, RESEARCH, clinic_with};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Shipped;
use crate::support::envoy::Envoy;
use crate::support::message::Request;
use crate::support::tls::Certificates;
use crate::support::upstream::{Reply, Upstream};
fn start(change: impl Fn(String) -> String) -> (Envoy, Upstream) {
    // The shipped filter hands on the secrets that most policies need, and not the one of `legacy`.
    let policy = clinic_with(|policy| {
        policy["authentication"].as_object_mut().unwrap().remove("legacy");
        policy["defaults"]["authenticate"]["any"] = json!(["smart", "partners"]);
    });
    let secrets = [("AUDIT_KEY", AUDIT_KEY), ("PHI_KEY", PHI_KEY)];
    let certificates = Certificates::generate(&["localhost"]).unwrap();
    let what = Shipped { policy: &policy, secrets: &secrets, certificates, port: 0, admin_port: 0 };
    let upstream = Upstream::start();
    let envoy = Envoy::shipped(&what, &upstream, change);
    (envoy, upstream)
}

#[test]
fn it_guards_an_api_over_both_protocols() {
    let (envoy, upstream) = start(|yaml| yaml);
    let patient = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Secret"}]}"#;
    upstream.reply("/fhir/Patient/1", Reply::new(200).header("content-type", "application/fhir+json").body(patient));
    for protocol in PROTOCOLS {
        let response = envoy.client().send(protocol, &Request::get("/fhir/Patient/1").key(BILLING));
        assert_eq!((response.status, response.text().as_str()), (200, r#"{"resourceType":"Patient","id":"1"}"#));
        assert_eq!(envoy.client().send(protocol, &Request::get("/fhir/Patient/1")).status, 401);
    }
    assert_eq!(upstream.all_seen().len(), 2);
}

#[test]
fn a_body_as_large_as_the_policy_takes_is_taken_over_both_protocols() {
    let (envoy, upstream) = start(|yaml| yaml);
    upstream.reply("/fhir/Patient", Reply::new(201));
    let patient = format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, "x".repeat(900_000));
    for protocol in PROTOCOLS {
        let response = envoy.client().send(protocol, &Request::post("/fhir/Patient", &patient).key(BILLING));
        assert_eq!(response.status, 201, "{protocol:?} {response:?}");
    }
    assert!(upstream.seen("/fhir/Patient").iter().all(|seen| seen.body == patient.as_bytes()));
}

#[test]
fn its_access_log_has_the_record_and_neither_path_nor_query() {
    let (envoy, _upstream) = start(|yaml| yaml);
    envoy.client().send(Protocol::Http2, &Request::get("/fhir/Patient/mrn-31337?name=Secret").key(BILLING));
    assert!(envoy.prints("billing-2026"), "{}", envoy.output());
    let line = envoy.output();
    assert!(line.contains("\"audit\":\"{"), "{line}");
    assert!(!line.contains("31337") && !line.contains("Secret") && !line.contains("/fhir"), "{line}");
}

#[test]
fn its_tags_take_the_labels_out_of_our_metrics() {
    let (envoy, _upstream) = start(|yaml| yaml);
    envoy.client().send(Protocol::Http1, &Request::get("/fhir/Patient/1"));
    let metrics = envoy.admin("/stats/prometheus");
    let line = metrics.lines().find(|line| line.starts_with("carewarden_requests{")).expect("our counter");
    for label in ["policy=\"e2e\"", "route=\"fhir\"", "decision=\"deny\"", "reason=\"missing_credentials\""] {
        assert!(line.contains(label), "{label} in {line}");
    }
}

#[test]
fn a_client_has_a_rate_of_its_own_and_an_address_too() {
    // The shipped buckets, made so small that a test can empty them.
    let small = |yaml: String| {
        let by_client = "{ max_tokens: 100, tokens_per_fill: 50, fill_interval: 1s }";
        let by_address = "{ max_tokens: 400, tokens_per_fill: 200, fill_interval: 1s }";
        assert!(yaml.contains(by_client) && yaml.contains(by_address));
        let yaml = yaml.replace(by_client, "{ max_tokens: 3, tokens_per_fill: 1, fill_interval: 600s }");
        yaml.replace(by_address, "{ max_tokens: 9, tokens_per_fill: 1, fill_interval: 600s }")
    };
    let (envoy, upstream) = start(small);
    upstream.reply("/members/list", Reply::json(&json!({})));
    upstream.reply("/inside/list", Reply::json(&json!({})));
    let statuses = |key: &str, path: &str, count: usize| -> Vec<u16> {
        let send = |_| envoy.client().send(Protocol::Http2, &Request::get(path).key(key)).status;
        (0..count).map(send).collect()
    };
    assert_eq!(statuses(BILLING, "/members/list", 4), [200, 200, 200, 429]);
    // Another client still has its own; then the address has had its nine.
    assert_eq!(statuses(RESEARCH, "/inside/list", 4), [200, 200, 200, 429]);
    assert_eq!(statuses("no such key", "/members/list", 2), [401, 429]);
}

/// Every setting of `envoy/envoy.yaml` stands in the stack's configuration too, in the same order; but for addresses.
#[test]
fn the_stack_runs_what_is_recommended() {
    let settings = |yaml: &'static str| {
        yaml.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect::<Vec<_>>()
    };
    let recommended = settings(include_str!("../../envoy/envoy.yaml"));
    let mut stack = settings(include_str!("../../envoy/compose/envoy.yaml")).into_iter();
    let elsewhere = [
        (
            "socket_address: { address: 127.0.0.1, port_value: 8443 }",
            "socket_address: { address: 0.0.0.0, port_value: 8443 }",
        ),
        ("socket_address: { address: 127.0.0.1, port_value: 8080 }", "socket_address: { address: fhir, port_value: 8080 }"),
    ];
    for line in recommended {
        let own = elsewhere.iter().find(|(from, _)| *from == line).map_or(line, |(_, to)| to);
        assert!(stack.any(|other| other == own), "the stack's configuration lacks, or has elsewhere: {own}");
    }
}

#[test]
fn what_it_says_of_itself_lets_nothing_past_and_a_change_to_it_shows() {
    let judged = |name: &str, change: fn(String) -> String| {
        let (envoy, _upstream) = start(change);
        let dump = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&dump, envoy.admin("/config_dump?include_eds")).expect("a writable directory");
        let mut check = Command::new(env!("CARGO_BIN_EXE_carewarden"));
        let output = check.args(["check", "--format", "json", "--envoy"]).arg(dump).output().expect("it runs");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let all = found[0]["diagnostics"].as_array().expect("a list").clone();
        // A policy may use private addresses, and is warned of that wherever it is judged.
        let codes = all.iter().map(|problem| problem["code"].as_str().expect("a code").to_owned());
        (output.status.code(), codes.filter(|code| code != "risky").collect::<Vec<_>>())
    };
    assert_eq!(judged("shipped.json", |yaml| yaml), (Some(0), vec![]));
    let open = |yaml: String| yaml.replace("use_remote_address: true", "use_remote_address: false");
    assert_eq!(judged("changed.json", open), (Some(1), vec!["client-says-address".to_owned()]));
}
