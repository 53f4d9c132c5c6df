//! The parts of redaction one by one, natively, over a Bundle of about 1 MB: `cargo bench --bench redact`.
//!
//! What counts is measured in Envoy (`make bench`); this is for finding out which part a change made slower.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may fail loudly, as tests do")]

use std::hint::black_box;
use std::rc::Rc;

use carewarden::json::{Framing, Lexer, Limits};
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use carewarden::redact::{Format, Options, Program, Redactor, compile, compile_preset};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

mod resources;

/// What Envoy gives at a time.
const PIECE: usize = 64 << 10;

/// 2026-11-24.
const NOW: i64 = 1_795_500_000;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn secret(name: &str) -> Option<String> {
    (name == "PHI_KEY").then(|| KEY.to_owned())
}

/// The program of a profile.
fn program(profile: &Value) -> Rc<Program> {
    let text = json!({"version": 1, "name": "bench", "routes": [], "redaction": {"p": profile}}).to_string();
    let mut report = Report::new(&text);
    let policy = policy::load(&text, &mut report).expect("a policy");
    compile(&policy, &secret, &mut report).remove("p").expect("the profile")
}

fn redact(program: &Rc<Program>, text: &str, out: &mut Vec<u8>) {
    out.clear();
    let mut options = Options::new(Format::FhirJson);
    options.now = Some(NOW);
    let mut redactor = Redactor::new(Rc::clone(program), options);
    for piece in text.as_bytes().chunks(PIECE) {
        redactor.write(piece, out).expect("it is taken");
    }
    redactor.finish().expect("it is whole");
}

fn lexer(criterion: &mut Criterion) {
    let text = resources::bundle();
    let mut group = criterion.benchmark_group("lexer");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("skip", |bencher| {
        bencher.iter(|| {
            let mut lexer = Lexer::new(Limits::default(), Framing::One);
            lexer.next(text.as_bytes()).expect("a bracket");
            lexer.skip(black_box(text.as_bytes()), 1, &[]).expect("JSON")
        });
    });
    group.bench_function("tokens", |bencher| {
        bencher.iter(|| {
            let mut lexer = Lexer::new(Limits::default(), Framing::One);
            let mut count = 0_usize;
            while lexer.next(black_box(text.as_bytes())).expect("JSON").is_some() {
                count += 1;
            }
            count
        });
    });
    group.finish();
}

fn redactor(criterion: &mut Criterion) {
    let text = resources::bundle();
    let few = program(&json!({"unknown": "keep", "security_tag": false, "rules": [
        {"path": "Patient.identifier.value", "where": {"system": "urn:clinic:mrn"},
         "action": {"hash": {"key": {"env": "PHI_KEY"}}}},
        {"path": "Patient.name", "action": "remove"},
        {"path": "Patient.birthDate", "action": "remove"},
        {"path": "Patient.address", "action": "remove"}]}));
    let detectors = program(&json!({"unknown": "keep", "security_tag": false, "rules": [
        {"type": "xhtml", "action": {"scan": ["us_ssn", "phone", "email", "date", "mrn"]}},
        {"type": "string", "action": {"scan": ["us_ssn", "phone", "email", "date", "mrn"]}}]}));
    let safe_harbor = compile_preset("hipaa-safe-harbor", &secret).expect("a preset");
    let mut group = criterion.benchmark_group("redactor");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut out = Vec::with_capacity(2 * text.len());
    for (name, program) in
        [("pass", Rc::new(Program::pass())), ("few paths", few), ("safe harbor", safe_harbor), ("detectors", detectors)]
    {
        group.bench_function(name, |bencher| bencher.iter(|| redact(&program, black_box(&text), &mut out)));
    }
    group.finish();
}

criterion_group!(benches, lexer, redactor);
criterion_main!(benches);
