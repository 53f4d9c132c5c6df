//! `carewarden build`: a policy as one document, which is what Envoy takes.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{CannotRun, Outcome, environment, files, policy_path, style};
use crate::exchange::Engine;
use crate::policy::diagnostic::Severity;

/// Put the files that a policy names into it, and write the one document that Envoy takes.
///
/// A module in Envoy can read no file, so `"keys": {"file": "keys.json"}` becomes the keys. Everything else stays byte for
/// byte as it is. The same is done by every command that reads a policy.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when the policy was written, 1 when it has an error, 2 when a file could not be read or written.

Examples:
  carewarden build policy.json > built.json
  carewarden build --output built.json policies/clinic")]
pub(super) struct Build {
    /// A policy file, or a directory that holds a `policy.json`.
    policy: PathBuf,
    /// Where to write it; standard output when absent.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let path = policy_path(&self.policy);
        let text = files::read_policy(&path)?;
        let (_, found) = Engine::load(&text, &environment);
        if let Some(first) = found.iter().find(|found| found.severity == Severity::Error) {
            style::complain(&format!("`{}` is refused: {first}; `carewarden check` says it all", path.display()));
            return Ok(Outcome::Findings);
        }
        match self.output {
            Some(output) => std::fs::write(&output, &text)
                .map_err(|error| CannotRun(format!("cannot write `{}`: {error}", output.display())))?,
            None => std::io::stdout().lock().write_all(&text)?,
        }
        Ok(Outcome::Fine)
    }
}
