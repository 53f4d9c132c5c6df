//! `make bench ROWS=worst`: bodies of a megabyte, each made to be the worst for a part of the engine, against an ordinary one of
//! the same size, natively and in one run. It ends with 1 where one takes more than ten times as long.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and prints what it is for"
)]

mod inspection;
mod lexer;
mod validation;

#[path = "../inspect/support.rs"]
#[expect(dead_code, reason = "most of it is for the tests")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use carewarden::inspect::Level;

/// How much longer than an ordinary body the worst may take.
const LIMIT: f64 = 10.0;

/// The best of five.
fn time(run: &dyn Fn()) -> Duration {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..5).map(once).min().unwrap_or_default()
}

/// Measures what a part makes of bodies. Answers whether all stay below the limit.
fn measure(part: &str, ordinary: &str, worst: Vec<(&'static str, String)>, run: &dyn Fn(&str)) -> bool {
    let base = time(&|| run(ordinary));
    println!("\n{part}: an ordinary body takes {:.1} ms", base.as_secs_f64() * 1e3);
    worst.iter().fold(true, |fine, (name, body)| {
        let taken = time(&|| run(body));
        let ratio = taken.as_secs_f64() / base.as_secs_f64();
        let too_long = if ratio > LIMIT { "  TOO LONG" } else { "" };
        println!("{:9.1} ms {ratio:6.2} x  {name}{too_long}", taken.as_secs_f64() * 1e3);
        fine && ratio <= LIMIT
    })
}

fn main() -> ExitCode {
    let engine = validation::engine();
    let mut fine = measure("lexer", &lexer::ordinary(), lexer::hostile(), &|body| {
        let _ = lexer::walk(body);
    });
    for (part, level) in [("inspection, standard", Level::Standard), ("inspection, strict", Level::Strict)] {
        let settings = support::settings(level);
        let judge = |body: &str| drop(support::body_with_work(&settings, body, true));
        fine &= measure(part, &inspection::ordinary(), inspection::hostile(), &judge);
    }
    fine &= measure("shape of R4", &validation::ordinary_shape(), validation::hostile_shapes(), &|body| {
        validation::shape(body);
    });
    fine &= measure("JSON Schema", &validation::ordinary_document(), validation::hostile_documents(), &|body| {
        validation::post(&engine, body);
    });
    println!("\nthe worst may take {LIMIT} times as long: {}", if fine { "they all stay below" } else { "one does not" });
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
