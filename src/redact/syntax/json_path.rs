//! JSONPath (RFC 9535), as far as a stream can follow it.

use serde_json::Value;

use super::FaultKind::{Invalid, NotSupported};
use super::{Anchor, Fault, Selector, Step, fault};

/// What one step of a JSONPath says.
enum Segment {
    Step(Step),
    /// `[?@.name==value]`, on members and elements or on all that is inside.
    Filter {
        deep: bool,
        name: String,
        value: Value,
    },
}

/// Reads a JSONPath.
pub(super) fn read(text: &str) -> Result<Selector, Fault> {
    let Some(mut rest) = text.strip_prefix('$') else {
        return Err(fault(Invalid, "a JSONPath begins with `$`", format!("write `$.{text}`")));
    };
    let mut steps = Vec::new();
    let (mut filtered, mut siblings, mut having) = (None, Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (segment, after) = segment(rest)?;
        match (segment, filtered.take()) {
            // What the filter chose has a member: the condition is about that one's siblings.
            (Segment::Step(step @ Step::Member(_)), Some(condition)) if after.is_empty() => {
                siblings.push(condition);
                steps.push(step);
            }
            (_, Some(_)) => {
                let help = "end the path with the filter, or with one name after it";
                return Err(fault(NotSupported, format!("`{rest}` after a filter is not supported"), help));
            }
            (Segment::Step(step), None) => steps.push(step),
            (Segment::Filter { deep, name, value }, None) => {
                steps.push(if deep { Step::DeepEach } else { Step::Each });
                filtered = Some((name, value));
            }
        }
        rest = after;
    }
    having.extend(filtered);
    Ok(Selector { siblings, having, ..Selector::new(Anchor::Root, vec![steps]) })
}

/// One step, and what follows it.
fn segment(text: &str) -> Result<(Segment, &str), Fault> {
    let malformed = || {
        let help = "write `.name`, `['name']`, `[*]`, `[0]`, `[1:3]`, `[?@.name=='value']` or `..name`";
        fault(Invalid, format!("`{text}` is not a step of a JSONPath"), help)
    };
    let (deep, rest) = match (text.strip_prefix(".."), text.strip_prefix('.')) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) if !rest.starts_with('[') => (false, rest),
        (None, None) if text.starts_with('[') => (false, text),
        _ => return Err(malformed()),
    };
    let named = |name: &str| Segment::Step(if deep { Step::Deep(name.into()) } else { Step::Member(name.into()) });
    let each = || Segment::Step(if deep { Step::DeepEach } else { Step::Each });
    if let Some(rest) = rest.strip_prefix('*') {
        return Ok((each(), rest));
    }
    let Some(inside) = rest.strip_prefix('[') else {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let (name, after) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(malformed());
        }
        return Ok((named(name), after));
    };
    let inside = inside.trim_start();
    let (segment, after) = match inside.chars().next() {
        Some('*') => (each(), inside.strip_prefix('*').unwrap_or_default()),
        Some('\'' | '"') => {
            let (name, after) = quoted(inside)?;
            (named(name), after)
        }
        Some('?') => filter(inside, deep)?,
        Some('0'..='9' | ':' | '-') if !deep => elements(inside)?,
        _ => return Err(malformed()),
    };
    let after = after.trim_start();
    if after.starts_with(',') {
        let help = "write a rule for each";
        return Err(fault(NotSupported, "several selectors in one pair of brackets are not supported", help));
    }
    Ok((segment, after.strip_prefix(']').ok_or_else(malformed)?))
}

/// `'name'` with either quote; escapes are left for names that nobody has.
fn quoted(text: &str) -> Result<(&str, &str), Fault> {
    let not_supported =
        || fault(NotSupported, format!("`[{text}` is not supported"), "write a name in quotes, without a backslash");
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or_else(not_supported)?;
    let (name, rest) = text.strip_prefix(quote).and_then(|text| text.split_once(quote)).ok_or_else(not_supported)?;
    if name.contains('\\') { Err(not_supported()) } else { Ok((name, rest)) }
}

