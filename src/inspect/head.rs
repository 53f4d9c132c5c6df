//! What of a request's head is judged: path, query, cookies, and headers that say something.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::judge::{Inspection, Nature, OverBudget, Place};
use super::rule::Target;
use crate::http::Headers;
use crate::http::multipart::Part;
use crate::http::query::{self, QueryError};

/// Headers that are not judged: credentials, which are verified or hashed and not kept, and what was checked already.
const NOT_INSPECTED: &[&str] = &[
    "authorization",
    "content-length",
    "cookie",
    "dpop",
    "host",
    "proxy-authorization",
    "signature",
    "transfer-encoding",
    "x-forwarded-client-cert",
];

/// Headers with lists of a grammar of their own.
const OF_GRAMMAR: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "baggage",
    "cache-control",
    "connection",
    "date",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "priority",
    "range",
    "signature-input",
    "te",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// The same, by how their names begin.
const OF_GRAMMAR_TOO: &[&str] = &["access-control-", "sec-", "x-envoy-"];

/// Why a part of a request could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    /// It needs more work than it may.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// It cannot be read in one way.
    #[error("the query or form cannot be read")]
    Unreadable,
}

impl From<QueryError> for Unjudged {
    fn from(_: QueryError) -> Self {
        Self::Unreadable
    }
}

/// What the value of a header of this name, in lower case, is; nothing where it is not judged.
fn nature_of(name: &[u8]) -> Option<Nature> {
    let Ok(name) = std::str::from_utf8(name) else { return Some(Nature::Text) };
    if name.starts_with(':') || NOT_INSPECTED.binary_search(&name).is_ok() {
        return None;
    }
    let has_grammar =
        OF_GRAMMAR.binary_search(&name).is_ok() || OF_GRAMMAR_TOO.iter().any(|prefix| name.starts_with(prefix));
    Some(if has_grammar { Nature::Grammar } else { Nature::Text })
}

/// Judges a head: `:path` as it came, cookies, headers.
pub fn judge_head(inspection: &mut Inspection<'_>, head: &Headers) -> Result<(), Unjudged> {
    for target in head.all(":path") {
        let mut parts = target.splitn(2, |byte| *byte == b'?');
        judge_path(inspection, parts.next().unwrap_or_default())?;
        if let Some(query) = parts.next() {
            judge_query(inspection, query, Target::QueryName, Target::Query)?;
        }
    }
    for (name, value) in head.iter() {
        if name == b"cookie" {
            judge_cookies(inspection, value)?;
        } else if name == b"if-none-exist" {
            // R4, http.html#ccreate: a query.
            judge_query(inspection, value, Target::QueryName, Target::Query)?;
        } else if let Some(nature) = nature_of(name) {
            let name = std::str::from_utf8(name).map_or(Place::Unnamed, Place::Named);
            inspection.judge(Target::Header, name, value, &|| nature)?;
        }
    }
    Ok(())
}

/// Segments are judged too: what stands before one hides what it begins with.
fn judge_path(inspection: &mut Inspection<'_>, path: &[u8]) -> Result<(), Unjudged> {
    inspection.value(Target::Path, Place::Unnamed, path)?;
    for segment in path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
        inspection.value(Target::Path, Place::Unnamed, segment)?;
    }
    Ok(())
}

/// Judges a query or a form, whose names and values are these targets.
pub fn judge_query(inspection: &mut Inspection<'_>, raw: &[u8], names: Target, values: Target) -> Result<(), Unjudged> {
    let mut all: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
    for pair in query::pairs(raw) {
        let (name, value) = pair?;
        inspection.value(names, Place::Named(&name), name.as_bytes())?;
        inspection.value(values, Place::Named(&name), value.as_bytes())?;
        all.entry(name).or_default().push(value);
    }
    // Some servers join what stands under one name.
    for (name, parts) in all.iter().filter(|(_, parts)| parts.len() > 1) {
        inspection.value(values, Place::Named(name), parts.join(",").as_bytes())?;
    }
    Ok(())
}

/// Judges the names of a part of a body, and its content where that is a text.
pub fn judge_part(inspection: &mut Inspection<'_>, part: &Part<'_>, is_text: bool) -> Result<(), OverBudget> {
    let place = Place::Named(part.name);
    inspection.value(Target::FormName, place, part.name.as_bytes())?;
    if let Some(file_name) = part.file_name {
        inspection.value(Target::Form, place, file_name.as_bytes())?;
    }
    if is_text { inspection.value(Target::Form, place, part.content) } else { Ok(()) }
}

/// RFC 6265 section 4.2, leniently: whatever stands between semicolons is a cookie.
fn judge_cookies(inspection: &mut Inspection<'_>, cookies: &[u8]) -> Result<(), Unjudged> {
    for cookie in cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|cookie| !cookie.is_empty()) {
        let mut parts = cookie.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let place = std::str::from_utf8(name).map_or(Place::Unnamed, Place::Named);
        inspection.value(Target::CookieName, place, name)?;
        inspection.value(Target::Cookie, place, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_say_something_are_judged() {
        assert!(NOT_INSPECTED.is_sorted() && OF_GRAMMAR.is_sorted());
        for name in ["user-agent", "referer", "x-forwarded-for", "x-note", "content-type", "origin"] {
            assert_eq!(nature_of(name.as_bytes()), Some(Nature::Text), "{name}");
        }
        for name in ["accept", "if-none-match", "tracestate", "sec-ch-ua", "x-envoy-peer"] {
            assert_eq!(nature_of(name.as_bytes()), Some(Nature::Grammar), "{name}");
        }
        for name in ["authorization", ":path", "cookie"] {
            assert_eq!(nature_of(name.as_bytes()), None, "{name}");
        }
    }
}
