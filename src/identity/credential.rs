//! Where a credential stands in a request, and its shape there.
//!
//! In `authorization` it follows `Bearer` (RFC 6750 section 2.1: the scheme in any case, one or more spaces), in any
//! other header it stands alone. Everything that two readers could take for two credentials, or for two different ones,
//! is refused: a header that stands twice (a host that returns the first would hide the second), a list in one header,
//! white space, controls, bytes outside of ASCII.

use crate::http::Headers;
use crate::identity::Refusal;

/// The longest credential accepted, in bytes. It bounds the hashing and parsing that a caller nobody knows can ask for.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// The credential in the header of this name, if the header is there.
pub(super) fn read<'h>(headers: &'h Headers, name: &str) -> Result<Option<&'h str>, Refusal> {
    let Some(value) = headers.single(name).map_err(|_| Refusal::Repeated)? else { return Ok(None) };
    let credential = if name == "authorization" { after_bearer(value)? } else { value };
    if credential.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    // No early end, so that the compiler looks at many bytes at once.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() & (*byte != b',');
    let plain = !credential.is_empty() && credential.iter().fold(true, |plain, byte| plain & is_plain(byte));
    // Graphic ASCII is UTF-8.
    let text = std::str::from_utf8(credential).ok().filter(|_| plain);
    text.map(Some).ok_or(Refusal::Malformed)
}

fn after_bearer(value: &[u8]) -> Result<&[u8], Refusal> {
    const SCHEME: &[u8] = b"bearer";
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Refusal::Scheme);
    }
    let start = rest.iter().position(|byte| *byte != b' ').ok_or(Refusal::Malformed)?;
    rest.get(start..).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, values: &[&[u8]]) -> Result<Option<String>, Refusal> {
        let headers = Headers::from_pairs(values.iter().map(|value| (name, value)));
        read(&headers, name).map(|found| found.map(str::to_owned))
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
}
