//! `carewarden schema`: the JSON Schema of the policy language.

use std::io::Write;

use clap::Args;

use super::{CannotRun, Outcome};
use crate::policy::model::Policy;

/// Write the JSON Schema (2020-12) of the policy language, for editors and pipelines.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  carewarden schema > policy.schema.json")]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let Self {} = self;
        let schema = schemars::schema_for!(Policy);
        let text = serde_json::to_string_pretty(&schema).map_err(|error| CannotRun(error.to_string()))?;
        writeln!(std::io::stdout().lock(), "{text}")?;
        Ok(Outcome::Fine)
    }
}
