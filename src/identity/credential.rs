//! A credential as it stands in a request, and its shape there.
//!
//! In a header it follows a scheme where the provider has one (RFC 6750 section 2.1 for `Bearer`: in any case, one or
//! more spaces), else it stands alone. In a query it is decoded once, in a cookie never. Everything that two readers
//! could take for two credentials, or for two different ones, is refused: a place that holds two (a host that returns
//! the first would hide the second), a list in one, white space, controls, bytes outside of ASCII, a parameter or cookie
//! whose name some readers take for the provider's and others do not.

use std::borrow::Cow;

use super::place::Place;
use crate::http::parameter::Unclear;
use crate::http::{Headers, cookie, parameter, query};
use crate::identity::Refusal;

/// The longest credential accepted, in bytes. It bounds the hashing and parsing that a caller nobody knows can ask for.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// The credential in this place of a request, if there is one. A certificate is none of its head.
pub(super) fn read<'h>(headers: &'h Headers, place: &Place) -> Result<Option<Cow<'h, str>>, Refusal> {
    match place {
        Place::Header { name, scheme } => {
            let Some(value) = headers.single(name).map_err(|_| Refusal::Repeated)? else { return Ok(None) };
            let credential = scheme.as_deref().map_or(Ok(value), |scheme| after_scheme(value, scheme))?;
            plain(credential, |_| true).map(|text| Some(Cow::Borrowed(text)))
        }
        Place::Query(name) => in_query(headers, name),
        Place::Cookie(name) => {
            let Some(value) = cookie::find(headers, name).map_err(unclear)? else { return Ok(None) };
            // RFC 6265 section 4.1.1: some readers take quotes and backslashes for what they are not.
            plain(value, |byte| !matches!(byte, b'"' | b'\\')).map(|text| Some(Cow::Borrowed(text)))
        }
        Place::Certificate => Ok(None),
    }
}

fn in_query<'h>(headers: &'h Headers, name: &str) -> Result<Option<Cow<'h, str>>, Refusal> {
    let path = headers.single(":path").map_err(|_| Refusal::Repeated)?.unwrap_or_default();
    let path = std::str::from_utf8(path).map_err(|_| Refusal::Malformed)?;
    let Some((_, written)) = path.split_once('?') else { return Ok(None) };
    let Some(value) = parameter::find(written, name).map_err(unclear)? else { return Ok(None) };
    let value = query::decode(value).map_err(|_| Refusal::Malformed)?;
    plain(value.as_bytes(), |_| true)?;
    Ok(Some(value))
}

fn unclear(unclear: Unclear) -> Refusal {
    match unclear {
        Unclear::Repeated => Refusal::Repeated,
        Unclear::Misspelt => Refusal::Malformed,
    }
}

/// The credential as text, if it looks like one and holds only what may stand in its place.
fn plain(credential: &[u8], may_stand: impl Fn(u8) -> bool) -> Result<&str, Refusal> {
    if credential.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    // No early end, so that the compiler looks at many bytes at once.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() & (*byte != b',') & may_stand(*byte);
    let plain = !credential.is_empty() && credential.iter().fold(true, |plain, byte| plain & is_plain(byte));
    // Graphic ASCII is UTF-8.
    std::str::from_utf8(credential).ok().filter(|_| plain).ok_or(Refusal::Malformed)
}

