//! `authentication`: who may identify a caller.

mod api_key;
mod claims;
mod introspection;
mod jwt;
mod key_set;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

pub use api_key::{ApiKey, ApiKeys};
pub use claims::{Claim, ClaimMap, RequiredClaim, RequiredClaimTest, RoleNames};
pub use introspection::Introspection;
pub use jwt::{Algorithm, Jwt};
pub use key_set::{FetchedKeys, KeySet};

/// A way to identify a caller. `type` says which.
// `policy::load` moves `type` outside before serde reads it: serde's own internal tag loses the place of an error.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum Provider {
    /// JSON Web Tokens (RFC 7519).
    Jwt(Box<Jwt>),
    /// API keys, stored as hashes.
    ApiKey(ApiKeys),
    /// Opaque tokens, about which their issuer is asked (RFC 7662).
    Introspection(Box<Introspection>),
    /// Client certificates that Envoy has validated (mutual TLS).
    Mtls(Mtls),
}

/// Client certificates that Envoy has validated. All that is said must hold of a certificate, each by one of its list.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    /// The certificate's first URI SAN is one of these. `/*` at the end takes exactly one segment:
    /// `spiffe://cluster.local/ns/billing/sa/*`.
    #[serde(default)]
    pub uri_san: Option<Vec<String>>,
    /// The certificate's first DNS SAN is one of these. `*.` at the beginning takes exactly one label.
    #[serde(default)]
    pub dns_san: Option<Vec<String>>,
    /// The certificate's subject is one of these, as Envoy writes it (RFC 2253): `CN=billing,O=Clinic`.
    #[serde(default)]
    pub subject: Option<Vec<String>>,
    /// SHA-256 of the certificate is one of these.
    #[serde(default)]
    pub sha256: Option<Vec<Sha256Hex>>,
    /// The roles that such a certificate confers.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The client; what matched when absent: the URI SAN, else the DNS SAN, the subject, the digest.
    #[serde(default)]
    pub client: Option<String>,
}

/// A SHA-256 hash, written in 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sha256Hex(pub [u8; 32]);

impl Sha256Hex {
    /// Reads 64 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let mut digits = text.bytes().map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        for byte in &mut hash {
            *byte = (digits.next()?? << 4) | digits.next()??;
        }
        digits.next().is_none().then_some(Self(hash))
    }
}

impl<'de> Deserialize<'de> for Sha256Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text is not repeated: someone may have written the key itself here.
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| {
            D::Error::custom("not a SHA-256 hash in 64 hexadecimal digits; `carewarden keygen --hash` makes one")
        })
    }
}

impl JsonSchema for Sha256Hex {
    fn schema_name() -> Cow<'static, str> {
        "Sha256".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$", "description": "A SHA-256 hash in hexadecimal." })
    }
}
