//! `carewarden test`: a policy's own tests, run by the engine that runs in Envoy.
//!
//! `tests.json` beside a `policy.json` states the moment, the environment and the cases. After the cases comes what none
//! of them reached: a rule that no test reaches is a rule that nobody has seen work.

mod case;
mod reached;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, WARN, paint};
use super::{CannotRun, Format, Outcome, files};
use crate::exchange::Engine;
use crate::policy::diagnostic::Severity;
use crate::policy::model::Timestamp;
pub(super) use case::Caller;
use case::Case;
use reached::Reached;

/// Run the tests that policies carry, and name what no case reached.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when every case passed, 1 when one failed or there was none, 2 when a file could not be read.

Examples:
  carewarden test policies/clinic
  carewarden test --require-reached policies/*")]
pub(super) struct Test {
    /// Directories that hold a `policy.json` and a `tests.json`.
    #[arg(required = true)]
    directories: Vec<PathBuf>,
    /// Take a route, rule or redaction that no case reached for a failure.
    #[arg(long)]
    require_reached: bool,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// `tests.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// The moment at which every case happens.
    now: Timestamp,
    /// The environment, in place of the process's.
    #[serde(default)]
    env: BTreeMap<String, String>,
    cases: Vec<Case>,
}

/// What came of the cases of one directory.
struct Results {
    directory: PathBuf,
    cases: Vec<(String, Vec<String>)>,
    unreached: Vec<String>,
}

impl Test {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let all = self.directories.iter().map(|directory| run_suite(directory)).collect::<Result<Vec<_>, _>>()?;
        let failed = |results: &Results| results.cases.iter().filter(|(_, problems)| !problems.is_empty()).count();
        let (failures, cases) = (all.iter().map(failed).sum::<usize>(), all.iter().map(|r| r.cases.len()).sum::<usize>());
        let empty = all.iter().any(|results| results.cases.is_empty());
        let unreached = self.require_reached && all.iter().any(|results| !results.unreached.is_empty());
        match self.format {
            Format::Text => {
                all.iter().try_for_each(print)?;
                let passed = cases.saturating_sub(failures);
                writeln!(std::io::stdout().lock(), "{passed} passed, {failures} failed")?;
            }
            Format::Json => print_json(&all)?,
        }
        Ok(if failures > 0 || empty || unreached { Outcome::Findings } else { Outcome::Fine })
    }
}

fn run_suite(directory: &Path) -> Result<Results, CannotRun> {
    let path = directory.join("tests.json");
    let text = std::fs::read(&path).map_err(|error| CannotRun::reading(&path, &error))?;
    let suite: Suite = serde_json::from_slice(&text)
        .map_err(|error| CannotRun(format!("`{}` is not a test file: {error}", path.display())))?;
    let path = directory.join("policy.json");
    let policy = files::read_policy(&path)?;
    let (engine, found) = Engine::load(&policy, &|name| suite.env.get(name).cloned());
    let Some(engine) = engine else {
        let first = found.iter().find(|found| found.severity == Severity::Error).map(ToString::to_string);
        let first = first.unwrap_or_default();
        return Err(CannotRun(format!("`{}` is refused: {first}; `carewarden check` says it all", path.display())));
    };
    let mut reached = Reached::default();
    let cases = suite.cases.iter().map(|case| (case.name.clone(), case.run(&engine, suite.now.0, &mut reached))).collect();
    let unreached = reached.missing(&engine.inventory());
    Ok(Results { directory: directory.to_owned(), cases, unreached })
}

fn print(results: &Results) -> Result<(), CannotRun> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", results.directory.display())?;
    for (name, problems) in &results.cases {
        let mark = if problems.is_empty() { paint(GOOD, "pass") } else { paint(BAD, "FAIL") };
        writeln!(out, "  {mark} {name}")?;
        for problem in problems {
            writeln!(out, "       {problem}")?;
        }
    }
    if results.cases.is_empty() {
        writeln!(out, "  {} no cases", paint(BAD, "FAIL"))?;
    }
    for what in &results.unreached {
        writeln!(out, "  {} {}", paint(WARN, "unreached"), paint(DIM, what))?;
    }
    Ok(())
}

fn print_json(all: &[Results]) -> Result<(), CannotRun> {
    let cases = |results: &Results| {
        let case = |(name, problems): &(String, Vec<String>)| json!({ "name": name, "passed": problems.is_empty(), "problems": problems });
        results.cases.iter().map(case).collect::<Vec<_>>()
    };
    let document: Vec<_> = all
        .iter()
        .map(|r| json!({ "directory": r.directory.display().to_string(), "cases": cases(r), "unreached": r.unreached }))
        .collect();
    Ok(writeln!(std::io::stdout().lock(), "{}", serde_json::Value::from(document))?)
}
