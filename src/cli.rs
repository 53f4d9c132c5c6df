//! The command line: checks, tests and tries a policy with the engine that runs in Envoy.
//!
//! One file a command. Results go to standard output, problems with running to standard error. A command ends with 0
//! when all is well, 1 when it found something, 2 when it could not run.

mod build;
mod check;
mod envoy;
mod explain;
mod files;
mod inspect;
mod keygen;
mod preset;
mod problem;
mod progress;
mod redact;
mod rules;
mod schema;
mod simulation;
mod style;
mod test;
mod token;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// A policy filter for healthcare APIs behind Envoy and Istio: checks, tests and tries policies.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  carewarden check policies/clinic/policy.json
  carewarden check --envoy envoy/envoy.yaml
  carewarden test policies/*
  carewarden build policies/clinic > built.json
  carewarden redact --policy policies/clinic/policy.json --profile billing bundle.json
  carewarden redact --preset hipaa-safe-harbor bundle.json
  carewarden redact --preset hipaa-safe-harbor --output redacted export/
  carewarden redact --policy policies/clinic/policy.json --profile billing --explain bundle.json
  carewarden inspect request.json
  carewarden explain --policy policies/clinic request.json
  carewarden rules
  carewarden keygen
  carewarden token --policy policies/clinic/policy.json < token.txt"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Build(build::Build),
    Test(test::Test),
    Redact(redact::Redact),
    Preset(preset::Preset),
    Inspect(inspect::Inspect),
    Explain(explain::Explain),
    Rules(rules::Rules),
    Keygen(keygen::Keygen),
    Schema(schema::Schema),
    Token(Box<token::Token>),
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document.
    Json,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    Findings,
}

/// Why a command could not run.
#[derive(Debug)]
struct CannotRun(String);

impl CannotRun {
    fn reading(path: &Path, error: &std::io::Error) -> Self {
        Self(format!("cannot read `{}`: {error}", path.display()))
    }
}

impl From<std::io::Error> for CannotRun {
    fn from(error: std::io::Error) -> Self {
        Self(format!("cannot write the result: {error}"))
    }
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(check) => check.run(),
        Command::Build(build) => build.run(),
        Command::Test(test) => test.run(),
        Command::Redact(redact) => redact.run(),
        Command::Preset(preset) => preset.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Explain(explain) => explain.run(),
        Command::Rules(rules) => rules.run(),
        Command::Keygen(keygen) => keygen.run(),
        Command::Schema(schema) => schema.run(),
        Command::Token(token) => token.run(),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(problem) => {
            style::complain(&problem.to_string());
            ExitCode::from(2)
        }
    }
}

/// A policy file; `DIR` stands for `DIR/policy.json`.
fn policy_path(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("policy.json") } else { path.to_owned() }
}

/// The process's environment.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
