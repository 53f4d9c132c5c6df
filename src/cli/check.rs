//! `carewarden check`: everything that is wrong with a policy, and where.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, WARN, paint};
use super::{CannotRun, Format, Outcome, environment, files, policy_path};
use crate::exchange::Engine;
use crate::policy::diagnostic::{Code, Diagnostic, Severity};

/// Check policies: every problem with its place, a stable code and a hint.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when no policy has an error, 1 when one has, 2 when a file could not be read. Secrets are looked
up in the environment; one that is missing there is a warning, unless --require-env is given.

Examples:
  carewarden check policy.json
  carewarden check --require-env --format json policies/*")]
pub(super) struct Check {
    /// Policy files, or directories that hold a `policy.json`.
    #[arg(required = true)]
    policies: Vec<PathBuf>,
    /// Take a secret that the environment does not hold for an error.
    #[arg(long)]
    require_env: bool,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let mut results = Vec::new();
        for path in self.policies.iter().map(|path| policy_path(path)) {
            let text = files::read_policy(&path)?;
            results.push((path, text.clone(), self.check(&text)));
        }
        match self.format {
            Format::Text => results.iter().try_for_each(|(path, text, found)| print(path, text, found))?,
            Format::Json => print_json(&results)?,
        }
        let errors = results.iter().flat_map(|(_, _, found)| found).any(|found| found.severity == Severity::Error);
        Ok(if errors { Outcome::Findings } else { Outcome::Fine })
    }

    fn check(&self, text: &[u8]) -> Vec<Diagnostic> {
        let (_, mut found) = Engine::load(text, &environment);
        if self.require_env {
            let missing = found.iter_mut().filter(|found| found.code == Code::MissingSecret);
            missing.for_each(|found| found.severity = Severity::Error);
        }
        found
    }
}

fn print_json(results: &[(PathBuf, Vec<u8>, Vec<Diagnostic>)]) -> Result<(), CannotRun> {
    let results: Vec<_> = results
        .iter()
        .map(|(path, _, found)| json!({ "file": path.display().to_string(), "diagnostics": found }))
        .collect();
    Ok(writeln!(std::io::stdout().lock(), "{}", serde_json::Value::from(results))?)
}

fn print(path: &Path, text: &[u8], found: &[Diagnostic]) -> Result<(), CannotRun> {
    let mut out = std::io::stdout().lock();
    let lines: Vec<&str> = std::str::from_utf8(text).unwrap_or_default().lines().collect();
    for diagnostic in found {
        let Diagnostic { severity, code, pointer, line, column, message, help } = diagnostic;
        let label = match severity {
            Severity::Error => paint(BAD, &format!("error[{}]", code.as_str())),
            Severity::Warning => paint(WARN, &format!("warning[{}]", code.as_str())),
        };
        writeln!(out, "{label}: {message}")?;
        writeln!(out, "  {} {}:{line}:{column} {pointer}", paint(DIM, "-->"), path.display())?;
        if let Some(source) = line.checked_sub(1).and_then(|index| lines.get(index)) {
            quote(&mut out, source, *column)?;
        }
        if let Some(help) = help {
            writeln!(out, "  {} {help}", paint(DIM, "help:"))?;
        }
        writeln!(out)?;
    }
    let count = |severity| found.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let verdict = if errors == 0 { paint(GOOD, "ok") } else { paint(BAD, "refused") };
    writeln!(out, "{}: {verdict}, {errors} errors, {warnings} warnings", path.display())?;
    Ok(())
}

/// The line and a mark under its column; of a long line, what stands around it.
fn quote(out: &mut impl Write, line: &str, column: usize) -> Result<(), CannotRun> {
    const BEFORE: usize = 60;
    const WIDTH: usize = 100;
    let skip = column.saturating_sub(BEFORE);
    let shown: String = line.chars().skip(skip).take(WIDTH).collect();
    let indent = " ".repeat(column.saturating_sub(skip).saturating_sub(1));
    writeln!(out, "  {} {shown}", paint(DIM, "|"))?;
    writeln!(out, "  {} {indent}{}", paint(DIM, "|"), paint(WARN, "^"))?;
    Ok(())
}
