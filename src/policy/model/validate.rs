//! What `request` says of queries, headers, forms, documents and FHIR resources.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::units::Size;

/// The parameters of a query or a form.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParameterList {
    /// Those that are described, by their names as they are meant: decoded, with modifier (`name:exact`).
    pub known: BTreeMap<String, Parameter>,
    /// What happens to a request with another one.
    pub others: Others,
}

/// What happens to what is not described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// It refuses the request.
    #[default]
    Refuse,
    /// It passes as it is.
    Allow,
}

/// What a parameter or a header has to be: all that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameter {
    /// The form of its value; any when absent.
    #[serde(rename = "type")]
    pub form: Option<ValueForm>,
    /// A regular expression that the whole value has to match; it runs in linear time.
    pub pattern: Option<String>,
    /// The value is one of these.
    pub one_of: Option<Vec<String>>,
    /// The longest value, in bytes: 1024 when absent.
    pub max_length: Option<usize>,
    /// How often it may stand: once when absent.
    pub max_count: Option<usize>,
    /// Whether it has to be there.
    pub required: bool,
}

/// The form of a value. On `fhir` routes all but `string`, `uri` and `boolean` may be lists, separated by commas, and
/// `number`, `date` and `quantity` may begin with a prefix (`ge`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueForm {
    /// Any text without control characters.
    String,
    /// Digits, perhaps after `-`.
    Integer,
    /// A decimal number, perhaps with an exponent.
    Number,
    /// `true` or `false`
    Boolean,
    /// A year, a month, a day, or a day with its time: `2026-11-23T12:00:00Z`.
    Date,
    /// `code`, `system|code`, `|code`, `system|`
    Token,
    /// `id`, `Type/id` or a URL.
    Reference,
    /// `number`, or `number|system|code`.
    Quantity,
    /// A URI: no white space, nothing that has to be escaped.
    Uri,
    /// An id of FHIR: at most 64 letters, digits, `-` and `.`.
    Id,
    /// A UUID.
    Uuid,
}

/// Which bodies of type `multipart/form-data` (RFC 7578) are taken. Texts without a file's name are fields, for which `form`
/// says what they have to be; JSON is checked like a body; other parts are not looked into.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Multipart {
    /// The most parts: 10 when absent.
    #[schemars(range(min = 1))]
    pub max_parts: Option<usize>,
    /// The longest content of a part: `max_body` when absent.
    pub max_part: Option<Size>,
    /// Media types of parts; `text/plain` (which is also a part that does not say), `application/json` and
    /// `application/fhir+json` when absent. Those that are neither text nor JSON are refused where requests are inspected.
    pub content_types: Option<Vec<String>>,
    /// The names that parts may have; any when absent.
    pub names: Option<Vec<String>>,
    /// Whether parts may be files, that is, have a file's name.
    pub files: bool,
}

/// The schemas of a route's documents.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum SchemaChoice {
    /// Every document has to be valid by the schema of this name.
    One(String),
    /// On a `fhir` route: resources of a type, by the schema of this name. Those of other types are not looked at.
    ByType(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for SchemaChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = SchemaChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a schema, or names by resource type")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<SchemaChoice, E> {
                Ok(SchemaChoice::One(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SchemaChoice, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(SchemaChoice::ByType)
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

/// What happens to a FHIR document that R4 does not describe so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// It is refused.
    Strict,
    /// It passes, and the record says what is wrong.
    #[default]
    Lenient,
    /// It is not looked for.
    Off,
}

/// How much a request may ask of a FHIR server.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FhirLimits {
    /// The largest `_count`: 1000 when absent.
    pub max_count: Option<u64>,
    /// The most entries of a Bundle: 1000 when absent.
    pub max_entries: Option<usize>,
    /// The most `_include` and `_revinclude` of one search: 10 when absent.
    pub max_includes: Option<usize>,
    /// The most links that a chained parameter or `_has` may follow: 3 when absent.
    pub max_chain: Option<usize>,
}
