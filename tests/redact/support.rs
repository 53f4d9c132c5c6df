//! What the suites share: profiles from JSON, and answers run in pieces.

use std::collections::BTreeMap;
use std::rc::Rc;

use carewarden::policy;
use carewarden::policy::diagnostic::{Diagnostic, Report, Severity};
use carewarden::redact::{Error, Format, Options, Program, Redactor, Summary, compile};
use serde_json::{Value, json};

/// The secret that `{"env": "PHI_KEY"}` names in every test.
pub(crate) const PHI_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The programs of a `redaction` section, or what is wrong with it.
pub(crate) fn programs(profiles: &Value) -> Result<BTreeMap<String, Rc<Program>>, Vec<String>> {
    let (programs, found) = compiled(profiles);
    let errors = found.iter().any(|problem| problem.severity == Severity::Error);
    let named = |problem: &Diagnostic| format!("{} {}", problem.code.as_str(), problem.pointer);
    if errors { Err(found.iter().map(named).collect()) } else { Ok(programs) }
}

/// The programs of a `redaction` section, and everything that is said of it.
pub(crate) fn compiled(profiles: &Value) -> (BTreeMap<String, Rc<Program>>, Vec<Diagnostic>) {
    let mut profiles = profiles.clone();
    for profile in profiles.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        // What most tests are not about; those that are say so.
        for (key, value) in [("unknown", json!("keep")), ("security_tag", json!(false))] {
            profile.as_object_mut().map(|profile| profile.entry(key).or_insert(value));
        }
    }
    let text = json!({"version": 1, "name": "test", "routes": [], "redaction": profiles}).to_string();
    let mut report = Report::new(&text);
    let env = |name: &str| match name {
        "PHI_KEY" => Some(PHI_KEY.to_owned()),
        "SHORT_KEY" => Some("short".to_owned()),
        _ => None,
    };
    let loaded = policy::load(&text, &mut report);
    let programs = loaded.map(|loaded| compile(&loaded, &env, &mut report)).unwrap_or_default();
    (programs, report.into_vec())
}

/// The program of one profile.
pub(crate) fn program(profile: &Value) -> Rc<Program> {
    programs(&json!({"p": profile})).expect("the profile is valid").remove("p").expect("it is there")
}

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) output: Vec<u8>,
    pub(crate) verdict: Result<(), Error>,
    pub(crate) summary: Summary,
}

/// Runs an answer in these pieces.
pub(crate) fn run<'a>(program: &Rc<Program>, options: Options, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut redactor = Redactor::new(Rc::clone(program), options);
    let mut output = Vec::new();
    let mut verdict = pieces.into_iter().try_for_each(|piece| redactor.write(piece, &mut output));
    if verdict.is_ok() {
        verdict = redactor.finish();
    } else {
        let before = output.len();
        assert_eq!(redactor.write(b"{}", &mut output), verdict, "an error is for ever");
        assert_eq!(redactor.finish(), verdict, "an error is for ever");
        assert_eq!(output.len(), before, "nothing leaves after an error");
    }
    Outcome { output, verdict, summary: redactor.summary().clone() }
}

/// Runs an answer whole, byte by byte and cut in two everywhere; the outcome, which is the same each time.
pub(crate) fn run_every_way(name: &str, program: &Rc<Program>, options: Options, input: &[u8]) -> Outcome {
    let whole = run(program, options, [input]);
    let check = |how: &str, cut: &Outcome| {
        assert_eq!(cut.verdict, whole.verdict, "{name}: {how}");
        if whole.verdict.is_ok() {
            assert_eq!(cut.output.escape_ascii().to_string(), whole.output.escape_ascii().to_string(), "{name}: {how}");
            assert_eq!(cut.summary, whole.summary, "{name}: {how}");
        }
    };
    check("byte by byte", &run(program, options, input.chunks(1)));
    for cut in 0..=input.len() {
        let (first, second) = input.split_at(cut);
        check(&format!("cut at {cut}"), &run(program, options, [first, second]));
    }
    whole
}

/// A format by its name in fixtures.
pub(crate) fn format(name: &str) -> Format {
    match name {
        "json" => Format::Json,
        "ndjson" => Format::Ndjson,
        "fhir+json" => Format::FhirJson,
        "fhir+ndjson" => Format::FhirNdjson,
        other => panic!("no format `{other}`"),
    }
}