fn after_scheme<'v>(value: &'v [u8], expected: &str) -> Result<&'v [u8], Refusal> {
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case(expected.as_bytes()) {
        return Err(Refusal::Scheme);
    }
    let start = rest.iter().position(|byte| *byte != b' ').ok_or(Refusal::Malformed)?;
    rest.get(start..).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, values: &[&[u8]]) -> Result<Option<String>, Refusal> {
        let scheme = (name == "authorization").then(|| "bearer".into());
        in_place(name, values, &Place::Header { name: name.into(), scheme })
    }

    fn in_place(name: &str, values: &[&[u8]], place: &Place) -> Result<Option<String>, Refusal> {
        let headers = Headers::from_pairs(values.iter().map(|value| (name, value)));
        read(&headers, place).map(|found| found.map(Cow::into_owned))
    }

    fn in_query(path: &[u8]) -> Result<Option<String>, Refusal> {
        in_place(":path", &[path], &Place::Query("key".into()))
    }

    fn in_cookie(values: &[&[u8]]) -> Result<Option<String>, Refusal> {
        in_place("cookie", values, &Place::Cookie("key".into()))
    }

    #[test]
    fn a_token_follows_bearer() {
        for value in ["Bearer a.b-c_d~e+f/g==", "bearer  a.b-c_d~e+f/g==", "BEARER a.b-c_d~e+f/g=="] {
            assert_eq!(found("authorization", &[value.as_bytes()]), Ok(Some("a.b-c_d~e+f/g==".to_owned())));
        }
        assert_eq!(found("x-api-key", &[b"k1"]), Ok(Some("k1".to_owned())));
        assert_eq!(found("x-api-key", &[]), Ok(None));
    }

    #[test]
    fn another_scheme_is_no_token() {
        for value in [&b"Basic dTpw"[..], b"Bearer\ta", b"Bearera", b" Bearer a", b"a.b.c", b"", b"\xff"] {
            assert_eq!(found("authorization", &[value]), Err(Refusal::Scheme), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn what_could_be_two_credentials_is_none() {
        assert_eq!(found("x-api-key", &[b"a", b"a"]), Err(Refusal::Repeated));
        assert_eq!(found("authorization", &[b"Basic x", b"Bearer a"]), Err(Refusal::Repeated));
        for value in [&b"a,b"[..], b"a, b", b"a b", b" a", b"a ", b"a\t", b"", b"\x00", b"a\x7f", b"\xc3\xa9", b"\xff"] {
            assert_eq!(found("x-api-key", &[value]), Err(Refusal::Malformed), "{}", String::from_utf8_lossy(value));
            let bearer = [b"Bearer ", value].concat();
            let expected = if value == b" a" { Ok(Some("a".to_owned())) } else { Err(Refusal::Malformed) };
            assert_eq!(found("authorization", &[&bearer]), expected, "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(found("authorization", &[b"Bearer"]), Err(Refusal::Malformed));
        assert_eq!(found("authorization", &[b"Bearer a, Bearer b"]), Err(Refusal::Malformed));
    }

    #[test]
    fn a_credential_past_the_limit_is_refused() {
        assert!(found("x", &[&[b'a'; MAX_LENGTH]]).is_ok());
        assert_eq!(found("x", &[&[b'a'; MAX_LENGTH + 1]]), Err(Refusal::TooLong));
    }

    #[test]
    fn a_provider_may_have_a_scheme_of_its_own() {
        let place = Place::Header { name: "x-auth".into(), scheme: Some("token".into()) };
        let found = |value: &[u8]| in_place("x-auth", &[value], &place);
        for value in [&b"Token k1"[..], b"token  k1", b"TOKEN k1"] {
            assert_eq!(found(value), Ok(Some("k1".to_owned())));
        }
        for value in [&b"Bearer k1"[..], b"k1", b"Token\tk1", b"Tokenk1", b"\"Token\" k1"] {
            assert_eq!(found(value), Err(Refusal::Scheme));
        }
        assert_eq!(found(b"Token k1 k2"), Err(Refusal::Malformed));
        assert_eq!(found(b"Token"), Err(Refusal::Malformed));
    }

    #[test]
    fn a_credential_in_the_query_is_decoded_once() {
        for (path, credential) in [
            (&b"/a?key=k1"[..], Some("k1")),
            (b"/a?x=1&key=a%2Bb%3d%3D", Some("a+b==")),
            (b"/a?%6Bey=%256B", Some("%6B")),
            (b"/a?key=a?b=c", Some("a?b=c")),
            (b"/a?keys=k1", None),
            (b"/a/key=k1", None),
            (b"/a", None),
        ] {
            assert_eq!(in_query(path), Ok(credential.map(str::to_owned)), "{}", String::from_utf8_lossy(path));
        }
        for path in [&b"/a?key=a&key=a"[..], b"/a?key=a&%6bey=b", b"/a?key=a&x&key"] {
            assert_eq!(in_query(path), Err(Refusal::Repeated), "{}", String::from_utf8_lossy(path));
        }
        for query in [
            "key=",
            "key",
            "key=a+b",
            "key=a%20b",
            "key=a,b",
            "key=a%2cb",
            "key=a%00",
            "key=%C3%A9",
            "key=%",
            "key=%ff",
            "KEY=a",
            "key=a&Key=b",
            "+key=a",
            "key%00=a",
            "key=a;x=1",
            "x=1;key=a",
            "key=a&x=1;key=b",
        ] {
            assert_eq!(in_query(format!("/a?{query}").as_bytes()), Err(Refusal::Malformed), "{query}");
        }
        assert!(in_query(&[b"/a?key=", &[b'a'; MAX_LENGTH][..]].concat()).is_ok());
        assert_eq!(in_query(&[b"/a?key=", &[b'a'; MAX_LENGTH + 1][..]].concat()), Err(Refusal::TooLong));
    }

    #[test]
    fn a_credential_in_a_cookie_is_not_decoded() {
        for (fields, credential) in [
            (&[&b"key=k1"[..]][..], Some("k1")),
            (&[b"x=1; key=%6B1=; y"], Some("%6B1=")),
            (&[b"x=1", b"key=k1"], Some("k1")),
            (&[b"keys=k1"], None),
            (&[], None),
        ] {
            assert_eq!(in_cookie(fields), Ok(credential.map(str::to_owned)));
        }
        for fields in [&[&b"key=a; key=a"[..]][..], &[b"key=a", b"key=a"], &[b"x; key=a", b"y", b"key=b; z"]] {
            assert_eq!(in_cookie(fields), Err(Refusal::Repeated));
        }
        for field in [
            &b"key="[..],
            b"key",
            b"key=\"a\"",
            b"key=a\\b",
            b"key=a,b",
            b"key=a b",
            b"key= a",
            b"key =a",
            b"KEY=a",
            b"key=a; Key=b",
            b"k%65y=a",
            b"x=1,key=a",
            b"key=\xc3\xa9",
            b"key=\xff",
        ] {
            assert_eq!(in_cookie(&[field]), Err(Refusal::Malformed), "{}", String::from_utf8_lossy(field));
        }
        assert_eq!(in_cookie(&[&[b"key=", &[b'a'; MAX_LENGTH + 1][..]].concat()]), Err(Refusal::TooLong));
    }
}
