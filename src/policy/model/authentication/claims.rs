//! What claims must be, and what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Claims that `allow_missing` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Claim {
    /// Expiration time.
    Exp,
    /// Audience.
    Aud,
}

/// JSON Pointers (RFC 6901) into the claims.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimMap {
    /// The roles: an array of strings, or one string with roles separated by spaces.
    pub roles: Option<String>,
    /// The client; `/client_id`, then `/azp` when absent.
    pub client: Option<String>,
    /// The patient in context.
    pub patient: Option<String>,
    /// The issuer's names of roles, and the policy's: one or several for each. With it a role that is not named here is
    /// ignored; without it the issuer's names are the policy's.
    pub role_map: Option<BTreeMap<String, RoleNames>>,
}

/// One role, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleNames(pub Vec<String>);

impl<'de> Deserialize<'de> for RoleNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = RoleNames;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role or an array of roles")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<RoleNames, E> {
                Ok(RoleNames(vec![name.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RoleNames, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(RoleNames)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

impl JsonSchema for RoleNames {
    fn schema_name() -> Cow<'static, str> {
        "RoleNames".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One role, or several.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

/// A claim that must be there: its JSON Pointer alone, or what it must be.
#[derive(Clone, Debug, PartialEq)]
pub enum RequiredClaim {
    /// It is there, and not null.
    Present(String),
    /// It passes a test.
    Test(RequiredClaimTest),
}

/// What a required claim must be: exactly one of `equals`, `one_of`, `contains`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequiredClaimTest {
    /// The JSON Pointer to the claim.
    pub claim: String,
    /// The claim equals this string, number or truth value.
    #[serde(default)]
    pub equals: Option<serde_json::Value>,
    /// The claim equals one of these scalars.
    #[serde(default)]
    pub one_of: Option<Vec<serde_json::Value>>,
    /// The claim is an array that holds this scalar.
    #[serde(default)]
    pub contains: Option<serde_json::Value>,
}

// By hand, since an untagged enum would forget where in it an error stands.
impl<'de> Deserialize<'de> for RequiredClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Required;
        impl<'de> Visitor<'de> for Required {
            type Value = RequiredClaim;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Pointer or an object with `claim` and a test")
            }
            fn visit_str<E: Error>(self, pointer: &str) -> Result<RequiredClaim, E> {
                Ok(RequiredClaim::Present(pointer.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RequiredClaim, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RequiredClaim::Test)
            }
        }
        deserializer.deserialize_any(Required)
    }
}

impl JsonSchema for RequiredClaim {
    fn schema_name() -> Cow<'static, str> {
        "RequiredClaim".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A claim that must be there: its JSON Pointer alone, or what it must be.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<RequiredClaimTest>()],
        })
    }
}
