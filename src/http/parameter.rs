//! One named parameter of a query: found, and cut out without touching the rest.
//!
//! A name that some reader could take for the one that is looked for, and another could not, is found as misspelt:
//! written in another case, between white space, before a NUL, or in a pair that `;` ends (a separator to some). Who
//! looks for a credential refuses it; who cuts one out cuts those spellings, too.

use std::borrow::Cow;

use super::percent;

/// Why no single value could be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The name stands twice.
    Repeated,
    /// A name that some readers take for this one, and others do not.
    Misspelt,
}

/// The value of the parameter of this name, as it is written; of a name without `=` nothing.
pub fn find<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, Unclear> {
    let mut found = None;
    for pair in query.split('&') {
        let mut parts = pair.split(';').map(|part| part.split_once('=').unwrap_or((part, "")));
        if !parts.clone().any(|(own, _)| reads_as(own.as_bytes(), name)) {
            continue;
        }
        let (own, value) = match (parts.next(), parts.next()) {
            (Some(only), None) => only,
            _ => return Err(Unclear::Misspelt),
        };
        if percent::decode(own, true).as_deref() != Ok(name) {
            return Err(Unclear::Misspelt);
        }
        if found.replace(value).is_some() {
            return Err(Unclear::Repeated);
        }
    }
    Ok(found)
}

/// The query without the parameters of these names, in every spelling; `None` where it has none of them.
#[must_use]
pub fn without(query: &str, names: &[&str]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let is_unwanted = |part: &str| {
        let own = part.split('=').next().unwrap_or_default();
        names.iter().any(|name| reads_as(own.as_bytes(), name))
    };
    let mut kept = String::with_capacity(query.len());
    let (mut cut, mut begun) = (false, false);
    // Each part with the separator that ends it, if one does.
    for part in query.split_inclusive(['&', ';']) {
        let (part, separator) = match part.strip_suffix(['&', ';']) {
            Some(content) => (content, part.get(content.len()..).unwrap_or_default()),
            None => (part, ""),
        };
        if is_unwanted(part) {
            cut = true;
            // What comes next is a pair of its own, and stays one.
            if separator == "&" && kept.ends_with(';') {
                kept.pop();
                kept.push('&');
            }
            continue;
        }
        kept.push_str(part);
        kept.push_str(separator);
        begun = true;
    }
    if !cut {
        return None;
    }
    // What was cut from the end took its own end with it, and leaves the separator before it.
    let ended = query.ends_with(['&', ';']);
    if begun && !ended && kept.ends_with(['&', ';']) {
        kept.pop();
    }
    Some(kept)
}

/// Whether some reader could take what is `written` for this name.
pub(super) fn reads_as(written: &[u8], name: &str) -> bool {
    let read = loosely_decoded(written);
    let end = read.iter().position(|byte| *byte == 0).unwrap_or(read.len());
    read.get(..end).unwrap_or_default().trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

/// What is written, as a reader decodes it who leaves alone what is no escape.
fn loosely_decoded(written: &[u8]) -> Cow<'_, [u8]> {
    if !written.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(written);
    }
    let mut decoded = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match (byte, percent::escape(after)) {
            (b'%', Some(escaped)) => {
                rest = after.get(2..).unwrap_or_default();
                escaped
            }
            (b'+', _) => b' ',
            _ => *byte,
        });
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_as_it_is_written() {
        for (query, value) in [
            ("token=a", Some("a")),
            ("x=1&token=a%20b=c&y", Some("a%20b=c")),
            ("%74oke%6E=a", Some("a")),
            ("token", Some("")),
            ("tokens=a&xtoken=b&x=token&token%3D=c&100%=x&to+ken=y", None),
            ("", None),
        ] {
            assert_eq!(find(query, "token"), Ok(value), "{query}");
        }
    }

    #[test]
    fn what_two_readers_read_in_two_ways_is_unclear() {
        for query in ["token=a&token=a", "token=a&%74oken=b", "token&x&token=a"] {
            assert_eq!(find(query, "token"), Err(Unclear::Repeated), "{query}");
        }
        for query in [
            "Token=a",
            "x=1&TOKEN=a&token=b",
            "token%00x=a",
            "+token=a",
            "token%20=a",
            "token%0A=a",
            "x=1;token=a",
            "token=a;x=1",
            "token=a;",
            "token=good&x=1;%54oken=evil",
        ] {
            assert_eq!(find(query, "token"), Err(Unclear::Misspelt), "{query}");
        }
    }

    #[test]
    fn the_rest_of_a_query_stays_as_it_is() {
        for (query, left) in [
            ("token=a", Some("")),
            ("token=a&x=%2f&y", Some("x=%2f&y")),
            ("x=%2f&token=a&y", Some("x=%2f&y")),
            ("x=%2f&y&token=a", Some("x=%2f&y")),
            ("x&&token=a&&y&", Some("x&&&y&")),
            ("token=a&token=b&%54OKEN=c&x&+token%00=d", Some("x")),
            ("x=1;token=a;y=2&z", Some("x=1;y=2&z")),
            ("x=1;token=a&z", Some("x=1&z")),
            ("token", Some("")),
            ("token=a&", Some("")),
            ("x=token&tokens=a", None),
            ("", None),
        ] {
            assert_eq!(without(query, &["token"]).as_deref(), left, "{query}");
        }
        assert_eq!(without("a=1&b=2&c=3", &["a", "c"]).as_deref(), Some("b=2"));
        assert_eq!(without("a=1", &[]), None);
    }

    #[test]
    fn nothing_is_left_to_find() {
        for query in ["token=a&token=b", "x;token=a", "Token=a&b;TOKEN", "%74%6f%6b%65%6e=1&&token"] {
            assert_eq!(find(&without(query, &["token"]).unwrap(), "token"), Ok(None), "{query}");
        }
    }
}
