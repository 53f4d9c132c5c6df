//! Queries and forms as name and value pairs (`application/x-www-form-urlencoded`), read strictly.
//!
//! `&` separates pairs, the first `=` name from value, `+` is a space. Refused is what two readers could read in two
//! ways: bytes that have to be escaped, a plain `;` (a separator to some), malformed escapes, escapes that do not add up
//! to UTF-8, NUL, and a pair without a name. Order and repetition are kept.

use std::borrow::Cow;

use super::percent::{self, Undecodable};

/// Why a query or form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// A byte that has to be escaped.
    Character,
    /// A plain `;`.
    Semicolon,
    /// `%` without two hexadecimal digits.
    Escape,
    /// Escapes that do not add up to UTF-8.
    Utf8,
    /// NUL.
    Nul,
    /// A pair without a name.
    Nameless,
}

impl From<Undecodable> for QueryError {
    fn from(error: Undecodable) -> Self {
        match error {
            Undecodable::Escape => Self::Escape,
            Undecodable::Utf8 => Self::Utf8,
        }
    }
}

/// The pairs of a query or a form, decoded.
pub fn pairs(raw: &[u8]) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), QueryError>> {
    raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        if !pair.iter().all(u8::is_ascii_graphic) {
            return Err(QueryError::Character);
        }
        if pair.contains(&b';') {
            return Err(QueryError::Semicolon);
        }
        let pair = std::str::from_utf8(pair).map_err(|_| QueryError::Character)?;
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (percent::decode(name, true)?, percent::decode(value, true)?);
        match (&*name, &*value) {
            ("", _) => Err(QueryError::Nameless),
            (name, value) if name.contains('\0') || value.contains('\0') => Err(QueryError::Nul),
            _ => Ok((name, value)),
        }
    })
}

/// One value of a query or a form, decoded.
pub fn decode(raw: &str) -> Result<Cow<'_, str>, QueryError> {
    Ok(percent::decode(raw, true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<Vec<(String, String)>, QueryError> {
        pairs(raw.as_bytes()).map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned()))).collect()
    }

    #[test]
    fn pairs_are_decoded_in_order() {
        let expected = [("a b", "c=d"), ("a b", ""), ("é", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read("a+b=c=d&&%61%20b&%C3%A9=&"), Ok(expected.to_vec()));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (raw, error) in [
            ("a=1;b=2", QueryError::Semicolon),
            ("a=%", QueryError::Escape),
            ("a=%4", QueryError::Escape),
            ("a=%zz", QueryError::Escape),
            ("a=%c0%ae", QueryError::Utf8),
            ("a=%00", QueryError::Nul),
            ("a%00=1", QueryError::Nul),
            ("=1", QueryError::Nameless),
            ("a=é", QueryError::Character),
            ("a= 1", QueryError::Character),
            ("a=1\n", QueryError::Character),
        ] {
            assert_eq!(read(raw), Err(error), "{raw}");
        }
    }
}
