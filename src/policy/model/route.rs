//! `routes` and `defaults`: what may be asked for, by whom, and what leaves.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Mode;
use super::inspect::Inspect;
use super::units::{Duration, Size};
use super::validate::{FhirLimits, Parameter, ParameterList, SchemaChoice, Shape};

/// A route. A key that it does not set comes from `defaults`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A name for records and metrics.
    pub name: String,
    /// Which requests it takes.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Whether its refusals are enforced; the policy's mode when absent.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Whether a request must have come over TLS; yes when absent.
    #[serde(default)]
    pub require_tls: Option<bool>,
    /// That it leads to a FHIR API, and where.
    #[serde(default)]
    pub fhir: Option<Fhir>,
    /// Where a request may come from.
    #[serde(default)]
    pub addresses: Option<Addresses>,
    /// Who identifies the caller.
    #[serde(default)]
    pub authenticate: Option<Authenticate>,
    /// What a caller may do: the first rule that matches decides, none is a refusal.
    pub authorize: Vec<Authorize>,
    /// What a request must be like.
    #[serde(default)]
    pub request: RequestChecks,
    /// What an answer must be like.
    #[serde(default)]
    pub response: ResponseChecks,
}

/// What a route takes where it does not say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteDefaults {
    /// Whether refusals are enforced.
    pub mode: Option<Mode>,
    /// Whether a request must have come over TLS.
    pub require_tls: Option<bool>,
    /// Where a request may come from.
    pub addresses: Option<Addresses>,
    /// Who identifies the caller.
    pub authenticate: Option<Authenticate>,
    /// What a request must be like.
    pub request: Option<RequestChecks>,
    /// What an answer must be like.
    pub response: Option<ResponseChecks>,
}

/// Which requests a route takes: all that is said must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The methods; all when absent. `GET` includes `HEAD`.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// Path templates: `:name` takes one segment, `{a,b}` is one of, `**` at the end is the rest.
    #[schemars(length(min = 1))]
    pub paths: Vec<String>,
    /// The hosts, without port; `*.example.org` takes any one label. All when absent.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// The name of the route that Envoy chose (`xds.route_name`).
    #[serde(default)]
    pub envoy_route: Option<String>,
}

/// A FHIR API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fhir {
    /// The path of its base, for example `/fhir`; `:name` takes one segment.
    pub base: String,
    /// How much a request may ask of the server.
    #[serde(default)]
    pub limits: FhirLimits,
}

/// Where a request may come from. `deny` comes first; what is in neither list is refused when `allow` is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Addresses {
    /// Networks that may ask (CIDR, or one address).
    pub allow: Option<Vec<String>>,
    /// Networks that may not.
    pub deny: Vec<String>,
}

/// Who identifies the caller.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authenticate {
    /// Nobody: credentials are ignored and stripped.
    None,
    /// One of these providers.
    Any(Vec<String>),
    /// All of these providers.
    All(Vec<String>),
}

/// One access rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authorize {
    /// Lets a request through when all conditions hold.
    Allow(Conditions),
    /// Refuses a request when all conditions hold.
    Deny(Conditions),
}

/// The conditions of a rule. All that are there must hold; none at all always holds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Who vouched for the caller: one of.
    pub providers: Option<Vec<String>>,
    /// The caller has one of these roles.
    pub roles: Option<Vec<String>>,
    /// The caller is one of these clients.
    pub clients: Option<Vec<String>>,
    /// The method is one of these. `GET` includes `HEAD`.
    pub methods: Option<Vec<String>>,
    /// The path fits one of these templates.
    pub paths: Option<Vec<String>>,
    /// Claims by JSON Pointer, all of which must pass.
    pub claims: BTreeMap<String, ClaimTest>,
    /// FHIR interactions: read, vread, history, search, create, update, patch, delete, capabilities, batch, transaction,
    /// compartment-search. A rule that names none grants those up to capabilities, beside its operations; an empty list
    /// grants the operations alone.
    pub interactions: Option<Vec<String>>,
    /// FHIR resource types. A rule that names none grants all, but no writes of Subscription.
    pub types: Option<Vec<String>>,
    /// FHIR operations by name: `$everything`.
    pub operations: Option<Vec<String>>,
    /// What is refused unless named: `_include`, `_revinclude`, `_has`, `_filter`, `_query`, `chained`,
    /// `conditional-reference`, `conditional-create`, `conditional-update`, `conditional-patch`, `conditional-delete`,
    /// `respond-async`.
    pub features: Option<Vec<String>>,
    /// Of an `allow` rule: the search parameters that may be asked by where a redaction profile applies to the answer;
    /// none when absent. A name grants no modifier but a type: `name`, `name:exact`, `subject.name`,
    /// `_has:Observation:patient:code`, `_include`. What is listed may be sorted by. The full view needs no list, nor do
    /// `_format`, `_pretty`, `_type` and `_count`.
    pub search: Option<Vec<String>>,
}

