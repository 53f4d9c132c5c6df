//! What a night brings: an upstream that is down, slow or gone midway, a module that traps, slow clients, ten thousand
//! connections.

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::stage::{AUDIT_KEY, BILLING, CLINIC, PHI_KEY, Stage};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::{Options, Shipped};
use crate::support::envoy::{Envoy, wait_for};
use crate::support::h1;
use crate::support::message::{End, Request};
use crate::support::tls::Certificates;
use crate::support::upstream::{Gate, Reply, Upstream};
use crate::support::vacant::Vacant;

/// `envoy/envoy.yaml` with the minimal policy of one key, and a change to its text.
fn shipped(upstream: &Upstream, change: impl FnOnce(String) -> String) -> Envoy {
    let policy = include_str!("../../policies/minimal/policy.json");
    let secrets = [("AUDIT_KEY", AUDIT_KEY), ("PHI_KEY", PHI_KEY)];
    let certificates = Certificates::generate(&["localhost"]).unwrap();
    let what = Shipped { policy, secrets: &secrets, certificates, port: 0, admin_port: 0 };
    Envoy::shipped(&what, upstream, change)
}

/// Replaces a setting of the shipped configuration, which has to be there.
fn with(yaml: String, from: &str, to: &str) -> String {
    assert!(yaml.contains(from), "the shipped configuration has no `{from}`");
    yaml.replace(from, to)
}

fn known(path: &str) -> Request {
    Request::get(path).key("minimal-test-key")
}

#[test]
fn an_upstream_that_is_down_slow_or_gone_midway_ends_in_an_error_and_in_a_record() {
    let upstream = Upstream::start();
    let envoy = shipped(&upstream, |yaml| with(yaml, " idle_timeout: 60s }", " idle_timeout: 1s }"));
    let gate = Gate::default();
    let body = r#"{"resourceType":"Patient","id":"1"}"#;
    upstream.reply("/api/slow", Reply::json(&json!({ "ok": true })).pieces(3).hold(&gate));
    upstream.reply("/api/gone", Reply::new(200).header("content-type", "application/json").body(body).reset_after(9));
    upstream.reply("/api/back", Reply::json(&json!({ "ok": true })));
    for protocol in PROTOCOLS {
        let answer = envoy.client().send(protocol, &known("/api/gone"));
        assert!(answer.status >= 500 || answer.end == End::Cut, "{protocol:?} {answer:?}");
        let answer = envoy.client().send(protocol, &known("/api/slow"));
        assert!(answer.status == 504 || answer.end == End::Cut, "{protocol:?} {answer:?}");
        assert_eq!(envoy.client().send(protocol, &known("/api/back")).status, 200, "{protocol:?}");
    }
    gate.open();
    for details in ["upstream_reset_after_response_started", "stream_idle_timeout"] {
        assert!(envoy.prints(details), "{}", envoy.output());
    }
    assert!(!envoy.trapped());
}

#[test]
fn while_nobody_is_upstream_answers_are_503_and_then_come_again() {
    let vacant = Vacant::new().unwrap();
    let placeholder = Upstream::start();
    let port = format!("port_value: {} }}", placeholder.address.port());
    let envoy = shipped(&placeholder, |yaml| with(yaml, &port, &format!("port_value: {} }}", vacant.address.port())));
    for protocol in PROTOCOLS {
        assert_eq!(envoy.client().send(protocol, &known("/api/x")).status, 503, "{protocol:?}");
        // Whether anybody is there is not told to who may not ask.
        assert_eq!(envoy.client().send(protocol, &Request::get("/api/x")).status, 401, "{protocol:?}");
    }
    let upstream = vacant.serving(|_| Reply::json(&json!({ "ok": true }))).unwrap();
    assert_eq!(envoy.client().send(Protocol::Http1, &known("/api/x")).status, 200);
    assert_eq!(upstream.all_seen().len(), 1);
}

