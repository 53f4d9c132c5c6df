//! Answers of any size: streamed, never collected.

use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::stage::{BILLING, clinic, physician};
use crate::support::client::PROTOCOLS;
use crate::support::message::{End, Request};
use crate::support::upstream::{Gate, Reply};

const MIB: u64 = 1 << 20;

/// A searchset Bundle of about this many MiB, its last byte held back behind a gate.
fn searchset(mebibytes: usize, gate: &Gate) -> Reply {
    let patient = r#"{"fullUrl":"https://fhir.clinic.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","name":[{"family":"Secret","given":["Jane","Ann"]}],"telecom":[{"system":"phone","value":"555-0101"}],"active":true,"gender":"female"}},"#;
    let entries = MIB as usize / patient.len();
    let head = r#"{"resourceType":"Bundle","type":"searchset","entry":["#;
    let last = r#"{"resource":{"resourceType":"Patient","id":"last","name":[{"family":"Secret"}]}}]}"#;
    let reply = Reply::new(200).header("content-type", "application/fhir+json").body(patient.repeat(entries));
    reply.opening(head).repeat(mebibytes, last).pieces(64 << 10).hold(gate)
}

#[test]
#[expect(clippy::print_stdout, reason = "how fast and how lean it was is worth knowing when it fails")]
fn two_hundred_megabytes_stream_through_the_redactor_in_little_memory() {
    for protocol in PROTOCOLS {
        let gate = Gate::default();
        clinic().upstream.reply("/fhir/Patient?case=200mb", searchset(200, &gate));
        let request = Request::get("/fhir/Patient?case=200mb").key(BILLING);
        let (mut received, mut tail, mut leaked, mut first) = (0, Vec::new(), false, None);
        let start = Instant::now();
        let response = clinic().client().stream(protocol, &request, &mut |piece| {
            // The upstream sends its last byte only now: so the first was here before.
            gate.open();
            first.get_or_insert_with(|| start.elapsed());
            received += piece.len() as u64;
            tail.extend_from_slice(piece);
            leaked |= holds_secrets(&tail);
            tail.drain(..tail.len().saturating_sub(64));
        });
        assert_eq!((response.status, response.end), (200, End::Whole));
        assert!(!leaked, "{protocol:?}");
        assert!(received > 100 * MIB, "{protocol:?}: {received} bytes");
        assert!(tail.ends_with(b"]}"), "{:?}", String::from_utf8_lossy(&tail));
        let memory = clinic().envoy.metric("carewarden.memory_bytes");
        assert!(memory > 0 && memory < 32 * MIB, "{memory} bytes of module memory");
        println!("{protocol:?}: {received} bytes in {:?}, first after {first:?}, module memory {memory}", start.elapsed());
    }
}

fn holds_secrets(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("Secret") || text.contains("555-01")
}

#[test]
fn an_export_streams_line_by_line_while_the_upstream_still_writes() {
    let line = "{\"resourceType\":\"Patient\",\"id\":\"1\",\"name\":[{\"family\":\"Secret\"}]}\n";
    let gate = Gate::default();
    let reply = Reply::new(200).header("content-type", "application/fhir+ndjson").body(line.repeat(1_000));
    clinic().upstream.reply("/fhir/Patient?case=export", reply.repeat(20, line).hold(&gate));
    let mut text = Vec::new();
    let request = Request::get("/fhir/Patient?case=export").key(BILLING);
    let response = clinic().client().stream(PROTOCOLS[1], &request, &mut |piece| {
        text.extend_from_slice(piece);
        gate.open();
    });
    assert_eq!((response.status, response.end), (200, End::Whole));
    assert!(!holds_secrets(&text));
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 20_001);
}

#[test]
fn answers_that_stream_at_the_same_time_are_kept_apart() {
    let token = physician();
    thread::scope(|scope| {
        for n in 0..12 {
            let token = &token;
            scope.spawn(move || {
                let path = format!("/fhir/Patient/apart-{n}");
                let patient = json!({ "resourceType": "Patient", "id": n.to_string(), "name": [{ "family": "Secret" }] });
                clinic().upstream.reply(&path, Reply::fhir(&patient).pieces(1));
                for round in 0..20 {
                    let protocol = PROTOCOLS[(n + round) % 2];
                    let full = clinic().send(protocol, &Request::get(&path).bearer(token));
                    assert_eq!(full.json(), patient, "{path}");
                    let redacted = clinic().send(protocol, &Request::get(&path).key(BILLING));
                    assert_eq!(redacted.json(), json!({ "resourceType": "Patient", "id": n.to_string() }), "{path}");
                }
            });
        }
    });
}
