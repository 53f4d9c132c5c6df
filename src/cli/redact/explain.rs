//! `--explain`: each value that a rule was about, with the rule that won. Never the value, and no key that may be one.

use std::io::{BufWriter, IsTerminal, Write};

use serde_json::{Map, Value, json};

use super::super::progress::Progress;
use super::super::{CannotRun, Format, Outcome, style};
use super::input::{Found, Input, shown};
use super::pass::{self, Problem};
use super::{Run, only};
use crate::redact::Touch;

/// What stands in a rule's place where a resource went because a modifier of it did.
pub(super) const MODIFIER: &str = "(a modifier of it went)";

/// Explains one input after the other on standard output.
pub(super) fn run(found: Found, run: &Run, format: Format) -> Result<Outcome, CannotRun> {
    found.check()?;
    let several = found.several;
    let mut outcome = Outcome::Fine;
    let inputs = if several {
        for (path, problem) in &found.problems {
            outcome = Outcome::Findings;
            style::complain(&format!("{} {problem}", shown(path)));
        }
        found.inputs
    } else {
        vec![only(found)?]
    };
    let stdout = std::io::stdout().lock();
    let bytes = inputs.iter().map(|input| input.bytes).sum();
    let mut progress = Progress::new(inputs.len() as u64, bytes, stdout.is_terminal());
    let mut explanation = Explanation::new(BufWriter::new(stdout), format, several);
    for input in &inputs {
        explanation.begin(input)?;
        let opened = input.open().map_err(Problem::Reading);
        let result = opened.and_then(|opened| {
            pass::run(opened, run.redactor(input), &mut progress, |_, touches| {
                let mut touches = touches.iter();
                touches.try_for_each(|touch| explanation.touch(touch, run, input)).map_err(Problem::Writing)
            })
        });
        progress.file_done();
        explanation.end(result.as_ref().err().map(ToString::to_string))?;
        match result {
            Ok(_) => (),
            Err(Problem::Writing(error)) => return Err(error.into()),
            Err(problem @ Problem::Reading(_)) if !several => {
                return Err(CannotRun(format!("{} {problem}", input.title())));
            }
            Err(problem) => {
                outcome = Outcome::Findings;
                progress.clear();
                style::complain(&format!("{} {problem}", input.title()));
            }
        }
    }
    drop(progress);
    explanation.finish()?;
    Ok(outcome)
}

/// Writes explanations of one input after the other.
struct Explanation<W> {
    out: W,
    format: Format,
    /// Whether inputs have to be told apart.
    several: bool,
    inputs: u64,
    /// How many touches of this input were written.
    touches: u64,
}

impl<W: Write> Explanation<W> {
    fn new(out: W, format: Format, several: bool) -> Self {
        Self { out, format, several, inputs: 0, touches: 0 }
    }

    fn begin(&mut self, input: &Input) -> std::io::Result<()> {
        let first = self.inputs == 0;
        (self.inputs, self.touches) = (self.inputs.saturating_add(1), 0);
        let title = input.title();
        match self.format {
            Format::Json => {
                let open = if first { "[" } else { "," };
                write!(self.out, "{open}{{\"file\":{},\"touched\":[", Value::from(title))
            }
            Format::Text if self.several => writeln!(self.out, "{}{title}", if first { "" } else { "\n" }),
            Format::Text => Ok(()),
        }
    }

    fn touch(&mut self, touch: &Touch, run: &Run, input: &Input) -> std::io::Result<()> {
        let Touch { line, path, rule, action } = touch;
        let (rule, has_lines) = (rule.map(|rule| run.program.pointer(rule)), input.format.is_lines());
        let first = self.touches == 0;
        self.touches = self.touches.saturating_add(1);
        match self.format {
            Format::Json => {
                let mut said = Map::new();
                if has_lines {
                    said.insert("line".to_owned(), json!(line));
                }
                for (key, value) in [("path", json!(path.to_string())), ("action", json!(action)), ("rule", json!(rule))] {
                    said.insert(key.to_owned(), value);
                }
                write!(self.out, "{}{}", if first { "" } else { "," }, Value::from(said))
            }
            Format::Text => {
                if has_lines {
                    write!(self.out, "{line:>6}  ")?;
                }
                // Padding is for what is written as one text.
                writeln!(self.out, "{action:<11}  {:<40}  {}", path.to_string(), rule.unwrap_or(MODIFIER))
            }
        }
    }

    fn end(&mut self, problem: Option<String>) -> std::io::Result<()> {
        if self.format == Format::Json {
            let problem = problem.map(|problem| format!(",\"problem\":{}", Value::from(problem))).unwrap_or_default();
            write!(self.out, "]{problem}}}")?;
        }
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<()> {
        if self.format == Format::Json {
            writeln!(self.out, "{}]", if self.inputs == 0 { "[" } else { "" })?;
        }
        self.out.flush()
    }
}
