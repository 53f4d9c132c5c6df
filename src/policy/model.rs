//! The policy as it is written: a serde mirror of the JSON, and the source of the published JSON Schema.
//!
//! Every type refuses unknown keys. Nothing here is judged beyond its form: whether a name refers to something, whether
//! a template is ambiguous, whether a secret is strong is the business of the module that compiles the part.

mod audit;
mod authentication;
mod inspect;
mod redaction;
mod route;
mod scan;
mod units;
mod validate;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use audit::{Audit, Delivery, Overflow};
pub use authentication::{
    Algorithm, ApiKey, ApiKeys, Claim, ClaimMap, FetchedKeys, Introspection, Jwt, KeySet, Mtls, Provider, RequiredClaim,
    RequiredClaimTest, RoleNames, Sha256Hex,
};
pub use inspect::{Inspect, InspectExemption, InspectLevel, InspectMode, InspectOptions, RuleLevel};
pub use redaction::{
    Action, Fallback, HashOptions, MaskOptions, Profile, RedactionRule, ReplaceValue, ShiftOptions, Zip3Form, Zip3Options,
};
pub use route::{
    Addresses, Authenticate, Authorize, ClaimRelation, ClaimTest, Conditions, Decode, Fhir, JsonLimits, Match,
    NarrativeRule, Redact, RequestChecks, ResponseChecks, ResponseHeaders, Route, RouteDefaults, parse_network,
};
pub use scan::{Configured, Detector, DetectorName, MrnOptions, ScanOptions};
pub use units::{Duration, Secret, Size, Timestamp};
pub use validate::{FhirLimits, Multipart, Others, Parameter, ParameterList, SchemaChoice, Shape, ValueForm};

/// A Carewarden policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Carewarden policy")]
pub struct Policy {
    /// The version of the policy language: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u64,
    /// A name for records and metrics.
    pub name: String,
    /// Whether refusals are enforced or only recorded.
    #[serde(default)]
    pub mode: Mode,
    /// Who may identify a caller, by name.
    #[serde(default)]
    pub authentication: BTreeMap<String, Provider>,
    /// What is taken out of answers, by name.
    #[serde(default)]
    pub redaction: BTreeMap<String, Profile>,
    /// JSON Schemas of bodies by name, in draft 2020-12 or, where `$schema` says so, draft 7. They refer to parts of
    /// themselves alone.
    #[serde(default)]
    pub schemas: BTreeMap<String, serde_json::Value>,
    /// Whether `format` in schemas is an assertion.
    #[serde(default)]
    pub schema_formats: bool,
    /// What a route takes where it does not say.
    #[serde(default)]
    pub defaults: RouteDefaults,
    /// What may be asked for, in order: the first route that matches is taken.
    #[schemars(length(min = 1))]
    pub routes: Vec<Route>,
    /// Names of the request headers that tell the upstream who asks. A client can never set them.
    #[serde(default)]
    pub identity_headers: IdentityHeaders,
    /// A signed token that tells the upstream who asks, so that it notices a request that came past Envoy. None when absent.
    #[serde(default)]
    pub identity_token: Option<IdentityToken>,
    /// What Envoy's rate limits may tell requests that are let through apart by, each as filter state
    /// `wasm.carewarden.…`: the client alone, unless it says so.
    #[serde(default = "client_alone")]
    #[schemars(extend("uniqueItems" = true))]
    pub rate_limit_descriptors: Vec<RateLimitDescriptor>,
    /// What is recorded.
    #[serde(default)]
    pub audit: Audit,
}

/// What Envoy's rate limits may tell requests apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimitDescriptor {
    /// The client application; without one the keyed hash of the subject, then the provider, or `anonymous`.
    Client,
    /// The keyed hash of the subject, as records have it; absent where there is none.
    Subject,
    /// The name of the policy's route.
    Route,
}

fn client_alone() -> Vec<RateLimitDescriptor> {
    vec![RateLimitDescriptor::Client]
}

/// Whether refusals are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A refused exchange is refused.
    #[default]
    Enforce,
    /// A refused exchange is recorded as refused and let through.
    Shadow,
}

/// Names of the request headers that tell the upstream who asks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityHeaders {
    /// The provider that vouched for the caller.
    pub provider: String,
    /// The client application.
    pub client: String,
    /// The user, a token's `sub`.
    pub subject: String,
    /// The roles, separated by commas.
    pub roles: String,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        let name = |attribute: &str| format!("x-carewarden-{attribute}");
        Self { provider: name("provider"), client: name("client"), subject: name("subject"), roles: name("roles") }
    }
}

/// A signed token that tells the upstream who asks: a JWT by HS256. A client can never set its header.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityToken {
    /// The request header that carries it, alone.
    #[serde(default = "identity_token_header")]
    pub header: String,
    /// The secret that the upstream shares, of 32 bytes or more.
    pub secret: Secret,
    /// Its `iss`.
    pub issuer: String,
    /// Its `aud`: the upstream.
    pub audience: String,
    /// How long it is good, at most 5m; 30s when absent.
    #[serde(default)]
    pub lifetime: Option<Duration>,
}

fn identity_token_header() -> String {
    "x-carewarden-identity".to_owned()
}
