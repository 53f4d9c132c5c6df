//! Where the keys of an issuer come from.

use schemars::JsonSchema;

use crate::policy::model::units::{Duration, Secret, Size};

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
