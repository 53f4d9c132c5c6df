//! The policy as it is written: a serde mirror of the JSON, and the source of the published JSON Schema.
//!
//! Every type refuses unknown keys. Nothing here is judged beyond its form: whether a name refers to something, whether
//! a template is ambiguous, whether a secret is strong is the business of the module that compiles the part.

mod authentication;
mod inspect;
mod redaction;
mod route;
mod scan;
mod units;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use authentication::{
    Algorithm, ApiKey, ApiKeys, Claim, ClaimMap, FetchedKeys, Introspection, Jwt, KeySet, Provider, Sha256Hex,
};
pub use inspect::{Inspect, InspectExemption, InspectLevel, InspectMode, InspectOptions, RuleLevel};
pub use redaction::{
    Action, Fallback, HashOptions, MaskOptions, Profile, RedactionRule, ReplaceValue, ShiftOptions, Zip3Form, Zip3Options,
};
pub use route::{
    Addresses, Authenticate, Authorize, ClaimRelation, ClaimTest, Conditions, Decode, Fhir, JsonLimits, Match, Redact,
    RequestChecks, ResponseChecks, ResponseHeaders, Route, RouteDefaults, parse_network,
};
pub use scan::{Configured, Detector, DetectorName, MrnOptions, ScanOptions};
pub use units::{Duration, Secret, Size, Timestamp};

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
    /// What a route takes where it does not say.
    #[serde(default)]
    pub defaults: RouteDefaults,
    /// What may be asked for, in order: the first route that matches is taken.
    #[schemars(length(min = 1))]
    pub routes: Vec<Route>,
    /// Names of the request headers that tell the upstream who asks. A client can never set them.
    #[serde(default)]
    pub identity_headers: IdentityHeaders,
    /// What is recorded.
    #[serde(default)]
    pub audit: Audit,
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

/// What is recorded of each exchange.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The key that subjects and resource ids are hashed with. Without it they are left out.
    pub key: Option<Secret>,
    /// Whether each record is also a JSON line in Envoy's log.
    pub log: bool,
}