/// What a claim must be: a scalar that it equals, or one of `one_of`, `contains`, `capture`, `host`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ClaimTest {
    /// A test by name.
    Test(ClaimRelation),
    /// The claim equals this string, number or truth value.
    Equals(Value),
}

/// A test of a claim by name.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClaimRelation {
    /// The claim equals one of these scalars.
    OneOf(Vec<Value>),
    /// The claim is an array that holds this scalar.
    Contains(Value),
    /// The claim equals what the route's template captured under this name.
    Capture(String),
    /// The claim equals the host, without port.
    Host(bool),
}

/// What a request must be like.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestChecks {
    /// Media types of bodies; JSON, FHIR JSON, JSON Patch and forms when absent.
    pub content_types: Option<Vec<String>>,
    /// The longest path and query.
    pub max_uri: Option<Size>,
    /// The most header fields.
    pub max_headers: Option<usize>,
    /// The longest header section, names and values together.
    pub max_header_bytes: Option<Size>,
    /// The longest body.
    pub max_body: Option<Size>,
    /// How long a body may take to arrive.
    pub body_timeout: Option<Duration>,
    /// Limits on JSON bodies.
    pub json: JsonLimits,
    /// The longest cookies, all of a request together: 16KiB when absent.
    pub max_cookie_bytes: Option<Size>,
    /// Origins of pages (`https://app.example`) that may write with cookies, beside the host's own. A request whose
    /// credential is a cookie and whose method writes is refused when it came from another page; where the list is there,
    /// even empty, one with any cookie is.
    pub origins: Option<Vec<String>>,
    /// What the query has to be.
    pub query: Option<ParameterList>,
    /// What headers have to be, by name in small letters. Others pass.
    pub headers: BTreeMap<String, Parameter>,
    /// What a body of type `application/x-www-form-urlencoded` has to be.
    pub form: Option<ParameterList>,
    /// What JSON bodies have to be.
    pub schema: Option<SchemaChoice>,
    /// What happens to a FHIR body that R4 does not describe so: it passes and is recorded when absent.
    pub shape: Option<Shape>,
    /// Whether and how requests are looked through for injection: `standard`, `strict`, `off` or an object; `off` when
    /// absent. What cannot be looked through, such as a body that is neither JSON nor a form, is refused.
    pub inspect: Option<Inspect>,
    /// What is taken out of bodies before they are sent on, for whom: the first entry whose `when` holds; none is a
    /// refusal. Bodies leave as they came when absent. A profile refuses forms, patches and what is not JSON.
    pub redact: Option<Vec<Redact>>,
}

/// Limits on JSON bodies.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JsonLimits {
    /// The deepest nesting.
    pub max_depth: Option<usize>,
    /// The most keys in one object.
    pub max_keys: Option<usize>,
    /// The longest key, in bytes as written.
    pub max_key: Option<Size>,
    /// The longest string, in bytes as written.
    pub max_string: Option<Size>,
    /// The longest number, in bytes as written.
    pub max_number: Option<Size>,
}

/// What an answer must be like.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseChecks {
    /// What is taken out, for whom: the first entry whose `when` holds; none is a refusal before the request is sent on.
    pub redact: Option<Vec<Redact>>,
    /// What becomes of narratives (`text.div`) with markup that FHIR does not permit, on `fhir` routes: they leave as they
    /// came when absent.
    pub narrative: Option<NarrativeRule>,
    /// Media types let through unseen. Each is a hole in the redaction; mind what the upstream can put in it.
    pub unredacted_media_types: Vec<String>,
    /// Headers of redacted answers.
    pub headers: ResponseHeaders,
    /// How much an answer in gzip or deflate may become.
    pub decode: Decode,
}

/// How much an answer in gzip or deflate may become. It is decoded where it has to be looked into, and leaves in clear.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Decode {
    /// The most bytes for each that the upstream sent, from the first KiB on: 100 when absent.
    #[schemars(range(min = 1, max = 1032))]
    pub max_ratio: Option<u64>,
    /// The most bytes of one answer: 64MiB when absent.
    pub max_size: Option<Size>,
}

/// What becomes of a narrative with markup that FHIR does not permit (R4, narrative.html): script, forms, event handlers,
/// addresses that run something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NarrativeRule {
    /// A sentence that says so stands in its place.
    Strip,
    /// The answer is refused, or broken off where it had begun.
    Refuse,
}

/// Which redaction profile applies to whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// Conditions on the caller; always when absent.
    #[serde(default)]
    pub when: Conditions,
    /// The name of a profile, or `none` for the full view.
    pub apply: String,
}

/// Headers of redacted answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseHeaders {
    /// Header names that pass beside the built-in list.
    pub allow: Vec<String>,
}

/// Reads a network in CIDR form, or one address. An IPv4-mapped network becomes the IPv4 one.
#[must_use]
pub fn parse_network(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))?;
    let IpNet::V6(v6) = net else { return Some(net) };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(len)) => ipnet::Ipv4Net::new(v4, len).ok().map(IpNet::V4),
        _ => Some(net),
    }
}
