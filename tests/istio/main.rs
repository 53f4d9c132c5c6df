//! What the manifests of `envoy/istio` make of a sidecar, in a real Envoy: `make istio`.

#![cfg(test)]

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

mod sidecar;

use serde_json::{Value, json};

use crate::sidecar::{Sidecar, denial, guard, rendered};
use crate::support::client::{Client, PROTOCOLS, Protocol};
use crate::support::envoy::Envoy;
use crate::support::message::Request;
use crate::support::token::{SigningKey, Token};
use crate::support::upstream::{Reply, Upstream};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Doe"}]}"#;

fn patient() -> Reply {
    Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT)
}

/// A client that comes through the ingress gateway, and so with the gateway's certificate.
fn gateway(envoy: &Envoy) -> Client {
    envoy.client().with_identity(&envoy.identities[0])
}

/// A workload of the mesh.
fn billing(envoy: &Envoy) -> Client {
    envoy.client().with_identity(&envoy.identities[1])
}

/// A change to the policy in a guard.
fn with_policy(mut guard: Value, change: impl FnOnce(&mut Value)) -> Value {
    let place = &mut guard["typed_config"]["config"]["configuration"]["value"];
    let mut policy: Value = serde_json::from_str(place.as_str().unwrap()).unwrap();
    change(&mut policy);
    *place = json!(policy.to_string());
    guard
}

