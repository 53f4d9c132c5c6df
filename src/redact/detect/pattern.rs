//! Patterns that a policy writes: regular expressions that take time linear in the text.
//!
//! Without an end to what a pattern may match, finding all its matches takes quadratic time on some texts, whatever the
//! engine. So a match has to end within [`MAX_MATCH`] characters, which is asked of the pattern, not of the text.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::{Error, ParserBuilder};

use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;
/// The most that a match may have, in characters.
const MAX_MATCH: usize = 128;
/// The most that a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 16;
const MAX_NESTING: u32 = 16;

/// Compiles a pattern, or reports at `at` what is wrong with it.
pub(super) fn compile(pattern: &str, at: &Node, report: &mut Report) -> Option<Regex> {
    let mut refuse = |message: String, help: &str| {
        report.error(at, Code::InvalidValue, message).help(help);
        None
    };
    if pattern.len() > MAX_PATTERN {
        return refuse(format!("the pattern is longer than {MAX_PATTERN} bytes"), "write several detectors");
    }
    let parsed = ParserBuilder::new().unicode(false).utf8(false).nest_limit(MAX_NESTING).build().parse(pattern);
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let help = "write it in the syntax of Rust's `regex`, without look-around, back-references and Unicode classes";
            return refuse(format!("not a regular expression: {}", reason(&error)), help);
        }
    };
    let lengths = parsed.properties();
    if lengths.minimum_len() == Some(0) {
        return refuse("the pattern matches the empty text".to_owned(), "ask for at least one character: `{1,8}`");
    }
    if lengths.minimum_len().is_none() {
        return refuse("the pattern matches nothing".to_owned(), "remove what cannot be, such as `[^\\x00-\\xff]`");
    }
    if lengths.maximum_len().is_none_or(|most| most > MAX_MATCH) {
        let help = "give every repetition an end: `{1,8}` instead of `+` and `{0,8}` instead of `*`";
        return refuse(format!("the pattern may match more than {MAX_MATCH} characters"), help);
    }
    let built = RegexBuilder::new(pattern).unicode(false).nest_limit(MAX_NESTING).size_limit(MAX_COMPILED).build();
    built.ok().or_else(|| refuse("the pattern is too large".to_owned(), "use smaller repetitions"))
}

fn reason(error: &Error) -> String {
    match error {
        Error::Parse(error) => error.kind().to_string(),
        Error::Translate(error) => error.kind().to_string(),
        _ => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_cannot_be_bounded_is_refused_where_it_stands() {
        let refused = |pattern: &str| {
            let text = serde_json::to_string(pattern).unwrap();
            let mut report = Report::new(&text);
            let node = Node::parse(&text, &mut report).unwrap();
            assert_eq!(compile(pattern, &node, &mut report).is_none(), report.has_errors(), "{pattern}");
            report.into_vec().iter().map(|found| found.message.clone()).collect::<Vec<_>>().join(" ")
        };
        for (pattern, message) in [
            ("MRN[- ]?[0-9]{6,8}", ""),
            (r"(?i)\bmrn\d{6}\b", ""),
            ("[0-9]+", "the pattern may match more than 128 characters"),
            ("a{1,129}", "the pattern may match more than 128 characters"),
            ("a{1,128}", ""),
            ("a*", "the pattern matches the empty text"),
            (r"\b", "the pattern matches the empty text"),
            ("", "the pattern matches the empty text"),
            ("[^\\x00-\\xff]", "the pattern matches nothing"),
            ("(", "not a regular expression: unclosed group"),
            (r"(?=1)", "not a regular expression: look-around, including look-ahead and look-behind, is not supported"),
            (r"\p{Greek}", "not a regular expression: Unicode not allowed here"),
            (
                "((((((((((((((((((a))))))))))))))))))",
                "not a regular expression: exceed the maximum number of nested parentheses/brackets (16)",
            ),
            ("(a|b|cd|[e-z]{20}|(xy|z|w{20}){3}){1,2}{1,2}{1,2}{1,2}", "the pattern may match more than 128 characters"),
            (&"a".repeat(257), "the pattern is longer than 256 bytes"),
        ] {
            assert_eq!(refused(pattern), message, "{pattern}");
        }
    }
}
