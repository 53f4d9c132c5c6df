//! A random answer held to the reference, and to what is true of all that leaves.

use carewarden::json::Limits;
use carewarden::redact::{Error, Options};
use serde_json::Value;

use crate::generate::Case;
use crate::random::Random;
use crate::reference::{Deed, Reference, Rule};
use crate::support::{Outcome, run, run_every_way};

/// The time by which ages are judged: 2026-11-24.
const NOW: i64 = 1_795_500_000;

impl Case {
    fn options(&self) -> Options {
        let mut options = Options::new(self.format);
        options.now = Some(NOW);
        options
    }

    /// Holds the redactor to all properties.
    pub(crate) fn holds(&self, random: &mut Random<'_>, context: &dyn Fn() -> String) -> Outcome {
        let mut reference = Reference::new(&self.profile, self.format.is_fhir());
        let expected = reference.redact(&self.root).map(|left| left.compact());
        let input = self.root.compact();
        let whole = run(&self.program, self.options(), [input.as_bytes()]);
        let refused_whole = whole.verdict == Err(Error::ModifierTaken) && self.profile.rules.iter().any(Rule::is_from_root);
        if refused_whole && reference.lost_resource {
            // A rule from the root emptied a modifier from inside. The redactor does not wait for that, and gives up more.
            return whole;
        }
        assert_eq!(whole.verdict.err(), expected.as_ref().err().copied(), "{}", context());
        if let Ok(expected) = &expected {
            assert_eq!(&String::from_utf8_lossy(&whole.output), expected, "{}", context());
            self.is_sound(&whole, &reference, context);
        }
        self.is_the_same_in_pieces(&input, &whole, random, context);
        // White space stays or goes; what it stands between does not depend on it.
        let mut spaced = String::new();
        self.root.write(&mut spaced, &mut || random.of(&["", "", " ", "\n  ", "\t"]));
        let outcome = run(&self.program, self.options(), [spaced.as_bytes()]);
        assert_eq!(outcome.verdict, whole.verdict, "{}", context());
        if let Ok(expected) = &expected {
            assert_eq!(&without_space(&outcome.output), expected, "{}", context());
            assert_eq!(outcome.summary, whole.summary, "{}", context());
            if !self.profile.tags && self.profile.rules.iter().all(only_takes) {
                assert!(is_subsequence(&outcome.output, spaced.as_bytes()), "bytes are new: {}", context());
            }
        }
        whole
    }

    /// What is true of all that leaves, whatever the reference says.
    fn is_sound(&self, outcome: &Outcome, reference: &Reference, context: &dyn Fn() -> String) {
        let left: Value = serde_json::from_slice(&outcome.output).unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert_eq!(Ok(()), carewarden::json::check(&outcome.output, &Limits::default()), "{}", context());
        let mut strings = Vec::new();
        collect_strings(&left, &mut strings);
        for covered in reference.covered(&self.root) {
            // Others may be alike, but for those that the generator numbered.
            if covered.len() > 1
                && covered.ends_with(|c: char| c.is_ascii_digit())
                && !covered.starts_with(['1', '2', '9', '0'])
            {
                assert!(!strings.contains(&covered), "`{covered}` is left: {}", context());
            }
        }
    }

    fn is_the_same_in_pieces(&self, input: &str, whole: &Outcome, random: &mut Random<'_>, context: &dyn Fn() -> String) {
        if input.len() < 200 {
            run_every_way(&context(), &self.program, self.options(), input.as_bytes());
            return;
        }
        let pieces = [cut(input.as_bytes(), random), input.as_bytes().chunks(1).collect()];
        for pieces in pieces {
            let pieces = run(&self.program, self.options(), pieces);
            assert_eq!(pieces.verdict, whole.verdict, "{}", context());
            assert!(whole.verdict.is_err() || pieces == *whole, "in pieces: {}", context());
        }
    }
}

/// Whether a rule writes nothing.
fn only_takes(rule: &Rule) -> bool {
    matches!(rule.deed, Deed::Remove | Deed::Keep)
}

/// Whether all of `part` stands in `all`, in order. A `null` that keeps a place is written.
fn is_subsequence(part: &[u8], all: &[u8]) -> bool {
    let part = String::from_utf8_lossy(part).replace("null", "");
    let mut all = all.iter();
    part.bytes().all(|byte| all.any(|own| *own == byte))
}

fn collect_strings(value: &Value, strings: &mut Vec<String>) {
    match value {
        Value::String(text) => strings.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|element| collect_strings(element, strings)),
        Value::Object(members) => members.values().for_each(|member| collect_strings(member, strings)),
        _ => (),
    }
}

/// The text in random pieces.
pub(crate) fn cut<'a>(mut text: &'a [u8], random: &mut Random<'_>) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (first, rest) = text.split_at((1 + random.below(20)).min(text.len()));
        pieces.push(first);
        text = rest;
    }
    pieces
}

/// A text without the white space outside its strings. No string here ends in a backslash.
fn without_space(text: &[u8]) -> String {
    let (mut inside, mut before) = (false, ' ');
    let text = std::str::from_utf8(text).expect("what leaves is UTF-8");
    let kept = text.chars().filter(|character| {
        inside ^= *character == '"' && before != '\\';
        before = *character;
        inside || !character.is_ascii_whitespace()
    });
    kept.collect()
}
