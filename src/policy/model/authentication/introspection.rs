//! Opaque tokens.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::claims::{Claim, ClaimMap, RequiredClaim};
use crate::policy::model::units::{Duration, Secret};

/// Opaque tokens of one issuer, which is asked about each (RFC 7662).
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// The cluster that is called, by its name in Envoy. It decides about addresses, TLS and certificates.
    pub cluster: String,
    /// The address of the introspection endpoint; of it the cluster sees authority and path.
    pub uri: String,
    /// How we show who asks: HTTP Basic authentication (RFC 6749 section 2.3.1).
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The `iss` that an answer must have, compared exactly. Not looked at when absent.
    #[serde(default)]
    pub issuer: Option<String>,
    /// An answer's `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// How long an answer is believed at most, and so how long a revocation may wait; 60s when absent.
    #[serde(default)]
    pub max_age: Option<Duration>,
    /// How long one call may take; 2s when absent.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// How long a request waits for the answer; 2s when absent.
    #[serde(default)]
    pub wait: Option<Duration>,
    /// How far the issuer's clock may be off.
    #[serde(default)]
    pub clock_skew: Option<Duration>,
    /// Members of the answer that must be there, and what they must be.
    #[serde(default)]
    pub required_claims: Vec<RequiredClaim>,
    /// Members that are usually required and may be absent here; `exp` always may.
    #[serde(default)]
    pub allow_missing: Vec<Claim>,
    /// Where roles, the client and the patient stand in the answer.
    #[serde(default)]
    pub claim_map: ClaimMap,
    /// Request headers that tell the upstream of the answer's members, by name, with a JSON Pointer to the member; as those
    /// of a token's claims.
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
