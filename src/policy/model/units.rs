//! Values with units, moments in time, and names of secrets.

use std::borrow::Cow;
use std::time::Duration as StdDuration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A length of time: `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"90d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub StdDuration);

/// A number of bytes: `"512B"`, `"64KiB"`, `"1MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A moment, as RFC 3339 writes it. Seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// The name of a secret in the environment (`vm_config.environment_variables` in Envoy), never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{\"env\": \"NAME\"}, the name of an environment variable")]
pub struct Secret {
    /// The variable that holds the secret.
    pub env: String,
    /// The variable that holds the one before it, while a rotation lasts.
    #[serde(default)]
    pub previous: Option<String>,
}

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// `"30s"` with the units given, as a number of the smallest.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let millis = scaled(&text, DURATION_UNITS);
        millis.map(|millis| Self(StdDuration::from_millis(millis))).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a duration; write a number and ms, s, m, h or d, as in \"30s\""))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        scaled(&text, SIZE_UNITS).map(Self).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a size; write a number and B, KiB, MiB or GiB, as in \"1MiB\""))
        })
    }
}

impl Timestamp {
    /// Reads RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|moment| Self(moment.unix_timestamp()))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            // It stands beside keys, and a key in its place must not be repeated.
            D::Error::custom("this is not a moment; write RFC 3339, as in \"2027-06-30T00:00:00Z\"")
        })
    }
}

macro_rules! string_schema {
    ($type:ident, $description:literal, $extra:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($extra);
                schema.insert("type".to_owned(), "string".into());
                schema.insert("description".to_owned(), $description.into());
                schema
            }
        }
    };
}

string_schema!(Duration, "A length of time, for example 30s.", { "pattern": "^[0-9]+(ms|s|m|h|d)$" });
string_schema!(Size, "A number of bytes, for example 1MiB.", { "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" });
string_schema!(Timestamp, "A moment, as RFC 3339 writes it.", { "format": "date-time" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_scale_and_strangers_are_refused() {
        assert_eq!(scaled("5m", DURATION_UNITS), Some(300_000));
        assert_eq!(scaled("1MiB", SIZE_UNITS), Some(1_048_576));
        for wrong in ["", "5", "m", "1 MiB", "1mib", "-1B", "1.5B", "99999999999999999999B", "18446744073709551615GiB"] {
            assert_eq!(scaled(wrong, SIZE_UNITS), None, "{wrong}");
        }
    }

    #[test]
    fn a_timestamp_is_rfc_3339() {
        assert_eq!(Timestamp::parse("1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
        assert_eq!(Timestamp::parse("2027-06-30"), None);
    }
}
