//! Whole bodies: one value, valid to the last byte, within limits, each key once in its object.
//!
//! [`walk`] shows what it reads to a visitor, one [`Event`] a value, so that others can look for what interests them
//! without a tree. The visitor sees events of a body that may be refused later: what it found counts only when `walk`
//! ends well.

use std::borrow::Cow;

use super::{Error, Framing, Lexer, Limits, SeenKeys, Token, unescape};

/// A value as it is met, containers first at their beginning and then at their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// How many containers it stands in: 0 for the root. A container's end has the depth of its beginning.
    pub depth: usize,
    /// The key it stands under, unescaped; `None` for the root and the elements of arrays. A container's end has the key
    /// of its beginning.
    pub key: Option<&'a str>,
    /// What it is.
    pub value: Value<'a>,
}

/// What an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An object begins.
    Object,
    /// An array begins.
    Array,
    /// The innermost container ends.
    End,
    /// A string, unescaped.
    String(&'a str),
    /// A number, as written.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// Checks a whole body.
pub fn check(body: &[u8], limits: &Limits) -> Result<(), Error> {
    walk(body, limits, |_| ())
}

/// Checks a whole body and shows each value to `visit`, in the order of the text.
pub fn walk(body: &[u8], limits: &Limits, mut visit: impl FnMut(Event<'_>)) -> Result<(), Error> {
    let mut lexer = Lexer::new(*limits, Framing::One);
    let mut seen = SeenKeys::new(limits.max_keys, body.len());
    // The key of each open container, which its end has again, and that of the value to come.
    let mut keys: Vec<Option<Cow<'_, str>>> = Vec::new();
    let mut key: Option<Cow<'_, str>> = None;
    loop {
        let token = match lexer.next(body)? {
            Some(token) => token,
            None => match lexer.finish()? {
                Some(token) => token,
                None => return Ok(()),
            },
        };
        let raw = lexer.text(token, body);
        let text;
        let value = match token {
            Token::Comma | Token::Newline => continue,
            Token::Key => {
                let name = text_of(raw)?;
                seen.insert(name.as_bytes())?;
                key = Some(name);
                continue;
            }
            Token::BeginObject => {
                seen.open();
                Value::Object
            }
            Token::BeginArray => Value::Array,
            Token::EndObject | Token::EndArray => {
                if token == Token::EndObject {
                    seen.close();
                }
                key = keys.pop().flatten();
                Value::End
            }
            Token::String if raw.len() > limits.max_string => return Err(Error::LongString),
            Token::String => {
                text = text_of(raw)?;
                Value::String(&text)
            }
            Token::Number => Value::Number(std::str::from_utf8(raw).map_err(|_| Error::Encoding)?),
            Token::True => Value::Bool(true),
            Token::False => Value::Bool(false),
            Token::Null => Value::Null,
        };
        let begins = matches!(value, Value::Object | Value::Array);
        let depth = lexer.depth().saturating_sub(usize::from(begins));
        visit(Event { depth, key: key.as_deref(), value });
        let own = key.take();
        if begins {
            keys.push(own);
        }
    }
}

fn text_of(raw: &[u8]) -> Result<Cow<'_, str>, Error> {
    match unescape(raw) {
        Cow::Borrowed(raw) => std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| Error::Encoding),
        Cow::Owned(text) => String::from_utf8(text).map(Cow::Owned).map_err(|_| Error::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(body: &str) -> Result<(), Error> {
        check(body.as_bytes(), &Limits { max_depth: 3, max_keys: 3, max_key: 4, max_string: 5, max_number: 6 })
    }

    #[test]
    fn each_limit_holds_on_both_sides() {
        for (within, beyond, error) in [
            ("[[[]]]", "[[[[]]]]", Error::TooDeep),
            (r#"{"a":{"b":1,"c":1,"d":1},"b":1}"#, r#"{"a":1,"b":1,"c":1,"d":1}"#, Error::TooManyKeys),
            (r#"{"abcd":1}"#, r#"{"abcde":1}"#, Error::LongKey),
            (r#"["12345"]"#, r#"["123456"]"#, Error::LongString),
            ("[-1.2e3]", "[-1.2e34]", Error::LongNumber),
            ("123456", "1234567", Error::LongNumber),
            (r#"{"n":{"n":1}}"#, r#"{"n":1,"\n":1,"n":1}"#, Error::RepeatedKey),
            (" 1 ", "1 1", Error::Trailing),
            ("[]", "", Error::Unfinished),
            ("[1]", "[1", Error::Unfinished),
            (r#""é""#, r#""\ud800""#, Error::Encoding),
        ] {
            assert_eq!(checked(within), Ok(()), "{within}");
            assert_eq!(checked(beyond), Err(error), "{beyond}");
        }
    }

    #[test]
    fn keys_compare_after_unescaping() {
        assert_eq!(check(br#"{"a":1,"\u0061":1}"#, &Limits::default()), Err(Error::RepeatedKey));
        assert_eq!(check(br#"{"a":1,"A":1,"a ":1}"#, &Limits::default()), Ok(()));
    }

    #[test]
    fn a_visitor_sees_each_value_with_its_depth_and_key() {
        let body = r#"{"a\u002fb": [1, {"c": "\n"}], "d": true, "e": null}"#;
        let mut seen = Vec::new();
        walk(body.as_bytes(), &Limits::default(), |event| seen.push(format!("{event:?}"))).unwrap();
        let expected = [
            (0, None, Value::Object),
            (1, Some("a/b"), Value::Array),
            (2, None, Value::Number("1")),
            (2, None, Value::Object),
            (3, Some("c"), Value::String("\n")),
            (2, None, Value::End),
            (1, Some("a/b"), Value::End),
            (1, Some("d"), Value::Bool(true)),
            (1, Some("e"), Value::Null),
            (0, None, Value::End),
        ];
        let expected = expected.map(|(depth, key, value)| format!("{:?}", Event { depth, key, value }));
        assert_eq!(seen, expected);
    }
}
