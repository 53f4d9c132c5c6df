//! One named cookie of the `cookie` fields of a request (RFC 6265 section 4.2): found, and cut out without touching the
//! rest.
//!
//! HTTP/2 may send each cookie in a field of its own (RFC 9113 section 8.2.3); all fields together are one list. Values
//! are never decoded. A name that some reader could take for the one that is looked for, and another could not, is found
//! as misspelt: in another case, in escapes, next to white space, or behind a comma (a separator to some).

use super::Headers;
use super::parameter::{Unclear, reads_as};

const FIELD: &str = "cookie";

/// The value of the cookie of this name; of a name without `=` nothing.
pub fn find<'h>(headers: &'h Headers, name: &str) -> Result<Option<&'h [u8]>, Unclear> {
    let mut found = None;
    for cookie in headers.all(FIELD).flat_map(|field| field.split(|byte| *byte == b';')) {
        let behind_comma = |part: &[u8]| reads_as(name_of(part), name);
        if cookie.split(|byte| *byte == b',').skip(1).any(behind_comma) {
            return Err(Unclear::Misspelt);
        }
        let own = name_of(cookie);
        if !reads_as(own, name) {
            continue;
        }
        // White space stands between cookies, and nowhere else.
        if own.trim_ascii_start() != name.as_bytes() {
            return Err(Unclear::Misspelt);
        }
        let value = cookie.get(own.len()..).and_then(|rest| rest.strip_prefix(b"=")).unwrap_or_default();
        if found.replace(value).is_some() {
            return Err(Unclear::Repeated);
        }
    }
    Ok(found)
}

/// The cookies that are left without those of these names, in every spelling, as one field; `None` where there are none
/// of them.
#[must_use]
pub fn without(headers: &Headers, names: &[&str]) -> Option<Vec<u8>> {
    let is_unwanted = |cookie: &[u8]| {
        let reads = |part: &[u8]| names.iter().any(|name| reads_as(name_of(part), name));
        cookie.split(|byte| *byte == b',').any(reads)
    };
    let cookies = || headers.all(FIELD).map(|field| field.split(|byte| *byte == b';'));
    if names.is_empty() || !cookies().flatten().any(is_unwanted) {
        return None;
    }
    let mut left = Vec::new();
    for field in cookies() {
        for (index, cookie) in field.filter(|cookie| !is_unwanted(cookie)).enumerate() {
            match (index, left.is_empty()) {
                (_, true) => left.extend_from_slice(cookie.trim_ascii_start()),
                (0, false) => left.extend_from_slice(&[b"; ", cookie.trim_ascii_start()].concat()),
                (_, false) => left.extend_from_slice(&[b";", cookie].concat()),
            }
        }
    }
    Some(left)
}

fn name_of(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&str]) -> Headers {
        Headers::from_pairs(fields.iter().map(|value| ("cookie", value)))
    }

    #[test]
    fn a_cookie_is_found_in_whichever_field_it_stands() {
        for (fields, value) in [
            (&["sid=a"][..], Some("a")),
            (&["x=1; sid=a=b%20; y=2"], Some("a=b%20")),
            (&["x=1", "sid=a", "y=2"], Some("a")),
            (&["x=1;sid=a"], Some("a")),
            (&["sid"], Some("")),
            (&["xsid=a; sids=b; x=sid; x=\"sid\""], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(find(&headers(fields), "sid"), Ok(value.map(str::as_bytes)), "{fields:?}");
        }
    }

    #[test]
    fn what_two_readers_read_in_two_ways_is_unclear() {
        for fields in [&["sid=a; sid=a"][..], &["sid=a", "sid=b"], &["x=\"a; sid=b\"; sid=c"], &["sid; sid=a"]] {
            assert_eq!(find(&headers(fields), "sid"), Err(Unclear::Repeated), "{fields:?}");
        }
        for fields in [&["SID=a"][..], &["Sid=a; sid=b"], &["sid =a"], &["s%69d=a"], &["x=1,sid=a"], &["x=1", "y,\tsid=a"]]
        {
            assert_eq!(find(&headers(fields), "sid"), Err(Unclear::Misspelt), "{fields:?}");
        }
    }

    #[test]
    fn the_other_cookies_stay_as_they_are() {
        for (fields, left) in [
            (&["sid=a"][..], Some("")),
            (&["sid=a; x=%20;y=\"2\""], Some("x=%20;y=\"2\"")),
            (&["x=%20; sid=a;y=2"], Some("x=%20;y=2")),
            (&["x=%20;  y=2; sid=a"], Some("x=%20;  y=2")),
            (&["x=1", "sid=a", "y=2;  z=3"], Some("x=1; y=2;  z=3")),
            (&["sid=a", "SID=b; s%69d=c; sid =d"], Some("")),
            (&["x=1; y=2,sid=a"], Some("x=1")),
            (&["x=sid; sids=1"], None),
            (&[], None),
        ] {
            let found = without(&headers(fields), &["sid"]).map(|left| String::from_utf8(left).unwrap());
            assert_eq!(found.as_deref(), left, "{fields:?}");
        }
        assert_eq!(without(&headers(&["sid=a"]), &[]), None);
    }
}
