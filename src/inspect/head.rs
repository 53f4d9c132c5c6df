//! What of a request's head is judged: path, query, cookies, and headers that say something.

use super::judge::{Inspection, OverBudget, Place};
use super::rule::Target;
use crate::http::Headers;
use crate::http::multipart::Part;
use crate::http::query::{self, QueryError};

/// Headers that are no text for anybody to interpret: credentials, which are verified or hashed and not kept; what Envoy
/// wrote or reads itself; and lists of a grammar of their own, full of quotes and semicolons.
const NOT_INSPECTED: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "baggage",
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "date",
    "dpop",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "priority",
    "proxy-authorization",
    "range",
    "signature",
    "signature-input",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "x-forwarded-client-cert",
    "x-request-id",
];

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

/// Whether a header of this name, in lower case, is judged.
#[must_use]
pub fn is_inspected_header(name: &[u8]) -> bool {
    let is_listed = std::str::from_utf8(name).is_ok_and(|name| NOT_INSPECTED.binary_search(&name).is_ok());
    !is_listed && ![&b":"[..], b"x-envoy-", b"sec-", b"access-control-"].iter().any(|prefix| name.starts_with(prefix))
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
        } else if is_inspected_header(name) {
            let name = std::str::from_utf8(name).map_or(Place::Unnamed, Place::Named);
            inspection.value(Target::Header, name, value)?;
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
    for pair in query::pairs(raw) {
        let (name, value) = pair?;
        inspection.value(names, Place::Named(&name), name.as_bytes())?;
        inspection.value(values, Place::Named(&name), value.as_bytes())?;
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
        assert!(NOT_INSPECTED.is_sorted());
        for name in ["user-agent", "referer", "x-forwarded-for", "x-note", "content-type", "origin"] {
            assert!(is_inspected_header(name.as_bytes()), "{name}");
        }
        for name in ["authorization", ":path", "sec-ch-ua", "x-envoy-peer", "cookie"] {
            assert!(!is_inspected_header(name.as_bytes()), "{name}");
        }
    }
}
