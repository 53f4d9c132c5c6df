//! JSON objects as tokens may hold them: one reading or none.
//!
//! RFC 7519 section 4 lets a reader take the last of two claims of one name or refuse. Who takes the last and who takes
//! the first disagree about the same signed text, so a repeated name, at any depth and after unescaping, is refused, as
//! is nesting past [`MAX_DEPTH`], invalid UTF-8, a number no double can hold, and anything after the object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Nesting allowed in a header or a set of claims.
const MAX_DEPTH: usize = 16;

/// Reads an object, or nothing when the bytes are not exactly one.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// A value with this much nesting left.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.insert(key, members.next_value_seed(inside)?).is_some() {
                return Err(A::Error::custom("repeated key"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_has_one_reading() {
        for text in
            [r#"{}"#, r#" {"a": [{"b": 1}, {"b": -1.5e3}], "b": null} "#, r#"{"a": {"a": true}, "A": "\ud83d\ude00"}"#]
        {
            assert_eq!(object(text.as_bytes()).map(Value::Object), serde_json::from_str(text).ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_two_readings_or_none() {
        let texts: [&[u8]; 11] = [
            br#"{"a": 1, "a": 1}"#,
            br#"{"a": 1, "\u0061": 1}"#,
            br#"{"x": [{"a": {"b": 1, "b": 2}}]}"#,
            br#"{"a": 1} {}"#,
            br#"{"a": 1},"#,
            br#"{"a": 1e999}"#,
            br#"{"a": "\ud800"}"#,
            b"{\"a\": \"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"[]",
            b"",
        ];
        for text in texts {
            assert_eq!(object(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn refuses_nesting_past_the_limit() {
        let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth - 1) + "{}", "}".repeat(depth - 1));
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_some());
        assert!(object(nested(MAX_DEPTH + 1).as_bytes()).is_none());
        assert!(object("[".repeat(100_000).as_bytes()).is_none());
    }
}
