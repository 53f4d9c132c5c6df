//! Cases as data: `tests/fixtures/redact/*.json`.

use std::collections::HashSet;
use std::panic::catch_unwind;
use std::path::Path;

use carewarden::fhir::ResourceType;
use carewarden::redact::{Options, compile_preset};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{PHI_KEY, format, programs, run_every_way};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What its cases are about.
    about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it claims.
    name: String,
    format: String,
    /// The rules of the profile.
    #[serde(default)]
    rules: Option<Value>,
    /// The whole section, where the profile is called `p`.
    #[serde(default)]
    profiles: Option<Value>,
    /// Or a profile that comes with Carewarden.
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    granted: Option<Vec<String>>,
    #[serde(default)]
    hold_back: Option<usize>,
    /// Seconds since 1970; 24 November 2026 when absent.
    #[serde(default)]
    now: Option<i64>,
    input: String,
    /// What leaves.
    #[serde(default)]
    output: Option<String>,
    /// Or why it is refused.
    #[serde(default)]
    error: Option<String>,
    /// How many values each rule took.
    #[serde(default)]
    counts: Option<Vec<u64>>,
}

impl Case {
    fn run(&self) {
        let name = &self.name;
        let programs = match (&self.profiles, &self.rules, &self.preset) {
            (Some(profiles), None, None) => programs(profiles),
            (None, Some(rules), None) => programs(&json!({"p": {"rules": rules}})),
            (None, None, Some(preset)) => {
                let env = |name: &str| (name == "PHI_KEY").then(|| PHI_KEY.to_owned());
                Ok(compile_preset(preset, &env).map(|program| ("p".to_owned(), program)).into_iter().collect())
            }
            _ => panic!("{name}: give `rules`, `profiles` or `preset`"),
        };
        let programs = programs.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let program = programs.get("p").unwrap_or_else(|| panic!("{name}: no profile `p`"));
        let mut options = Options::new(format(&self.format));
        let known = |name: &String| ResourceType::parse(name).expect("a resource type");
        options.granted = self.granted.as_ref().map(|granted| granted.iter().map(known).collect());
        options.now = Some(self.now.unwrap_or(1_795_500_000));
        options.hold_back = self.hold_back.unwrap_or(options.hold_back);
        let outcome = run_every_way(name, program, options, self.input.as_bytes());
        let output = String::from_utf8(outcome.output).expect("what leaves is UTF-8");
        match (&self.output, &self.error) {
            (Some(expected), None) => {
                assert_eq!(outcome.verdict, Ok(()), "{name}");
                assert_eq!(&output, expected, "{name}");
            }
            (None, Some(error)) => assert_eq!(outcome.verdict.map_err(|error| error.name()), Err(&**error), "{name}"),
            _ => panic!("{name}: give `output` or `error`"),
        }
        if let Some(counts) = &self.counts {
            assert_eq!(&outcome.summary.rules, counts, "{name}");
        }
    }
}

#[test]
fn every_case_holds_whole_byte_by_byte_and_cut_anywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/redact");
    let (mut names, mut failed) = (HashSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!file.about.is_empty() && !file.cases.is_empty(), "{}: no cases", path.display());
        for case in file.cases {
            if catch_unwind(|| case.run()).is_err() {
                failed.push(case.name.clone());
            }
            assert!(names.insert(case.name.clone()), "{}: there are two cases of this name", case.name);
        }
    }
    assert!(failed.is_empty(), "{} of {} cases failed: {failed:#?}", failed.len(), names.len());
    assert!(names.len() >= 100, "only {} cases were found", names.len());
}
