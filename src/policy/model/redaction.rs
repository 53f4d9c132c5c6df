//! `redaction`: what is taken out of answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::units::Secret;

/// A redaction profile: rules in order, the first that touches a value wins.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Another profile, whose rules come after this one's own.
    #[serde(default)]
    pub extends: Option<String>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<RedactionRule>,
}

/// One redaction rule: exactly one of `path`, `json_path` and `key` says where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// A FHIR element path from the nearest resource: `Patient.identifier.value`.
    #[serde(default)]
    pub path: Option<String>,
    /// A JSONPath (RFC 9535) of member names, `[*]` and `..` from the root: `$.members[*].ssn`.
    #[serde(default)]
    pub json_path: Option<String>,
    /// Every member of this name, wherever it stands.
    #[serde(default)]
    pub key: Option<String>,
    /// The rule holds only where the siblings of the value have these values.
    #[serde(default, rename = "where")]
    pub siblings: BTreeMap<String, Value>,
    /// What happens to the value.
    pub action: Action,
}

/// What happens to a value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Taken out, its key with it.
    Remove,
    /// Left as it is, and protected from later rules.
    Keep,
    /// Put in place of the value: any JSON scalar.
    Replace(ReplaceValue),
    /// The characters of a string put out of sight.
    Mask(MaskOptions),
    /// HMAC-SHA-256 of a string, in hexadecimal.
    Hash(HashOptions),
}

/// The value that `replace` writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ReplaceValue(pub Value);

/// How `mask` masks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskOptions {
    /// How many characters at the end stay; at most half of the string ever does.
    pub keep_last: usize,
    /// The character written instead; `*` when absent.
    pub with: Option<char>,
}

/// How `hash` hashes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashOptions {
    /// The key.
    pub key: Secret,
}