#[test]
fn a_module_that_traps_refuses_until_it_is_loaded_again_and_lets_nothing_by() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/trap/carewarden.wasm");
    assert!(module.exists(), "no module at {}: run `make trap`", module.display());
    let stage = Stage::new(Options { policy: CLINIC.to_owned(), module: Some(module), ..Options::default() });
    stage.upstream.reply("/fhir/Patient/trapped", Reply::fhir(&json!({ "resourceType": "Patient", "id": "1" })));
    let good = Request::get("/fhir/Patient/trapped").key(BILLING);
    assert_eq!(stage.send(Protocol::Http1, &good).status, 200);
    // A stream that is under way when the module traps ends with it.
    let gate = Gate::default();
    let slow = Reply::fhir(&json!({ "resourceType": "Patient", "id": "2", "name": [{ "family": "Secret" }] }));
    stage.upstream.reply("/fhir/Patient/under-way", slow.pieces(8).hold(&gate));
    let under_way = thread::scope(|scope| {
        let open = scope.spawn(|| stage.send(Protocol::Http1, &Request::get("/fhir/Patient/under-way").key(BILLING)));
        assert!(wait_for(|| (!stage.upstream.seen("/fhir/Patient/under-way").is_empty()).then_some(())).is_some());
        let trapped = stage.send(Protocol::Http2, &good.clone().header("x-trap", "yes"));
        assert_eq!(trapped.status, 503, "{trapped:?}");
        gate.open();
        open.join().expect("a client does not panic")
    });
    assert!(!under_way.text().contains("Secret"), "{under_way:?}");
    assert!(under_way.status >= 500 || under_way.end == End::Cut, "{under_way:?}");
    // Meanwhile everything is refused, good and bad; then the module is back, as it was.
    let seen = stage.upstream.all_seen().len();
    let mut refused = 0;
    let back = wait_for(|| {
        let status = stage.send(Protocol::Http1, &good).status;
        refused += usize::from(status == 503);
        assert!(matches!(status, 200 | 503), "{status}");
        (status == 200).then_some(())
    });
    assert!(back.is_some(), "{}", stage.envoy.log());
    assert_eq!(stage.upstream.all_seen().len(), seen + 1, "only what was let through went on");
    assert!(refused > 0, "it refuses while it is down");
    assert_eq!(stage.send(Protocol::Http1, &Request::get("/fhir/Patient/trapped")).status, 401);
    let reloads = stage.envoy.stats().into_iter().filter(|(name, _)| name.contains("vm_reload_success"));
    assert!(reloads.map(|(_, count)| count.parse::<u64>().unwrap_or(0)).sum::<u64>() > 0);
}

