//! `carewarden redact`: files through a redaction profile, with the engine that redacts answers in Envoy.

mod explain;
mod input;
mod mirror;
mod output;
mod pass;
mod profile;
mod report;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{ArgGroup, Args, ValueEnum};

use super::progress::Progress;
use super::{CannotRun, Format, Outcome, style};
use crate::redact::{Format as Reading, Options, Program, Redactor};
use input::{Found, Input, shown};
use output::{Directory, Withholding};
use pass::Problem;
use report::{Rows, Tally};

/// Redact files with a profile of a policy or a preset, as Envoy would redact an answer.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("told").args(["report", "explain"]),
    after_help = "\
One file or standard input is written to standard output. Several files, and directories, need
--output: a directory's tree is mirrored there, of files that end in .json or .ndjson, without
hidden ones and links. A result takes its place only when its whole input was found well, so that a
refused one leaves nothing, and the others go on. On standard output a refused input leaves nothing,
or what is cut before its last bracket. Files of any size need little memory.

Ends with 0 when all was redacted, 1 when an input was refused (with --output, also when one could
not be read or written), 2 when nothing could be done.

Presets hash ids and references with the key in PHI_KEY, at least 32 bytes long; without it they
are removed. No filter can promise that what it lets through is de-identified: a profile does what
its rules say.

Reports and explanations name places as R4 and the rules do. A key that neither knows may be a name
itself, and is written `*`.

Examples:
  carewarden redact --preset hipaa-safe-harbor patient.json
  carewarden redact --policy policy.json --profile billing patient.json
  curl -s $FHIR/Patient/1 | carewarden redact --policy policy.json --profile billing
  carewarden redact --policy policy.json --profile research --as fhir+ndjson export.txt
  carewarden redact --preset hipaa-safe-harbor --output redacted --report export/ more.ndjson
  carewarden redact --preset limited-data-set --report=counts.json --format json patient.json
  carewarden redact --policy policy.json --profile billing --explain patient.json
  PHI_KEY=$(openssl rand -hex 32) carewarden redact --preset hipaa-safe-harbor export.ndjson"
)]
pub(super) struct Redact {
    /// The policy file.
    #[arg(long, requires = "profile", required_unless_present = "preset")]
    policy: Option<PathBuf>,
    /// The profile's name under `redaction`.
    #[arg(long, requires = "policy")]
    profile: Option<String>,
    /// A profile that comes with Carewarden, which needs no policy; `carewarden preset` lists them.
    #[arg(long, conflicts_with_all = ["policy", "profile"])]
    preset: Option<String>,
    /// The directory to write results to; made when it is not there.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write over results that are in the output directory already.
    #[arg(long, requires = "output")]
    force: bool,
    /// Count values by rule, path and action, never the values: on standard error, or in FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    report: Option<Option<PathBuf>>,
    /// Instead of the result, write each path that a rule was about, with what was done and the rule that won.
    #[arg(long, conflicts_with = "output")]
    explain: bool,
    /// How to write the report or the explanation.
    #[arg(long, value_enum, default_value_t, requires = "told")]
    format: Format,
    /// How to read the input; told by a file's ending when absent, and FHIR JSON where that tells nothing. In
    /// directories the ending always says whether a file holds lines.
    #[arg(long = "as", value_enum)]
    layout: Option<Layout>,
    /// Files and directories; standard input when absent.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// How the input is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Any JSON document.
    #[value(name = "json")]
    Json,
    /// Any JSON document a line.
    #[value(name = "ndjson")]
    Ndjson,
    /// One FHIR resource.
    #[value(name = "fhir+json")]
    FhirJson,
    /// One FHIR resource a line.
    #[value(name = "fhir+ndjson")]
    FhirNdjson,
}

impl Layout {
    /// How a file is read that was named, or standard input.
    fn of_named(layout: Option<Self>, path: &Path) -> Reading {
        match layout {
            Some(Self::Json) => Reading::Json,
            Some(Self::Ndjson) => Reading::Ndjson,
            Some(Self::FhirJson) => Reading::FhirJson,
            Some(Self::FhirNdjson) => Reading::FhirNdjson,
            None if path.extension().is_some_and(|end| end == "ndjson") => Reading::FhirNdjson,
            None => Reading::FhirJson,
        }
    }

