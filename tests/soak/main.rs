//! An hour's traffic in minutes: at least two million requests of every kind, with reloads in between, through a real Envoy
//! with two workers. Every answer has to be the one that it has to be, and memory has to stay where it was.
//!
//! `make soak` runs it; `REQUESTS` says how many.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what tests may fail loudly")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

#[path = "../demo/paper.rs"]
#[expect(dead_code, reason = "the demo uses the rest")]
mod paper;

use std::error::Error;
use std::io::BufReader;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, thread};

use serde_json::{Value, json};

use crate::paper::{BAD, FAINT, GOOD, Paper, TITLE};
use crate::support::client::Client;
use crate::support::config::Options;
use crate::support::envoy::Envoy;
use crate::support::h1;
use crate::support::message::{End, Request};
use crate::support::token::{Signer, Token, now};
use crate::support::upstream::{Reply, Upstream};

const REQUESTS: usize = 2_000_000;
const CONNECTIONS: usize = 8;
/// More than the cache of verified tokens holds at once would be dear to sign; these turn it over often enough.
const TOKENS: usize = 500;
/// A policy comes anew after so many requests.
const RELOAD_EVERY: usize = 20_000;
/// What memory may grow by after the first tenth. An allocator keeps some of what was freed; a leak of 32 bytes a request
/// would be twice as much.
const GROWTH: u64 = 32 << 20;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let total = env::args().nth(1).map_or(Ok(REQUESTS), |count| count.parse::<usize>())?;
    let paper = Paper::new();
    paper.line(TITLE, &format!("{total} requests over {CONNECTIONS} connections, a reload every {RELOAD_EVERY}"))?;
    let upstream = Upstream::forgetful(SocketAddr::from(([127, 0, 0, 1], 0)), |_| patient())?;
    let envoy = Envoy::start(
        Options {
            policy: policy(0),
            workers: 2,
            keeps_access_log: false,
            environment: ["PHI_KEY", "AUDIT_KEY", "UPSTREAM_KEY"]
                .map(|name| (name.to_owned(), "a secret of this soak alone, 32 bytes".to_owned()))
                .to_vec(),
            ..Options::default()
        },
        &upstream,
    );
    let kinds = kinds();
    let mut samples = Vec::new();
    let start = Instant::now();
    for tenth in 0..10 {
        let wrong = run(&envoy, &kinds, tenth * total / 10..(tenth + 1) * total / 10);
        if let Some(wrong) = wrong {
            paper.line(BAD, &wrong)?;
            return Ok(ExitCode::FAILURE);
        }
        let (process, module) = (envoy.resident(), envoy.metric("carewarden.memory_bytes"));
        let done = (tenth + 1) * total / 10;
        let rate = done as f64 / start.elapsed().as_secs_f64();
        let line = format!("{done:>9} requests  {rate:>6.0}/s  Envoy {} MiB, module {} MiB", process >> 20, module >> 20);
        paper.line(FAINT, &line)?;
        samples.push((process, module));
    }
    let ((process, module), (process_then, module_then)) = (samples[0], samples[9]);
    let grown = [process_then.saturating_sub(process), module_then.saturating_sub(module)];
    let holds = grown.iter().all(|grown| *grown <= GROWTH) && !envoy.trapped();
    let style = if holds { GOOD } else { BAD };
    let word = if holds { "flat" } else { "NOT flat" };
    let [envoy_grown, module_grown] = grown.map(|bytes| bytes >> 10);
    paper.line(
        style,
        &format!("memory is {word}: Envoy +{envoy_grown} KiB, module +{module_grown} KiB; every answer was right"),
    )?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The end-to-end tests' policy, over plain HTTP, so that no cipher is what is measured.
fn policy(number: usize) -> String {
    let mut policy: Value = serde_json::from_str(include_str!("../fixtures/e2e/clinic.json")).expect("a policy");
    policy["name"] = json!(format!("soak-{}", number % 2));
    policy["authentication"].as_object_mut().expect("providers").remove("legacy");
    policy["defaults"]["authenticate"]["any"] = json!(["smart", "partners"]);
    for route in policy["routes"].as_array_mut().expect("routes") {
        route["require_tls"] = json!(false);
    }
    policy.to_string()
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Secret"}],"birthDate":"1984-02-29"}"#;

fn patient() -> Reply {
    Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT)
}

/// A kind of request, what it is answered by, and a word that the answer holds or does not.
struct Kind {
    request: Request,
    status: u16,
    shows: &'static str,
    hides: &'static str,
}

fn kinds() -> Vec<Kind> {
    let kind = |request: Request, status, shows, hides| Kind { request, status, shows, hides };
    let read = || Request::get("/fhir/Patient/1");
    let mut kinds = Vec::new();
    for number in 0..TOKENS {
        let token = Token::smart(&format!("dr-{number}"), &["physician"]).claim("exp", now() + 3_500).sign(Signer::Es256);
        kinds.push(kind(read().bearer(&token), 200, "Secret", "zzz"));
        kinds.push(kind(read().key("billing-test-key"), 200, "1900-01-01", "Secret"));
        kinds.push(kind(read(), 401, "missing_credentials", "Secret"));
        kinds.push(kind(read().key(&format!("guess-{number}")), 401, "unknown_api_key", "Secret"));
        kinds.push(kind(read().bearer(&format!("{token}x")), 401, "", "Secret"));
        kinds.push(kind(Request::get("/fhir/Patient/..%2f1").bearer(&token), 400, "ambiguous_path", "Secret"));
        kinds.push(kind(Request::get("/nowhere"), 404, "no_route", "Secret"));
        kinds.push(kind(read().header("x-padding", "x".repeat(number % 2_000)), 401, "missing", "Secret"));
    }
    kinds
}

/// Sends the requests of these numbers; what was wrong first.
fn run(envoy: &Envoy, kinds: &[Kind], numbers: std::ops::Range<usize>) -> Option<String> {
    let next = AtomicUsize::new(numbers.start);
    let wrong = Mutex::new(None);
    let client: Client = envoy.plain();
    let load = || {
        let mut connection = BufReader::new(client.connect());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end || wrong.lock().expect("no panic").is_some() {
                return;
            }
            if number.is_multiple_of(RELOAD_EVERY) && !envoy.set_policy(&policy(number / RELOAD_EVERY + 1)) {
                *wrong.lock().expect("no panic") = Some("a policy was refused".to_owned());
            }
            let kind = &kinds[number % kinds.len()];
            let answer = h1::converse(&mut connection, &kind.request);
            let text = answer.text();
            let right = answer.status == kind.status && answer.end == End::Whole;
            if !right || !text.contains(kind.shows) || text.contains(kind.hides) {
                wrong.lock().expect("no panic").get_or_insert(format!("request {number}: {:?}\n{answer:?}", kind.request));
            }
            // Envoy ends a connection after a 400.
            if answer.all("connection") == ["close"] {
                connection = BufReader::new(client.connect());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(load);
        }
    });
    wrong.into_inner().expect("no panic")
}