#[test]
fn a_workload_is_guarded_by_its_own_policy() {
    let upstream = Upstream::start();
    upstream.reply("/fhir/Patient/1", patient());
    upstream.reply("/claims/open", Reply::json(&json!({ "claims": [{ "member": "mrn-31337", "amount": 1 }] })));
    let envoy = Sidecar::of("fhir-stable").start(&upstream);
    for protocol in PROTOCOLS {
        let response = billing(&envoy).send(protocol, &Request::get("/fhir/Patient/1"));
        let text = response.text();
        assert!(response.status == 200 && text.contains(r#""id":"1""#) && !text.contains("Doe"), "{protocol:?} {text}");
        assert_eq!(gateway(&envoy).send(protocol, &Request::get("/fhir/Patient/1")).status, 401);
        assert_eq!(billing(&envoy).send(protocol, &Request::get("/claims/open")).status, 404);
    }
    let envoy = Sidecar::of("claims").start(&upstream);
    for protocol in PROTOCOLS {
        let response = billing(&envoy).send(protocol, &Request::get("/claims/open"));
        assert!(response.status == 200 && !response.text().contains("31337"), "{response:?}");
        assert_eq!(billing(&envoy).send(protocol, &Request::get("/fhir/Patient/1")).status, 404);
    }
    assert!(!envoy.trapped());
}

#[test]
fn tokens_are_verified_with_keys_from_the_cluster_of_the_service_entry() {
    let (upstream, key_server) = (Upstream::start(), Upstream::start());
    upstream.reply("/fhir/Patient/1", patient());
    upstream.reply("/fhir/Patient", Reply::new(201));
    let key = SigningKey::new("2026");
    let issuer = "https://idp.clinic.example";
    let configuration = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    key_server.reply("/.well-known/openid-configuration", Reply::json(&configuration));
    key_server.reply("/keys", Reply::json(&json!({ "keys": [key.jwk()] })));
    let address = Some(key_server.address);
    let envoy = Sidecar { key_server: address, ..Sidecar::of("fhir-canary") }.start(&upstream);
    let token = Token::smart("dr-house", &["physician"]).sign_with(&key);
    let forged = Token::smart("dr-house", &["physician"]).sign_with(&SigningKey::new("2026"));
    // A body as large as the policy takes, but for a little.
    let large = format!(r#"{{"resourceType":"Patient","language":"{}"}}"#, "x".repeat(1_000_000));
    for protocol in PROTOCOLS {
        let response = gateway(&envoy).send(protocol, &Request::get("/fhir/Patient/1").bearer(&token));
        assert_eq!((response.status, response.text().as_str()), (200, PATIENT), "{protocol:?}");
        assert_eq!(gateway(&envoy).send(protocol, &Request::get("/fhir/Patient/1").bearer(&forged)).status, 401);
        let request = Request::post("/fhir/Patient", &large).bearer(&token);
        assert_eq!(gateway(&envoy).send(protocol, &request).status, 201, "{protocol:?}");
    }
    assert_eq!(key_server.all_seen()[0].all("host"), ["idp.clinic.example"]);
}

#[test]
fn a_client_does_not_say_its_own_address() {
    let upstream = Upstream::start();
    upstream.reply("/fhir/Patient/1", patient());
    let denied = || {
        with_policy(guard("fhir-stable"), |policy| {
            policy["routes"][1]["addresses"] = json!({ "allow": ["203.0.113.0/24"] });
        })
    };
    let request = Request::get("/fhir/Patient/1").header("x-forwarded-for", "203.0.113.9");
    let envoy = Sidecar { filter: denied(), ..Sidecar::of("fhir-stable") }.start(&upstream);
    // As Istio has it, without what `namespace/filter.yaml` says of connections.
    let unpatched = |patch: &Value| patch["applyTo"] == "HTTP_FILTER";
    let believing = Sidecar { filter: denied(), applied: unpatched, ..Sidecar::of("fhir-stable") }.start(&upstream);
    for protocol in PROTOCOLS {
        assert_eq!(billing(&envoy).send(protocol, &request).status, 403);
        assert_eq!(billing(&believing).send(protocol, &request).status, 200, "and so the patch is needed");
    }
    let underscore = Request::get("/fhir/Patient/1").header("x_carewarden_client", "me");
    assert_eq!(billing(&envoy).send(Protocol::Http1, &underscore).status, 400);
}

#[test]
fn the_head_of_an_upstreams_100_does_not_pass() {
    let upstream = Upstream::start();
    let answer = format!(
        "HTTP/1.1 100 Continue\r\nx-patient: Doe\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\n\
         content-length: {}\r\n\r\n{PATIENT}",
        PATIENT.len()
    );
    upstream.reply("/fhir/Patient/1", Reply::raw(answer));
    let head = |envoy: &Envoy| {
        let request =
            "GET /fhir/Patient/1 HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
        let mut stream = billing(envoy).connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    let envoy = Sidecar::of("fhir-stable").start(&upstream);
    let text = head(&envoy);
    assert!(text.contains("200 OK") && !text.contains("Doe"), "{text}");
    let believing = Sidecar { mesh: false, ..Sidecar::of("fhir-stable") }.start(&upstream);
    let text = head(&believing);
    assert!(text.contains("x-patient: Doe"), "and so `mesh.yaml` is needed: {text}");
}

#[test]
fn records_stand_in_the_access_log_and_neither_path_nor_query() {
    let upstream = Upstream::start();
    let envoy = Sidecar::of("fhir-stable").start(&upstream);
    billing(&envoy).send(Protocol::Http2, &Request::get("/fhir/Patient/mrn-31337?name=Secret"));
    assert!(envoy.prints("\"audit\":\"{"), "{}", envoy.output());
    let line = envoy.output();
    assert!(line.contains("ns/billing/sa/invoices"), "{line}");
    assert!(!line.contains("31337") && !line.contains("Secret") && !line.contains("/fhir"), "{line}");
}

#[test]
fn a_module_that_could_not_be_fetched_lets_nothing_through() {
    let upstream = Upstream::start();
    upstream.reply("/fhir/metadata", Reply::fhir(&json!({ "resourceType": "CapabilityStatement" })));
    let envoy = Sidecar { filter: denial(), ..Sidecar::of("fhir-stable") }.start(&upstream);
    for protocol in PROTOCOLS {
        assert_eq!(billing(&envoy).send(protocol, &Request::get("/fhir/metadata")).status, 403);
    }
    assert!(upstream.all_seen().is_empty());
}

/// A `WasmPlugin` becomes a filter with these fields and no others; its `pluginConfig` comes with names in order.
#[test]
fn what_istio_makes_of_a_wasm_plugin_refuses_what_it_cannot_hold() {
    let ours = with_policy(guard("fhir-stable"), |policy| {
        policy["defaults"]["request"]["body_timeout"] = json!("1s");
        policy.sort_all_objects();
    });
    let config = &ours["typed_config"]["config"];
    let plugin = json!({
        "name": "carewarden",
        "typed_config": {
            "@type": sidecar::WASM,
            "config": {
                "name": "clinic.carewarden",
                "root_id": "carewarden",
                "configuration": config["configuration"],
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": config["vm_config"]["code"],
                    "environment_variables": config["vm_config"]["environment_variables"],
                },
            },
        },
    });
    let upstream = Upstream::start();
    upstream.reply("/fhir/Patient/1", patient());
    let envoy = Sidecar { filter: plugin, ..Sidecar::of("fhir-stable") }.start(&upstream);
    for protocol in PROTOCOLS {
        assert_eq!(gateway(&envoy).send(protocol, &Request::get("/fhir/Patient/1")).status, 401);
        let response = billing(&envoy).send(protocol, &Request::get("/fhir/Patient/1"));
        assert!(response.status == 502 && !response.text().contains("Doe"), "{response:?}");
    }
    assert!(envoy.logs("allow_on_headers_stop_iteration"), "{}", envoy.log());
}

#[test]
fn a_rollback_changes_the_digest_and_nothing_else() {
    let digest = |guard: &mut Value| guard["typed_config"]["config"]["vm_config"]["code"].take();
    let (mut stable, mut before) = (guard("fhir-stable"), guard("fhir-rollback"));
    assert_ne!(digest(&mut stable), digest(&mut before));
    assert_eq!(stable, before);
    assert_eq!(rendered("fhir-rollback").as_array().unwrap().len(), 1);
}
