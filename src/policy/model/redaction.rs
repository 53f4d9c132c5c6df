//! `redaction`: what is taken out of answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::scan::ScanOptions;
use super::units::Secret;

/// A redaction profile: rules in order, the first that touches a value wins.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Another profile or a preset, whose rules come after this one's own.
    #[serde(default)]
    pub extends: Option<String>,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<RedactionRule>,
    /// What happens to a value that no rule touches: `keep`, or `remove`, which makes the rules a list of what may leave.
    /// As the profile says that this one extends, and `keep` when none does.
    #[serde(default)]
    pub default: Option<Fallback>,
    /// What happens to an element of a FHIR resource that R4 does not have, or not as a value of this kind (a string where
    /// it has an object, say). As the profile says that this one extends,
    /// and `remove` when none does.
    #[serde(default)]
    pub unknown: Option<Fallback>,
    /// Whether resources are tagged in `meta.security` with what the profile does to them (v3-ObservationValue: REDACTED,
    /// MASKED, PSEUDED, ABSTRED). As the profile says that this one extends, and `true` when none does.
    #[serde(default)]
    pub security_tag: Option<bool>,
}

/// What happens where no rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// One redaction rule: exactly one of `path`, `type`, `json_path` and `key` says where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// A FHIR element path from the nearest resource: `Patient.identifier.value`.
    #[serde(default)]
    pub path: Option<String>,
    /// Every value of a FHIR datatype, wherever it stands in a resource: `HumanName`, `date`. It is that type alone:
    /// `string` is not `code`, `id` or `markdown`, `uri` not `url` or `canonical`, `Quantity` not `Age` or `Duration`. So is an
    /// element with elements of its own that R4 has at every depth: `QuestionnaireResponse.item`.
    #[serde(default, rename = "type")]
    pub datatype: Option<String>,
    /// Of values of that datatype, the element of this name: `line` of `Address`.
    #[serde(default)]
    pub child: Option<String>,
    /// A JSONPath (RFC 9535) from the root: names, `[*]`, `..`, indices, slices and an equality filter at the end:
    /// `$.members[*].ssn`, `$.tags[?@.system=='urn:x']`.
    #[serde(default)]
    pub json_path: Option<String>,
    /// Every member of this name, wherever it stands.
    #[serde(default)]
    pub key: Option<String>,
    /// The rule holds only where the siblings of the value are these scalars, or each `one_of` a list of them.
    #[serde(default, rename = "where")]
    pub siblings: BTreeMap<String, Value>,
    /// The rule holds only where members of the value, an object, are these scalars, or each `one_of` a list of
    /// them: the `url` of an Extension.
    #[serde(default)]
    pub having: BTreeMap<String, Value>,
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
    /// Of a date its year; nothing where that tells an age over 89.
    Year,
    /// A date moved by a number of days that is the same for everything of one patient; of one without a day its year.
    /// Nothing where the resource does not say which patient it is about, or the year tells an age over 89.
    ShiftDates(ShiftOptions),
    /// Of a US ZIP code what 45 CFR 164.514(b)(2)(i)(B) lets stay; nothing of any other postal code, or of one beside a
    /// `country` that is another.
    Zip3(Zip3Options),
    /// Of an Age over 89 years only that it is one.
    AgeCap,
    /// What these detectors find in a text put out of sight.
    Scan(ScanOptions),
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

/// How `shift_dates` shifts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftOptions {
    /// The key.
    pub key: Secret,
    /// The most days that a date moves, to either side.
    #[serde(default = "ShiftOptions::days")]
    pub days: u16,
}

impl ShiftOptions {
    fn days() -> u16 {
        50
    }
}

/// How `zip3` cuts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Zip3Options {
    /// The first three digits of areas with 20,000 people or fewer, which become zeros; the shipped list when absent.
    pub restricted: Option<Vec<String>>,
    /// How it is written.
    pub form: Zip3Form,
}

/// How a cut ZIP code is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Zip3Form {
    /// Five digits, the last two zeros: `98000`.
    #[default]
    Padded,
    /// Three digits: `980`.
    ThreeDigits,
}