#[test]
fn slow_clients_are_let_go_and_keep_nobody_waiting() {
    let upstream = Upstream::start();
    let large = Reply::new(200).header("content-type", "application/json").body("[0]").pieces(1 << 16);
    upstream.reply("/api/large", large.repeat(1, ""));
    upstream.reply("/api/quick", Reply::json(&json!({ "ok": true })));
    let envoy = shipped(&upstream, |yaml| {
        let yaml = with(yaml, "request_headers_timeout: 10s", "request_headers_timeout: 1s");
        let yaml = with(yaml, "request_timeout: 60s", "request_timeout: 2s");
        with(yaml, "stream_idle_timeout: 60s", "stream_idle_timeout: 2s")
    });
    let client = envoy.client();
    thread::scope(|scope| {
        // One header line a while, a body byte by byte, and one that begins and then says nothing.
        let drip = |head: &'static str, drop: &'static str| {
            let client = client.clone();
            scope.spawn(move || {
                client.converse_raw(|stream| {
                    let _sent = stream.write_all(head.as_bytes());
                    for _ in 0..40 {
                        if stream.write_all(drop.as_bytes()).and_then(|()| stream.flush()).is_err() {
                            break;
                        }
                        thread::sleep(Duration::from_millis(100));
                    }
                })
            })
        };
        let head = "POST /api/x HTTP/1.1\r\nhost: fhir.clinic.example\r\nx-api-key: minimal-test-key\r\n";
        let headers = drip(head, "x-a: b\r\n");
        let body = drip(
            "POST /api/x HTTP/1.1\r\nhost: fhir.clinic.example\r\nx-api-key: minimal-test-key\r\ncontent-type: application/json\r\n\
             content-length: 5000\r\n\r\n",
            " ",
        );
        for _ in 0..50 {
            assert_eq!(client.send(Protocol::Http2, &known("/api/quick")).status, 200);
        }
        for (what, slow) in [("headers", headers), ("body", body)] {
            let answer = slow.join().expect("a client does not panic");
            assert!(answer.status == 408 || answer.end == End::Cut, "{what}: {answer:?}");
        }
    });
    assert!(upstream.seen("/api/x").is_empty(), "what never came whole goes nowhere");
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let upstream = Upstream::start();
    let piece = "x".repeat(1 << 20);
    let answer = Reply::new(200).header("content-type", "text/plain").body(&piece).pieces(1 << 16).repeat(64, "");
    upstream.reply("/api/large", answer);
    let envoy = shipped(&upstream, |yaml| {
        let yaml = with(yaml, "stream_idle_timeout: 60s", "stream_idle_timeout: 1s");
        with(yaml, "idle_timeout: 60s }", "idle_timeout: 1s }")
    });
    let mut stream = envoy.client().connect();
    stream.write_all(b"GET /api/large HTTP/1.1\r\nhost: a\r\nx-api-key: minimal-test-key\r\n\r\n").unwrap();
    let mut first = [0; 1024];
    assert!(stream.read(&mut first).unwrap() > 0);
    // Then it reads no more. Envoy's idle timers end the stream, and count it.
    let let_go = || {
        (envoy.stat("http.fhir.downstream_rq_idle_timeout") + envoy.stat("http.fhir.downstream_rq_rx_reset") > 0
            || envoy.stat("cluster.fhir.upstream_rq_per_try_idle_timeout") > 0)
            .then_some(())
    };
    assert!(wait_for(let_go).is_some(), "{:?}", envoy.stats());
}

/// As many connections as the machine lets one process have, ten thousand at most.
#[test]
fn ten_thousand_connections_are_served_and_one_more_is_not() {
    let limit = descriptors();
    let count = limit.saturating_sub(500).min(10_000) as usize;
    assert!(count > 500, "this machine lets a process have {limit} descriptors");
    let stage = Stage::new(Options {
        policy: CLINIC.to_owned(),
        workers: 2,
        max_connections: Some(count as u64),
        ..Options::default()
    });
    stage.upstream.reply("/plain/many", Reply::json(&json!({ "ok": true })));
    let request = Request::get("/plain/many");
    let client = stage.envoy.plain();
    let before = stage.envoy.metric("carewarden.memory_bytes");
    let mut open = Vec::new();
    for number in 0..count {
        let mut connection = BufReader::new(client.connect());
        // Most are idle, as at a hospital's: the first and every hundredth ask at once.
        if number.is_multiple_of(100) {
            assert_eq!(h1::converse(&mut connection, &request).status, 200, "{number}");
        }
        open.push(connection);
    }
    let counted = || (stage.envoy.stat("http.ingress.downstream_cx_active") == count as u64).then_some(());
    assert!(wait_for(counted).is_some(), "{} of {count}", stage.envoy.stat("http.ingress.downstream_cx_active"));
    // One more is refused, and the others serve on.
    assert_eq!(client.send(Protocol::Http1, &request).status, 0);
    for connection in open.iter_mut().rev().step_by(7) {
        assert_eq!(h1::converse(connection, &request).status, 200);
    }
    drop(open);
    let again = || (client.send(Protocol::Http1, &request).status == 200).then_some(());
    assert!(wait_for(again).is_some());
    let grown = stage.envoy.metric("carewarden.memory_bytes").saturating_sub(before);
    assert!(grown <= 8 << 20, "idle connections cost the module nothing: {grown}");
}

/// Raises the soft limit of open files to the hard one, and returns it.
fn descriptors() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}
