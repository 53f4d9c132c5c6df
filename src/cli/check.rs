//! `carewarden check`: everything that is wrong with a policy, or with the Envoy that it runs in, and where.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::envoy::{self, Judged};
use super::problem::Problem;
use super::style::{BAD, DIM, GOOD, WARN, paint, printable};
use super::{CannotRun, Format, Outcome, environment, files, policy_path};
use crate::exchange::Engine;
use crate::policy::diagnostic::{Code, Severity, holds_secret, shows_secret};

/// Check policies, and Envoy configurations: every problem with its place, a stable code and a hint.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when nothing has an error, 1 when something has, 2 when a file could not be read.
Secrets are looked up in the environment; one that is missing there is a warning, unless
--require-env is given. Of the policy in an Envoy configuration only --require-env asks for them.

--envoy reads a bootstrap, a file of resources as file-based discovery takes them (YAML or JSON),
or what a running Envoy or Istio sidecar says of itself (/config_dump). It follows the files that
these name, judges the policy, and refuses what would let traffic past Carewarden. What it cannot
see, it says. The filter is known by `carewarden` in its name, its plugin's name or root_id, or
the file or URL of its code; --filter names another.

Examples:
  carewarden check policy.json
  carewarden check --require-env --format json policies/*
  carewarden check --envoy envoy/envoy.yaml
  curl -s localhost:9901/config_dump > dump.json && carewarden check --envoy dump.json
  carewarden check --envoy dump.json --filter istio-system.guard")]
pub(super) struct Check {
    /// Policy files, or directories that hold a `policy.json`.
    #[arg(required_unless_present = "envoy")]
    policies: Vec<PathBuf>,
    /// An Envoy configuration that must let nothing past Carewarden; may be given several times.
    #[arg(long, value_name = "FILE")]
    envoy: Vec<PathBuf>,
    /// The name, plugin name or root_id of Carewarden's filter, where it does not say `carewarden`.
    #[arg(long, value_name = "NAME", requires = "envoy")]
    filter: Option<String>,
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
            let problems = self.check(&text);
            results.push(Judged { path, text: String::from_utf8_lossy(&text).into_owned(), problems });
        }
        let options = envoy::Options { filter: self.filter.as_deref(), require_env: self.require_env };
        for path in &self.envoy {
            results.extend(envoy::judge(path, &options)?);
        }
        match self.format {
            Format::Text => results.iter().try_for_each(print)?,
            Format::Json => print_json(&results)?,
        }
        let mut problems = results.iter().flat_map(|judged| &judged.problems);
        let has_errors = problems.any(|problem| problem.severity == Severity::Error);
        Ok(if has_errors { Outcome::Findings } else { Outcome::Fine })
    }

    fn check(&self, text: &[u8]) -> Vec<Problem> {
        let (_, mut found) = Engine::load(text, &environment);
        if self.require_env {
            let missing = found.iter_mut().filter(|found| found.code == Code::MissingSecret);
            missing.for_each(|found| found.severity = Severity::Error);
        }
        found.into_iter().map(Problem::from).collect()
    }
}

fn print_json(results: &[Judged]) -> Result<(), CannotRun> {
    let results: Vec<_> = results
        .iter()
        .map(|judged| json!({ "file": judged.path.display().to_string(), "diagnostics": judged.problems }))
        .collect();
    Ok(writeln!(std::io::stdout().lock(), "{}", serde_json::Value::from(results))?)
}

fn print(judged: &Judged) -> Result<(), CannotRun> {
    let Judged { path, text, problems } = judged;
    let mut out = std::io::stdout().lock();
    let lines: Vec<&str> = text.lines().collect();
    for problem in problems {
        let Problem { severity, code, pointer, line, column, message, help } = problem;
        let label = match severity {
            Severity::Error => paint(BAD, &format!("error[{code}]")),
            Severity::Warning => paint(WARN, &format!("warning[{code}]")),
        };
        writeln!(out, "{label}: {}", printable(message))?;
        let pointer = printable(pointer);
        writeln!(out, "  {} {}:{line}:{column} {pointer}", paint(DIM, "-->"), path.display())?;
        let source = line.checked_sub(1).and_then(|index| lines.get(index));
        // Where a secret stands, the line would repeat it.
        let conceals = *code == envoy::SECRET_IN_CONFIGURATION || holds_secret(&pointer);
        if let Some(source) = source.filter(|line| !conceals && !shows_secret(line)) {
            quote(&mut out, source, *column)?;
        }
        if let Some(help) = help {
            writeln!(out, "  {} {help}", paint(DIM, "help:"))?;
        }
        writeln!(out)?;
    }
    summarize(&mut out, path, problems)
}

fn summarize(out: &mut impl Write, path: &Path, problems: &[Problem]) -> Result<(), CannotRun> {
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
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
    let shown: String = line.chars().skip(skip).take(WIDTH).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let shown = printable(&shown);
    let indent = " ".repeat(column.saturating_sub(skip).saturating_sub(1));
    writeln!(out, "  {} {shown}", paint(DIM, "|"))?;
    writeln!(out, "  {} {indent}{}", paint(DIM, "|"), paint(WARN, "^"))?;
    Ok(())
}
