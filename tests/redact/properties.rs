//! Random answers under random rules: what leaves is what the reference leaves, however it is cut.
//!
//! Each failure prints the seed it came from; `CAREWARDEN_SEED` runs that one again.

use carewarden::redact::{Format, Options};
use serde_json::{Value, json};

use crate::conformance::cut;
use crate::generate::{Case, fhir};
use crate::random::Random;
use crate::support::{program, run};

/// Cases a property runs; `CAREWARDEN_CASES` asks for others.
const CASES: u64 = if cfg!(target_family = "wasm") { 50 } else { 300 };

fn seeds() -> Vec<u64> {
    match std::env::var("CAREWARDEN_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..std::env::var("CAREWARDEN_CASES").map_or(CASES, |cases| cases.parse().expect("a number"))).collect(),
    }
}

#[test]
fn what_leaves_is_what_the_reference_leaves_however_it_is_cut() {
    let (mut ran, mut changed, mut refused) = (0_usize, 0_usize, 0_usize);
    for seed in seeds() {
        let random = &mut Random::new(seed);
        let Some(case) = Case::random(random) else { continue };
        // A profile takes longer to load than some answers to run.
        for case in [case.another(random), case.another(random), case] {
            let outcome = case.holds(random, &|| format!("seed {seed}\n{case:?}"));
            ran += 1;
            changed += usize::from(outcome.summary.changed() > 0);
            refused += usize::from(outcome.verdict.is_err());
        }
    }
    if std::env::var("CAREWARDEN_SEED").is_err() {
        assert!(changed * 4 > ran && refused > 0, "of {ran} cases {changed} changed anything, {refused} were refused");
    }
}

/// Bytes changed, taken out, doubled: it is refused or what leaves is JSON, the same however it is cut, and never more
/// than came. In release and debug alike nothing panics.
#[test]
fn mutated_answers_are_refused_or_leave_as_json() {
    let profile = program(&json!({"rules": [
        {"path": "Patient.contact.name", "action": "remove"},
        {"key": "code", "where": {"system": "x"}, "action": "keep"},
        {"json_path": "$..identifier[*]", "action": {"mask": {"keep_last": 2}}},
        {"key": "code", "action": "remove"},
    ]}));
    for seed in seeds() {
        let random = &mut Random::new(seed ^ 0x5eed);
        let mut text = fhir::root(random, &mut 0).compact().into_bytes();
        for _ in 0..1 + random.below(3) {
            mutate(&mut text, random);
        }
        let format = random.of(&[Format::Json, Format::FhirJson, Format::FhirNdjson, Format::Ndjson]);
        let context = || format!("seed {seed}: {}", text.escape_ascii());
        let whole = run(&profile, Options::new(format), [text.as_slice()]);
        let pieces = run(&profile, Options::new(format), cut(&text, random));
        assert_eq!(whole.verdict.is_ok(), pieces.verdict.is_ok(), "{}", context());
        if whole.verdict.is_ok() {
            assert_eq!(whole, pieces, "{}", context());
            let mut lines = serde_json::Deserializer::from_slice(&whole.output).into_iter::<Value>();
            assert!(lines.all(|line| line.is_ok()), "{}", context());
        }
    }
}

fn mutate(text: &mut Vec<u8>, random: &mut Random<'_>) {
    if text.is_empty() {
        return;
    }
    let at = random.below(text.len());
    let (from, to) = (at.saturating_sub(random.below(12)), (at + random.below(12)).min(text.len()));
    match random.below(5) {
        0 => text[at] = random.of(b"\"\\{}[],: \n0ae\x00\x7f\x80\xc3\xed\xf0\xff"),
        1 => text.insert(at, random.of(b"\"\\{}[],: \n0-.\x00\x80\xc3\xed")),
        2 => drop(text.drain(from..to)),
        3 => {
            let part = text[from..to].to_vec();
            text.splice(at..at, part);
        }
        _ => text.truncate(at.max(1)),
    }
}
