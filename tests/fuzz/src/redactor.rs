//! The redactor: what leaves is JSON, the same wherever an answer was cut, and holds nothing that a rule takes.

use std::fmt;
use std::rc::Rc;

use carewarden::redact::{Error, Format, Options, Program, Redactor};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::audit;
use crate::input::{Cuts, Text};
use crate::once::repeats_key;
use crate::{Input, profiles};

/// 2026-11-24.
const NOW: i64 = 1_795_500_000;

/// What a redactor may hold beside twice what it may hold back and what came.
const ROOM: usize = 64 << 10;

/// An answer, and what it is run under.
pub struct Case {
    profile: String,
    program: Rc<Program>,
    format: Format,
    hold_back: usize,
    max_string: usize,
    now: Option<i64>,
    cuts: Cuts,
    text: Text,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, program: _, format, hold_back, max_string, now, cuts, text } = self;
        f.debug_struct("Case")
            .field("profile", profile)
            .field("format", format)
            .field("hold_back", hold_back)
            .field("max_string", max_string)
            .field("now", now)
            .field("cuts", cuts)
            .field("input", text)
            .finish()
    }
}

struct Outcome {
    output: Vec<u8>,
    verdict: Result<(), Error>,
}

/// How many bytes decide about a text before it comes.
pub const DECISIONS: usize = 9;

impl crate::Case for Case {
    fn read(mut input: Input<'_>) -> Option<Self> {
        let (profile, program) = profiles::one(input.byte()?)?;
        let format = input.one_of(&[Format::FhirJson, Format::Json, Format::FhirNdjson, Format::Ndjson])?;
        let limits = input.byte()?;
        let (hold_back, max_string) =
            (if limits & 1 == 0 { 256 << 10 } else { 96 }, if limits & 2 == 0 { 64 << 10 } else { 12 });
        let now = (limits & 4 == 0).then_some(NOW);
        Some(Self { profile, program, format, hold_back, max_string, now, cuts: input.cuts()?, text: input.rest() })
    }

    fn run(&self) {
        let text = &*self.text.0;
        let whole = self.redact(&[text]);
        self.agree(&whole, &self.redact(&self.cuts.cut(text)), "in pieces");
        if text.len() < 512 {
            self.agree(&whole, &self.redact(&text.chunks(1).collect::<Vec<_>>()), "byte by byte");
        }
        if whole.verdict.is_ok() {
            self.is_sound(&whole.output);
        }
    }
}

impl Case {
    fn redact(&self, pieces: &[&[u8]]) -> Outcome {
        let mut options = Options::new(self.format);
        (options.hold_back, options.limits.max_string, options.now) = (self.hold_back, self.max_string, self.now);
        let mut redactor = Redactor::new(Rc::clone(&self.program), options);
        let (mut output, mut longest) = (Vec::new(), 0);
        for piece in pieces {
            if let Err(error) = redactor.write(piece, &mut output) {
                return Outcome { output, verdict: Err(error) };
            }
            longest = longest.max(piece.len());
            let held = redactor.held_bytes();
            assert!(held <= 2 * (self.hold_back + longest) + ROOM, "{held} bytes are held");
        }
        let before = output.len();
        let verdict = redactor.finish();
        assert_eq!(output.len(), before);
        Outcome { output, verdict }
    }

    fn agree(&self, whole: &Outcome, cut: &Outcome, how: &str) {
        assert_eq!(whole.verdict.is_ok(), cut.verdict.is_ok(), "{how}: {:?}, {:?}", whole.verdict, cut.verdict);
        let (short, long) = if whole.output.len() < cut.output.len() { (whole, cut) } else { (cut, whole) };
        assert!(
            long.output.starts_with(&short.output),
            "{how}: {:?}, {:?}",
            Text(short.output.clone()),
            Text(long.output.clone())
        );
        assert!(whole.verdict.is_err() || long.output.len() == short.output.len(), "{how}: one is longer");
    }

    /// What an answer that was taken has to be.
    fn is_sound(&self, output: &[u8]) {
        let text = &*self.text.0;
        for (what, text) in [("what came", text), ("what leaves", output)] {
            let text = std::str::from_utf8(text).unwrap_or_else(|_| panic!("{what} is UTF-8"));
            self.each_line(text, |line| {
                serde_json::from_str::<IgnoredAny>(line)
                    .unwrap_or_else(|error| panic!("{what} is no JSON: {error}: {line}"));
            });
        }
        if self.profile == "none" {
            // Of a last line that holds nothing the white space waits for the end, which writes nothing.
            let whole = |text: &[u8]| {
                let blank = |byte: &u8| self.format.is_lines() && b" \t\r".contains(byte);
                let end = text.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
                text[..end].escape_ascii().to_string()
            };
            assert_eq!(whole(output), whole(text), "every byte leaves");
        }
        let (input, output) = (std::str::from_utf8(text).expect("UTF-8"), std::str::from_utf8(output).expect("UTF-8"));
        let repeats = |text: &str| {
            let found = std::cell::Cell::new(Some(false));
            self.each_line(text, |line| found.set(found.get().and_then(|found| Some(found | repeats_key(line)?))));
            found.get()
        };
        if repeats(input) == Some(false) {
            assert_ne!(repeats(output), Some(true), "a key stands twice: {output}");
        }
        self.each_line(output, |line| {
            // Numbers beyond what `serde_json` has room for make it blind.
            let Ok(left) = serde_json::from_str::<Value>(line) else { return };
            if let Some(found) = audit::first_left(&self.profile, &left, self.format.is_fhir()) {
                panic!("`{}` leaves {found}: {line}", self.profile);
            }
        });
    }

    fn each_line<'t>(&self, text: &'t str, each: impl Fn(&'t str)) {
        if self.format.is_lines() {
            text.lines().filter(|line| !line.trim_matches([' ', '\t', '\r']).is_empty()).for_each(each);
        } else {
            each(text);
        }
    }
}
