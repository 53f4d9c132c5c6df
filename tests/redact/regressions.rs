//! What once went wrong: `tests/regressions/*.json`, one file a bug, found by fuzzing or otherwise.

use std::path::Path;

use carewarden::redact::Options;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{format, programs, run_every_way};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Regression {
    /// What went wrong.
    why: String,
    format: String,
    profile: Value,
    #[serde(default)]
    now: Option<i64>,
    #[serde(default)]
    hold_back: Option<usize>,
    #[serde(default)]
    max_string: Option<usize>,
    input: String,
    /// What leaves.
    #[serde(default)]
    output: Option<String>,
    /// Or why it is refused.
    #[serde(default)]
    error: Option<String>,
}

#[test]
fn what_went_wrong_once_does_not_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let (mut ran, mut failed) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let case: Regression = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(case.why.len() > 20, "{name}: say what went wrong");
        ran += 1;
        if std::panic::catch_unwind(|| case.run(&name)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "again: {failed:#?}");
    assert!(ran > 0, "no regression was found");
}

impl Regression {
    fn run(&self, name: &str) {
        let program = programs(&json!({"p": self.profile})).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let mut options = Options::new(format(&self.format));
        options.now = self.now;
        options.hold_back = self.hold_back.unwrap_or(options.hold_back);
        options.limits.max_string = self.max_string.unwrap_or(options.limits.max_string);
        let outcome = run_every_way(name, &program["p"], options, self.input.as_bytes());
        let left = String::from_utf8(outcome.output).expect("what leaves is UTF-8");
        match (&self.output, &self.error) {
            (Some(expected), None) => assert_eq!((outcome.verdict, &left), (Ok(()), expected), "{name}"),
            (None, Some(error)) => assert_eq!(outcome.verdict.map_err(|error| error.name()), Err(&**error), "{name}"),
            _ => panic!("{name}: give `output` or `error`"),
        }
    }
}