    /// How a file is read that was found in a directory; not at all when its ending says nothing.
    fn of_found(layout: Option<Self>, path: &Path) -> Option<Reading> {
        let is_fhir = !matches!(layout, Some(Self::Json | Self::Ndjson));
        match (path.extension()?.to_str()?, is_fhir) {
            ("json", true) => Some(Reading::FhirJson),
            ("json", false) => Some(Reading::Json),
            ("ndjson", true) => Some(Reading::FhirNdjson),
            ("ndjson", false) => Some(Reading::Ndjson),
            _ => None,
        }
    }
}

impl Redact {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let run = Run { program: self.program()?, now: now(), traces: self.explain || self.report.is_some() };
        if self.explain {
            return explain::run(input::find(&self.files, self.layout), &run, self.format);
        }
        let mut tally = Tally::default();
        let outcome = match &self.output {
            Some(output) => {
                let directory = Directory::make(output, self.force, &self.files)?;
                mirror::run(input::find(&self.files, self.layout), directory, &run, &mut tally)?
            }
            None => self.to_standard_output(&run, &mut tally)?,
        };
        if let Some(to) = &self.report {
            let text = tally.text(&run.program, self.format);
            match to {
                Some(path) => std::fs::write(path, text)
                    .map_err(|error| CannotRun(format!("cannot write `{}`: {error}", shown(path))))?,
                None => style::tell(text.trim_end()),
            }
        }
        Ok(outcome)
    }

    /// The rules to redact by.
    fn program(&self) -> Result<Rc<Program>, CannotRun> {
        match (&self.preset, &self.policy, &self.profile) {
            (Some(name), ..) => profile::of_preset(name),
            (None, Some(policy), Some(name)) => profile::of_policy(policy, name),
            _ => Err(CannotRun("name a policy and a profile of it, or a preset".to_owned())),
        }
    }

    fn to_standard_output(&self, run: &Run, tally: &mut Tally) -> Result<Outcome, CannotRun> {
        let found = input::find(&self.files, self.layout);
        if found.several {
            return Err(CannotRun("for directories and several files name where to write: --output DIR".to_owned()));
        }
        let input = only(found)?;
        let stdout = std::io::stdout().lock();
        let mut progress = Progress::new(1, input.bytes, stdout.is_terminal());
        let (mut output, mut rows) = (Withholding::new(stdout), Rows::default());
        let opened = input.open().map_err(Problem::Reading);
        let result = opened.and_then(|opened| {
            pass::run(opened, run.redactor(&input), &mut progress, |out, touches| {
                rows.add(touches);
                output.write(out).map_err(Problem::Writing)
            })
        });
        drop(progress);
        match result {
            Ok(summary) => {
                output.release()?;
                tally.add(&summary, rows);
                Ok(Outcome::Fine)
            }
            Err(problem @ Problem::Refused(_)) => {
                style::complain(&format!("{} {problem}", input.title()));
                tally.refuse();
                Ok(Outcome::Findings)
            }
            Err(problem) => Err(CannotRun(format!("{} {problem}", input.title()))),
        }
    }
}

/// What every input is redacted by.
struct Run {
    program: Rc<Program>,
    /// Seconds since 1970.
    now: i64,
    /// Whether anybody asks which rule won.
    traces: bool,
}

impl Run {
    fn redactor(&self, input: &Input) -> Redactor {
        let options = Options { now: Some(self.now), ..Options::new(input.format) };
        let mut redactor = Redactor::new(Rc::clone(&self.program), options);
        if self.traces {
            redactor.trace();
        }
        redactor
    }
}

/// The one input that there can be.
fn only(found: Found) -> Result<Input, CannotRun> {
    if let Some((path, problem)) = found.problems.first() {
        return Err(CannotRun(format!("{} {problem}", shown(path))));
    }
    found.inputs.into_iter().next().ok_or_else(|| CannotRun("there is nothing to read".to_owned()))
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
