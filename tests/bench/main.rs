//! `make bench`: what Carewarden costs beside what one would have without it, on one worker of one Envoy, in one run.
//!
//! Every variant is a listener of the same Envoy with one worker. Slices of all variants are measured in turn, round after
//! round, so that whatever disturbs the machine disturbs them alike; each round gives one ratio, and the median counts.
//! What is compared is the processor time of the worker for an answer, since the rate of answers depends on who else runs.
//! Clients and upstream share one thread, so that two processors are enough.
//!
//! A variant is measured only after its answer was seen to be what it has to be. Nothing is asserted about time.
//!
//! Listeners speak plain HTTP, so that no cipher is measured. The address rule in the policy stands for the TLS check that
//! a real one makes: each reads one property.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it is for"
)]

mod configuration;
mod described;
mod load;
mod machine;
mod report;
mod resources;
mod statistics;
mod upstream;
mod variant;
mod worker;

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, clippy::panic, reason = "most of it is for the tests")]
mod support;

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use load::{Clients, Connection, Slice};
use report::{Measured, Report, Sample};
use serde_json::Value;
use support::envoy::Envoy;
use variant::{Answer, Choice, Rows, Variant};
use worker::Worker;

/// How long one slice of one variant takes.
const SLICE: Duration = Duration::from_millis(200);
/// Enough for V8 to have compiled what is hot.
const WARM_UP_SLICES: usize = 4;
const ROUNDS: usize = 51;
/// Enough that the worker always has something to do.
const CONNECTIONS: usize = 8;

const USAGE: &str =
    "usage: bench [--rounds NUMBER] [--rows all|requests|bodies] [--only NAME,NAME…] [--beside MODULE,MODULE…]";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (mut rounds, mut choice) = (ROUNDS, Choice { rows: Rows::All, only: None, others: Vec::new() });
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match argument.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--rows" => choice.rows = Rows::parse(&value).ok_or(USAGE)?,
            "--only" => choice.only = Some(value),
            "--beside" => choice.others = value.split(',').map(PathBuf::from).collect(),
            _ => return Err(USAGE.into()),
        }
    }
    println!("signing tokens…");
    let variants = variant::chosen(&choice, rounds + WARM_UP_SLICES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(bench(variants, rounds, choice.includes_memory()))?;
    report.print();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    report.write(&directory)?;
    println!("\nwritten to {}", directory.join("summary.json").display());
    Ok(())
}

async fn bench(variants: Vec<Variant>, rounds: usize, with_memory: bool) -> Outcome<Report> {
    let upstream = upstream::start().await?;
    let envoy = start(&variants, upstream);
    let machine = machine::describe(&envoy);
    let mut measured = Vec::new();
    let mut clients = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        check(variant, envoy.listener(index)).await.map_err(|error| format!("{}: {error}", variant.title))?;
        clients.push(Clients::connect(envoy.listener(index), CONNECTIONS).await?);
        let (name, title, is_bundle) = (variant.name.clone(), variant.title.clone(), variant.is_bundle());
        measured.push(Measured { name, title, is_bundle, samples: Vec::new() });
    }
    let worker = Worker::of(envoy.process()).ok_or("this system does not tell what a thread costs (schedstat)")?;
    println!("measuring {} variants in {rounds} rounds…", variants.len());
    for round in 0..rounds + WARM_UP_SLICES {
        // There and back, so that no variant always follows the same one.
        let there = 0..variants.len();
        let order: Vec<usize> = if round % 2 == 0 { there.collect() } else { there.rev().collect() };
        for index in order {
            let sample = measure(&variants[index], &mut clients[index], &worker).await?;
            if round >= WARM_UP_SLICES {
                measured[index].samples.push(sample);
            }
        }
    }
    drop(envoy);
    let memory = if with_memory { growth(upstream).await } else { Err("not measured in this run".into()) };
    Ok(Report { machine, measured, memory: memory.map_err(|error| error.to_string()) })
}

fn start(variants: &[Variant], upstream: SocketAddr) -> Envoy {
    let listeners = variants.iter().map(|variant| (variant.name.as_str(), variant.filters.as_slice()));
    Envoy::configured(&configuration::bootstrap(listeners, upstream))
}

async fn measure(variant: &Variant, clients: &mut Clients, worker: &Worker) -> Outcome<Sample> {
    let busy = || worker.cpu_time().ok_or("the worker is gone");
    let (before, start) = (busy()?, Instant::now());
    let slice = Slice { until: start + SLICE, at_most: variant.at_most };
    let answers = clients.run(&variant.requests, slice).await?;
    let elapsed = start.elapsed();
    // The worker's last steps, and its falling asleep.
    tokio::time::sleep(Duration::from_millis(3)).await;
    Ok(Sample { answers, busy: (busy()? - before).as_secs_f64(), elapsed: elapsed.as_secs_f64() })
}

/// Whether a variant answers what it has to.
async fn check(variant: &Variant, listener: SocketAddr) -> Outcome<()> {
    let request = variant.requests.next().ok_or("no requests")?;
    let mut body = Vec::new();
    Connection::open(listener).await?.exchange(request, &mut |piece| body.extend_from_slice(piece)).await?;
    let body = String::from_utf8_lossy(&body);
    let has_names = body.contains("Haddad\",\"given");
    let holds = match variant.answer {
        Answer::Patient => serde_json::from_str::<Value>(&body)? == resources::patient(1),
        // Chunked or not.
        Answer::Bundle => body.contains(&resources::bundle()),
        Answer::Redacted => body.contains("Observation/o1") && !has_names,
        Answer::Pseudonymous => body.contains("\"PSEUDED\"") && !body.contains("Observation/o1") && !has_names,
    };
    if holds { Ok(()) } else { Err("not the answer that was to be measured".into()) }
}

/// By how many MiB the module's memory grows while it redacts a stream.
async fn growth(upstream: SocketAddr) -> Outcome<f64> {
    const GAUGE: &str = "wasmcustom.carewarden.memory_bytes";
    println!("streaming {} MiB…", upstream::EXPORT_BYTES >> 20);
    let variant = variant::redacting("stream", "stream", upstream::EXPORT);
    let envoy = start(std::slice::from_ref(&variant), upstream);
    let before = envoy.stat(GAUGE);
    let request = variant.requests.next().ok_or("no requests")?;
    let mut received = 0_usize;
    Connection::open(envoy.listener(0)).await?.exchange(request, &mut |piece| received += piece.len()).await?;
    // The gauge is set on a tick; memory never shrinks.
    tokio::time::sleep(Duration::from_secs(1)).await;
    if received < upstream::EXPORT_BYTES / 2 {
        return Err("the stream was cut".into());
    }
    if before == 0 {
        return Err("the module does not tell its memory".into());
    }
    Ok((envoy.stat(GAUGE) as f64 - before as f64) / f64::from(1 << 20))
}
