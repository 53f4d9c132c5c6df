//! Patterns that a policy writes of whole values: regular expressions that take time linear in the value.

use regex::bytes::{Regex, RegexBuilder};

use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// The most that a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 18;
const MAX_NESTING: u32 = 32;

/// Compiles a pattern that a whole value has to match, or reports at `at` what is wrong with it.
pub(super) fn compile(pattern: &str, at: &Node, report: &mut Report) -> Option<Regex> {
    // For itself first: `a)(b` would be a pattern inside of a group.
    let build =
        |text: &str| RegexBuilder::new(text).unicode(false).nest_limit(MAX_NESTING).size_limit(MAX_COMPILED).build().ok();
    let whole = build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z")));
    if whole.is_none() {
        let hint = report.error(at, Code::InvalidValue, "not a regular expression that can be run");
        hint.help("write it in the syntax of Rust's `regex`, without look-around, back-references and Unicode classes");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(pattern: &str) -> Option<Regex> {
        let text = serde_json::to_string(pattern).unwrap();
        let mut report = Report::new(&text);
        let node = Node::parse(&text, &mut report).unwrap();
        let compiled = compile(pattern, &node, &mut report);
        assert_eq!(compiled.is_none(), report.has_errors());
        compiled
    }

    #[test]
    fn a_pattern_matches_whole_values() {
        let either = compiled("a|b+").unwrap();
        assert!(["a", "b", "bbb"].iter().all(|value| either.is_match(value.as_bytes())));
        assert!(!["ab", "xa", "a\n", "", "a\nb"].iter().any(|value| either.is_match(value.as_bytes())));
    }

    #[test]
    fn what_could_leave_its_group_or_take_too_long_is_refused() {
        for pattern in ["a)|(b", "(?=a)b", r"(a)\1", "(", "(((x{99}){99}){99})"] {
            assert!(compiled(pattern).is_none(), "{pattern}");
        }
    }
}
