//! What is recorded, and where to it is delivered.

use schemars::JsonSchema;
use serde::Deserialize;

use super::units::{Duration, Secret};

/// What is recorded of each exchange.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The key that subjects and resource ids are hashed with. Without it they are left out.
    pub key: Option<Secret>,
    /// Whether each record is also a JSON line in Envoy's log.
    pub log: bool,
    /// Where FHIR AuditEvents of each exchange go. Nowhere when absent.
    pub delivery: Option<Delivery>,
}

/// An audit repository that takes FHIR R4 AuditEvents (IHE BALP), in batches. They say in clear who asked for what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The Envoy cluster that reaches the repository.
    pub cluster: String,
    /// The base address of the repository, `https://…`: batches are posted there.
    pub uri: String,
    /// A bearer token that the repository asks for.
    #[serde(default)]
    pub authorization: Option<Secret>,
    /// How long an event may wait for others to go with: 1s when absent. A full batch goes at once.
    #[serde(default)]
    pub interval: Option<Duration>,
    /// The most events of a batch: 50 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub batch: Option<usize>,
    /// How long the repository may take for a batch: 10s when absent.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The most events that a worker keeps until the repository has them: 10000 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_queue: Option<usize>,
    /// What happens to an exchange that there is no room left for.
    #[serde(default)]
    pub on_overflow: Overflow,
    /// Who says so: the name of this gateway in events, that of the policy when absent.
    #[serde(default)]
    pub source: Option<String>,
    /// Where that is: a name of the site in events; none when absent.
    #[serde(default)]
    pub site: Option<String>,
}

/// What happens to an exchange whose event there is no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It is refused: what cannot be recorded does not happen.
    #[default]
    Refuse,
    /// It goes on, and its event is dropped and counted.
    Drop,
}
