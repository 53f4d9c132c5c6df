//! `carewarden rules`: the inspection rules, with what they hold for and what they let pass.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::style::{BAD, DIM, GOOD, paint};
use super::{CannotRun, Format, Outcome};
use crate::inspect::{Level, Pack, Rule};

/// List the inspection rules: id, what they find, where, their score, and examples.
///
/// A policy exempts a rule from a place by its id, in `request.inspect.exempt`. A value is refused when the scores of the
/// rules that hold for it add up to the threshold: 5 at `standard`, 3 at `strict`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  carewarden rules
  carewarden rules sqli-union
  carewarden rules --format json")]
pub(super) struct Rules {
    /// How to write the list.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Ids of rules; all when absent.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
}

impl Rules {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let pack = Pack::standard().map_err(|error| CannotRun(error.to_string()))?;
        if let Some(unknown) = self.ids.iter().find(|id| !pack.rules().any(|rule| rule.id == **id)) {
            return Err(CannotRun(format!("there is no rule `{unknown}`; `carewarden rules` lists them")));
        }
        let rules: Vec<&Rule> = pack.rules().filter(|rule| self.ids.is_empty() || self.ids.contains(&rule.id)).collect();
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{}", json!(rules))?,
            Format::Text => rules.iter().try_for_each(|rule| print(rule, &mut out))?,
        }
        Ok(Outcome::Fine)
    }
}

fn print(rule: &Rule, out: &mut impl Write) -> Result<(), CannotRun> {
    let level = if rule.level == Level::Strict { ", strict" } else { "" };
    writeln!(out, "{} {}", rule.id, paint(DIM, &format!("+{}{level}", rule.score)))?;
    writeln!(out, "    {}", rule.name)?;
    if !rule.targets.is_empty() {
        let targets: Vec<_> = rule.targets.iter().map(|target| target.as_str()).collect();
        writeln!(out, "    {}", paint(DIM, &format!("in {}", targets.join(", "))))?;
    }
    for (label, style, texts) in [("match", BAD, &rule.examples.matches), ("pass ", GOOD, &rule.examples.pass)] {
        for text in texts {
            writeln!(out, "    {} {}", paint(style, label), visible(text))?;
        }
    }
    Ok(())
}

/// A terminal takes no orders from an example.
fn visible(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}
