//! `inspect`: whether and how requests are looked through for injection.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Which rules judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleLevel {
    /// Those that spare ordinary healthcare traffic.
    #[default]
    Standard,
    /// All: also those that now and then hold for what nobody meant ill.
    Strict,
}

/// What follows when something is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InspectMode {
    /// The request is refused.
    #[default]
    Enforce,
    /// It is recorded.
    Report,
}

/// How requests are looked through for injection: a level, or an object.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Inspect {
    /// A level as it comes, or `off`.
    Level(InspectLevel),
    /// With options.
    Options(InspectOptions),
}

/// A level by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InspectLevel {
    /// Not at all.
    Off,
    /// With the rules that spare ordinary healthcare traffic.
    Standard,
    /// With all rules.
    Strict,
}

/// Inspection with options.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InspectOptions {
    /// Which rules judge; `standard` when absent.
    pub level: RuleLevel,
    /// Whether what is found is refused or only recorded; `enforce` when absent.
    pub mode: InspectMode,
    /// The least score of a value that is refused: 5 at `standard` and 3 at `strict` when absent.
    #[schemars(range(min = 1))]
    pub threshold: Option<u32>,
    /// Rules that do not judge a place.
    pub exempt: Vec<InspectExemption>,
}

/// A rule that does not judge a place: one of `parameter`, `header`, `cookie`, `json_path`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectExemption {
    /// The rule's id; `carewarden rules` lists them.
    pub rule: String,
    /// The name of a query parameter or form field.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The name of a header.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of a cookie.
    #[serde(default)]
    pub cookie: Option<String>,
    /// Keys and `[*]` from the root of a JSON body on: `$.note[*].text`.
    #[serde(default)]
    pub json_path: Option<String>,
}

impl<'de> Deserialize<'de> for Inspect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Inspect;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`standard`, `strict`, `off` or an object with `level`, `mode`, `threshold`, `exempt`")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Inspect, E> {
                InspectLevel::deserialize(StrDeserializer::new(name)).map(Inspect::Level)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Inspect, A::Error> {
                InspectOptions::deserialize(MapAccessDeserializer::new(map)).map(Inspect::Options)
            }
        }
        deserializer.deserialize_any(Read)
    }
}
