//! Percent-encoding (RFC 3986 section 2.1), read strictly: a `%` that two hexadecimal digits do not follow is an error,
//! and so is what does not decode to UTF-8.

use std::borrow::Cow;

/// Why a text could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// `%` without two hexadecimal digits.
    Escape,
    /// The bytes meant are not UTF-8.
    Utf8,
}

/// The byte that `%` followed by `rest` means.
pub(super) fn escape(rest: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let [high, low, ..] = rest else { return None };
    Some((digit(high)? << 4) | digit(low)?)
}

/// The text meant. With `plus`, `+` means a space, as in forms.
pub(super) fn decode(text: &str, plus: bool) -> Result<Cow<'_, str>, Undecodable> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match byte {
            b'+' if plus => b' ',
            b'%' => {
                rest = after.get(2..).unwrap_or_default();
                escape(after).ok_or(Undecodable::Escape)?
            }
            other => *other,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Undecodable::Utf8)
}
