//! `authentication`: who may identify a caller.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::units::{Duration, Secret, Size, Timestamp};

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

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySet {
    /// A JWK Set (RFC 7517 section 5) in the policy. Members that RFC 7517 does not name are ignored, as it asks.
    Inline(serde_json::Value),
    /// The issuer's JWK Set, fetched from `uri`.
    Remote(FetchedKeys),
    /// The issuer's JWK Set, fetched from where its OpenID Connect discovery document says that it is.
    Discovery(FetchedKeys),
}

/// How keys are fetched.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchedKeys {
    /// The cluster that is called, by its name in Envoy. It decides about addresses, TLS and certificates.
    pub cluster: String,
    /// The address of the set, with `remote`; of it the cluster sees authority and path.
    #[serde(default)]
    pub uri: Option<String>,
    /// The longest time for which keys are fresh, whatever `Cache-Control` says; 5m when absent.
    #[serde(default)]
    pub refresh: Option<Duration>,
    /// The shortest; 30s when absent.
    #[serde(default)]
    pub min_refresh: Option<Duration>,
    /// How long keys are used that are not fresh any more, while none can be fetched; 1h when absent.
    #[serde(default)]
    pub max_stale: Option<Duration>,
    /// How long one call may take; 2s when absent.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The shortest time between two fetches that tokens of unknown keys ask for; 10s when absent.
    #[serde(default)]
    pub min_interval: Option<Duration>,
    /// How long a request waits for keys; 2s when absent.
    #[serde(default)]
    pub wait: Option<Duration>,
    /// The longest answer; 256KiB when absent.
    #[serde(default)]
    pub max_size: Option<Size>,
    /// The most keys in a set; 64 when absent.
    #[serde(default)]
    pub max_keys: Option<usize>,
    /// What authenticates the keys that workers share. Without it each module of the same VM id is trusted.
    #[serde(default)]
    pub shared_key: Option<Secret>,
}

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

/// API keys in one place of a request: `header`, `query` or `cookie`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    /// The request header that carries the key, after `Bearer` in `authorization`, alone in any other.
    #[serde(default)]
    pub header: Option<String>,
    /// The word before the key in the header, in any case, instead of `Bearer` or none: `Token`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The query parameter that carries the key, instead of a header. It stands in access logs and histories, and is taken
    /// out of every request: let nothing behind us have a parameter of that name.
    #[serde(default)]
    pub query: Option<String>,
    /// The cookie that carries the key, instead of a header. Browsers send it with what other sites ask for, too.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The keys, or files that hold them.
    // `policy::load` refuses what names a file still: only the command line can read one.
    #[schemars(with = "KeyList")]
    pub keys: Vec<ApiKey>,
    /// The roles these keys may confer; all others they name are ignored. All when absent.
    #[serde(default)]
    pub accept_roles: Option<Vec<String>>,
    /// Whether the upstream gets the key.
    #[serde(default)]
    pub forward: bool,
}

/// Keys as a policy may write them before `carewarden build` has put files in.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum KeyList {
    /// A file.
    File(KeyFile),
    /// Keys and files.
    List(#[schemars(length(min = 1))] Vec<KeyOrFile>),
}

/// A key, or a file that holds some.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum KeyOrFile {
    /// A key.
    Key(ApiKey),
    /// A file.
    File(KeyFile),
}

/// A file with a JSON array of keys. `carewarden build` puts its content in its place, since Envoy gives a module no
/// files to read; `check` and `test` read it too.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct KeyFile {
    /// Where the file is, seen from the policy's directory.
    file: String,
}

/// One API key.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Whose key it is. A client may have several, so that keys can be rotated.
    pub client: String,
    /// A name for the key in records and metrics: letters, digits, `-`, `_`; the first eight digits of the hash when
    /// absent.
    #[serde(default)]
    pub id: Option<String>,
    /// SHA-256 of the key, in hexadecimal (`carewarden keygen`).
    pub sha256: Sha256Hex,
    /// The roles that the key confers.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The names of the routes where the key may be used; all when absent.
    #[serde(default)]
    pub routes: Option<Vec<String>>,
    /// The key is refused before this moment.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// The key is refused from this moment on.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// Who is to be asked about the key, for those who rotate it. Nothing else comes of it.
    #[serde(default)]
    pub owner: Option<String>,
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
