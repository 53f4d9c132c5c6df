//! JSON Web Tokens.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::claims::{Claim, ClaimMap, RequiredClaim};
use super::key_set::KeySet;
use crate::policy::model::units::{Duration, Secret};

/// JSON Web Tokens of one issuer.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The `iss` that a token must have, compared exactly.
    pub issuer: String,
    /// A token's `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// The signature algorithms accepted.
    #[schemars(length(min = 1))]
    pub algorithms: Vec<Algorithm>,
    /// The keys that verify signatures; needed for every algorithm but HS.
    #[serde(default)]
    pub jwks: Option<KeySet>,
    /// The shared secret of HS256, HS384 and HS512.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// How far the issuer's clock may be off.
    #[serde(default)]
    pub clock_skew: Option<Duration>,
    /// The longest time between `iat` and `exp`.
    #[serde(default)]
    pub max_lifetime: Option<Duration>,
    /// The longest time since `iat`.
    #[serde(default)]
    pub max_age: Option<Duration>,
    /// Values of the `typ` header accepted, for example `at+jwt` (RFC 9068). Not looked at when absent.
    #[serde(default)]
    pub typ: Option<Vec<String>>,
    /// Claims that must be there, and what they must be.
    #[serde(default)]
    pub required_claims: Vec<RequiredClaim>,
    /// Claims that are usually required and may be absent here.
    #[serde(default)]
    pub allow_missing: Vec<Claim>,
    /// Where roles, the client and the patient stand in the claims.
    #[serde(default)]
    pub claim_map: ClaimMap,
    /// Request headers that tell the upstream of claims, by name, with a JSON Pointer to the claim. A client can never set
    /// them. A string, a number or a truth value is sent as it is, an array of strings with commas between; a claim that
    /// cannot stand in a header (visible ASCII) refuses the token.
    #[serde(default)]
    pub claim_headers: BTreeMap<String, String>,
    /// The request header that carries the token, after `Bearer` in `authorization`, alone in any other.
    /// `authorization` when no place is named.
    #[serde(default)]
    pub header: Option<String>,
    /// The word before the token in the header, in any case, instead of `Bearer` or none: `Token`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The query parameter that carries the token, instead of a header. It stands in access logs and histories, and is taken
    /// out of every request: let nothing behind us have a parameter of that name.
    #[serde(default)]
    pub query: Option<String>,
    /// The cookie that carries the token, instead of a header. Browsers send it with what other sites ask for, too.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The roles this issuer may confer; all others it names are ignored. All when absent.
    #[serde(default)]
    pub accept_roles: Option<Vec<String>>,
    /// Whether the upstream gets the token.
    #[serde(default)]
    pub forward: bool,
}

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}
