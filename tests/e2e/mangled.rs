//! Good messages with something broken in them at random: whatever comes, nothing traps, nothing hangs, and what is let
//! through is whole. A failure prints the seed and the message.

use std::thread;

use serde_json::Value;

use crate::stage::{BILLING, clinic, physician};
use crate::support::client::PROTOCOLS;
use crate::support::message::{End, Request};
use crate::support::token::now;
use crate::support::upstream::Reply;

const MESSAGES: usize = 400;
const THREADS: usize = 8;

/// xorshift64*, so that a seed gives the same messages on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }

    /// A copy of a message, with one to four things broken in it.
    fn mangle(&mut self, message: &[u8]) -> Vec<u8> {
        const PIECES: [&[u8]; 12] =
            [b"\r\n", b"\0", b"\xff", b"\"", b"\\u", b"{", b"}", b",", b"%2f", b": ", b"\\ud800", b"1e999"];
        let mut message = message.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(message.len());
            let end = (at + self.below(24)).min(message.len());
            match self.below(5) {
                0 => message[at] ^= 1 << self.below(8),
                1 if end - at < message.len() => drop(message.drain(at..end)),
                2 => {
                    let copy = message[at..end].to_vec();
                    message.splice(at..at, copy);
                }
                3 => message.truncate(at.max(1)),
                _ => drop(message.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
            }
        }
        message
    }
}

/// Runs a claim about many mangled messages, on several threads, each with a seed of its own.
fn with_seeds(claim: impl Fn(&mut Random, &str) + Sync) {
    let start = now();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let claim = &claim;
            scope.spawn(move || {
                let seed = (start << 8 | thread as u64) | 1;
                let mut random = Random(seed);
                for message in 0..MESSAGES / THREADS {
                    claim(&mut random, &format!("seed {seed}, message {message}"));
                }
            });
        }
    });
}

#[test]
fn mangled_requests_are_answered_and_trap_nothing() {
    let token = physician();
    let requests = [
        format!("GET /fhir/Patient/1?_id=1 HTTP/1.1\r\nhost: fhir.clinic.example\r\nauthorization: Bearer {token}\r\nconnection: close"),
        format!("GET /fhir/Patient?family=a&_count=2 HTTP/1.1\r\nhost: fhir.clinic.example\r\nx-api-key: {BILLING}\r\nconnection: close"),
        "POST /small/mangled HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 24\r\n\r\n{\"a\":[1,2,{\"b\":\"c\"}],\"d\":1}"
            .to_owned(),
    ];
    with_seeds(|random, seed| {
        let request = requests[random.below(requests.len())].clone();
        let mut message = random.mangle(request.as_bytes());
        message.extend_from_slice(b"\r\n\r\n");
        let response = clinic().client().converse_raw(|stream| drop(stream.write_all(&message)));
        let refused = (400..500).contains(&response.status) || response.end == End::Cut;
        assert!(refused || response.status == 200, "{seed}\n{}\n{response:?}", message.escape_ascii());
    });
    clinic().allows(&Request::get("/plain/after-mangled-requests"));
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}

#[test]
fn mangled_answers_trap_nothing_and_one_that_ends_whole_is_json() {
    let body = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1","name":[{"family":"Doe"}],"_name":[null],"telecom":[{"value":"555"}],"identifier":[{"system":"urn:clinic:mrn","value":"x"}]}}]}"#;
    with_seeds(|random, seed| {
        let body = random.mangle(body.as_bytes());
        let path = format!("/fhir/Patient?_id={}", seed.replace(|character: char| !character.is_ascii_alphanumeric(), "-"));
        let reply = Reply::new(200).header("content-type", "application/fhir+json").body(&body);
        clinic().upstream.reply(&path, reply.pieces(1 + random.below(40)));
        let response = clinic().send(PROTOCOLS[random.below(2)], &Request::get(&path).key(BILLING));
        if response.status == 200 && response.end == End::Whole {
            let json = serde_json::from_slice::<Value>(&response.body);
            assert!(json.is_ok(), "{seed}\n{}\n{response:?}", body.escape_ascii());
        } else {
            assert!(response.status == 502 || response.end == End::Cut, "{seed}\n{}\n{response:?}", body.escape_ascii());
        }
    });
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}
