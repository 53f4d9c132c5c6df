//! Whether a key stands twice, by `serde_json`.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether a key stands twice in some object of a text that is JSON; `None` where `serde_json` cannot tell, since it has no
/// room for a number.
pub fn repeats_key(text: &str) -> Option<bool> {
    match serde_json::from_str::<OnceKeys>(text) {
        Ok(_) => Some(false),
        Err(error) if error.to_string().starts_with("twice") => Some(true),
        Err(_) => None,
    }
}

/// JSON in which no key stands twice in one object.
struct OnceKeys;

impl<'de> Deserialize<'de> for OnceKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for OnceKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        let mut twice = false;
        while let Some(key) = map.next_key::<String>()? {
            twice |= !seen.insert(key);
            map.next_value::<Self>()?;
        }
        if twice { Err(serde::de::Error::custom("twice")) } else { Ok(self) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self, A::Error> {
        while array.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