/// `0` or `1:3`, either side of which may be left out.
fn elements(text: &str) -> Result<(Segment, &str), Fault> {
    let not_supported = || {
        let help = "write an index from 0 on, or a slice `[from:to]`: a stream does not know how long an array is";
        fault(NotSupported, format!("`[{text}` is not supported"), help)
    };
    let (inside, _) = text.split_once(']').ok_or_else(not_supported)?;
    let after = text.strip_prefix(inside).unwrap_or_default();
    let number = |text: &str, absent: usize| match text.trim() {
        "" => Ok(absent),
        // RFC 9535 has no leading zeros.
        text if text.len() > 1 && text.starts_with('0') => Err(not_supported()),
        text => text.parse::<u32>().map(|number| number as usize).map_err(|_| not_supported()),
    };
    let step = match inside.split(':').collect::<Vec<_>>().as_slice() {
        [index] => {
            let index = number(index, usize::MAX)?;
            Step::Elements(index, index.saturating_add(1))
        }
        [from, to] | [from, to, "" | "1"] => Step::Elements(number(from, 0)?, number(to, usize::MAX)?),
        _ => return Err(not_supported()),
    };
    Ok((Segment::Step(step), after))
}

/// `?@.name=='value'`, in parentheses or not.
fn filter(text: &str, deep: bool) -> Result<(Segment, &str), Fault> {
    let not_supported = || {
        let help = "compare one member with a literal: `[?@.name=='value']`; for more, write `where` or `having`";
        fault(NotSupported, format!("the filter `[{text}` is not supported"), help)
    };
    let rest = text.strip_prefix('?').unwrap_or(text).trim_start();
    let (rest, closing) = rest.strip_prefix('(').map_or((rest, None), |rest| (rest.trim_start(), Some(')')));
    let rest = rest.strip_prefix('@').ok_or_else(not_supported)?;
    let (Segment::Step(Step::Member(name)), rest) = segment(rest).map_err(|_| not_supported())? else {
        return Err(not_supported());
    };
    let rest = rest.trim_start().strip_prefix("==").ok_or_else(not_supported)?.trim_start();
    let (value, rest) = if rest.starts_with(['\'', '"']) {
        let (value, rest) = quoted(rest).map_err(|_| not_supported())?;
        (Value::from(value), rest)
    } else {
        let (literal, rest) = rest.split_at(rest.find([']', ')', ' ']).unwrap_or(rest.len()));
        let value: Value = serde_json::from_str(literal).map_err(|_| not_supported())?;
        (value, rest)
    };
    let rest = rest.trim_start();
    let rest = match closing {
        Some(closing) => rest.strip_prefix(closing).ok_or_else(not_supported)?,
        None => rest,
    };
    if !rest.trim_start().starts_with(']') {
        return Err(not_supported());
    }
    Ok((Segment::Filter { deep, name: name.into(), value }, rest))
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn a_json_path_is_read_step_by_step() {
        for (text, expected) in [
            ("$", ""),
            ("$.members[*].ssn", ".members.*.ssn"),
            ("$..ssn", "..ssn"),
            ("$['a b'][\"c'd\"]..['é'].é_1", ".a b.c'd..é.é_1"),
            ("$..*", "..*"),
            ("$..[*].*", "..*.*"),
            ("$.a[0].b", ".a[0:1].b"),
            ("$.a[1:3]", ".a[1:3]"),
            ("$.a[2:][:2]", ".a[2:][0:2]"),
            ("$.a[?@.b=='c']", ".a.* having b=\"c\""),
            ("$.a[?(@['b c'] == 1.5)]", ".a.* having b c=1.5"),
            ("$..[?@.b==true]", "..* having b=true"),
            ("$.a[?@.b==null].c", ".a.*.c where b=null"),
        ] {
            assert_eq!(written(read(text)), expected, "{text}");
        }
        for text in [
            "",
            "a",
            "$a",
            "$.",
            "$.1",
            "$.a.",
            "$..",
            "$[a]",
            "$[-1]",
            "$[01]",
            "$[1:-1]",
            "$[::2]",
            "$..[0]",
            "$[?@.a]",
            "$[?@.a!='b']",
            "$[?@.a=='b' && @.c=='d']",
            "$[?@.a.b=='c']",
            "$[?@.a=='b'].c.d",
            "$[?@.a=='b'][0]",
            "$['a','b']",
            "$['a'",
            "$.a b",
            "$[?length(@.a)==1]",
            "$[?$.a=='b']",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
