//! `carewarden redact`: a file through a policy's redaction profile.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::rc::Rc;

use clap::{Args, ValueEnum};

use super::{CannotRun, Outcome, environment, policy_path, style};
use crate::exchange::Engine;
use crate::policy::diagnostic::Severity;
use crate::redact::{Format, Options, Program, Redactor, Summary, compile_preset, preset};

/// Redact a file with a profile of a policy, as Envoy would redact an answer.
#[derive(Debug, Args)]
#[command(after_help = "\
Streams: a file of any size needs little memory. Ends with 1 when the input is refused; the output is then empty
or cut before its last bracket, so that no reader takes it for whole.

Examples:
  carewarden redact --preset hipaa-safe-harbor --report patient.json
  carewarden redact --policy policy.json --profile billing patient.json
  curl -s $FHIR/Patient/1 | carewarden redact --policy policy.json --profile billing
  carewarden redact --policy policy.json --profile research --as fhir+ndjson export.ndjson")]
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
    /// Say on standard error, when done, how many values each rule and each action took; never the values.
    #[arg(long)]
    report: bool,
    /// How to read the input; told by the file's ending when absent, and FHIR JSON where that tells nothing.
    #[arg(long = "as", value_enum)]
    layout: Option<Layout>,
    /// The input; standard input when absent.
    file: Option<PathBuf>,
}

/// How the input is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Any JSON document.
    #[value(name = "json")]
    Json,
    /// One FHIR resource.
    #[value(name = "fhir+json")]
    FhirJson,
    /// One FHIR resource a line.
    #[value(name = "fhir+ndjson")]
    FhirNdjson,
}

impl Redact {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let program = self.program()?;
        let options = Options { now: Some(now()), ..Options::new(self.format()) };
        let redactor = Redactor::new(Rc::clone(&program), options);
        let output = Withholding::new(std::io::stdout().lock());
        let (outcome, summary) = match &self.file {
            Some(path) => {
                let file = File::open(path).map_err(|error| CannotRun::reading(path, &error))?;
                stream(file, redactor, output)?
            }
            None => stream(std::io::stdin().lock(), redactor, output)?,
        };
        if self.report {
            report(&program, &summary);
        }
        Ok(outcome)
    }

    /// The rules to redact by.
    fn program(&self) -> Result<Rc<Program>, CannotRun> {
        if let Some(name) = &self.preset {
            let known = || preset::names().collect::<Vec<_>>().join(", ");
            return compile_preset(name, &environment)
                .ok_or_else(|| CannotRun(format!("there is no preset `{name}`; there are {}", known())));
        }
        let (Some(policy), Some(profile)) = (&self.policy, &self.profile) else {
            return Err(CannotRun("name a policy and a profile of it, or a preset".to_owned()));
        };
        let path = policy_path(policy);
        let policy = std::fs::read(&path).map_err(|error| CannotRun::reading(&path, &error))?;
        let (engine, found) = Engine::load(&policy, &environment);
        let Some(engine) = engine else {
            let first = found.iter().find(|found| found.severity == Severity::Error).map(ToString::to_string);
            return Err(CannotRun(format!("`{}` is refused: {}", path.display(), first.unwrap_or_default())));
        };
        engine
            .profile(profile)
            .ok_or_else(|| CannotRun(format!("`{}` has no redaction profile `{profile}`", path.display())))
    }

    fn format(&self) -> Format {
        let ends_in_ndjson = self.file.as_ref().is_some_and(|file| file.extension().is_some_and(|end| end == "ndjson"));
        match self.layout {
            Some(Layout::Json) => Format::Json,
            Some(Layout::FhirNdjson) => Format::FhirNdjson,
            None if ends_in_ndjson => Format::FhirNdjson,
            Some(Layout::FhirJson) | None => Format::FhirJson,
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn stream(
    mut input: impl Read,
    mut redactor: Redactor,
    mut output: Withholding<impl Write>,
) -> Result<(Outcome, Summary), CannotRun> {
    let mut chunk = vec![0; 64 << 10];
    let mut out = Vec::with_capacity(chunk.len());
    loop {
        let read = input.read(&mut chunk).map_err(|error| CannotRun(format!("cannot read the input: {error}")))?;
        out.clear();
        let judged = match chunk.get(..read) {
            Some(part) if read > 0 => redactor.write(part, &mut out),
            _ => redactor.finish(),
        };
        if let Err(error) = judged {
            style::complain(&format!("the input is refused: {error}"));
            return Ok((Outcome::Findings, redactor.summary().clone()));
        }
        output.write(&out)?;
        if read == 0 {
            output.release()?;
            return Ok((Outcome::Fine, redactor.summary().clone()));
        }
    }
}

/// Says what was done, in numbers.
fn report(program: &Program, summary: &Summary) {
    let Summary { rules, removed, kept, replaced, masked, hashed, generalized, shifted, scanned } = summary;
    let deeds = [
        ("removed", removed),
        ("kept", kept),
        ("replaced", replaced),
        ("masked", masked),
        ("hashed", hashed),
        ("generalized", generalized),
        ("shifted", shifted),
        ("scanned", scanned),
    ];
    let by_rule = program.rules().zip(rules);
    for (what, count) in deeds.into_iter().chain(by_rule).filter(|(_, count)| **count > 0) {
        style::tell(&format!("{count:>10}  {what}"));
    }
}

/// An output that keeps back its last bracket and what follows it, until all of the input was found well.
struct Withholding<W> {
    inner: W,
    withheld: Vec<u8>,
}

impl<W: Write> Withholding<W> {
    fn new(inner: W) -> Self {
        Self { inner, withheld: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let last = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace());
        if let Some((free, kept)) = last.and_then(|at| bytes.split_at_checked(at)) {
            self.inner.write_all(&self.withheld)?;
            self.inner.write_all(free)?;
            self.withheld.clear();
            self.withheld.extend_from_slice(kept);
        } else {
            self.withheld.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn release(mut self) -> std::io::Result<()> {
        self.inner.write_all(&self.withheld)?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bracket_waits_for_the_end() {
        let mut written = Vec::new();
        let mut output = Withholding::new(&mut written);
        for part in ["{\"a\":", "1}", " \n"] {
            output.write(part.as_bytes()).unwrap();
        }
        drop(output);
        assert_eq!(written, b"{\"a\":1");
    }
}
