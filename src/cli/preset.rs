//! `carewarden preset`: the redaction profiles that come with it.

use std::io::Write;

use clap::Args;

use super::{CannotRun, Outcome};
use crate::redact::preset;

/// Print a redaction preset as policy JSON, or list their names.
///
/// A policy applies a preset by its name, or extends it in a profile of its own under `redaction`, whose rules come first.
/// A preset does what its rules say; no filter can promise that what is left is de-identified in the sense of HIPAA.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carewarden preset
  carewarden preset hipaa-safe-harbor")]
pub(super) struct Preset {
    /// The preset; all names, and what they do, when absent.
    name: Option<String>,
}

impl Preset {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let mut output = std::io::stdout().lock();
        let Some(name) = self.name else {
            for name in preset::names() {
                writeln!(output, "{name}\n    {}", preset::about(name).unwrap_or_default())?;
            }
            return Ok(Outcome::Fine);
        };
        let known = || preset::names().collect::<Vec<_>>().join(", ");
        let text =
            preset::text(&name).ok_or_else(|| CannotRun(format!("there is no preset `{name}`; there are {}", known())))?;
        output.write_all(text.as_bytes())?;
        Ok(Outcome::Fine)
    }
}
