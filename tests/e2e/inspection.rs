//! Inspection on a real Envoy: attacks stop before the upstream, ordinary requests do not, and records name the rules.

use std::sync::LazyLock;

use serde_json::json;

use crate::stage::{BILLING, Stage, clinic_with, physician};
use crate::support::client::PROTOCOLS;
use crate::support::envoy::Options;
use crate::support::message::Request;

fn stage(inspect: &serde_json::Value) -> Stage {
    let policy = clinic_with(|policy| policy["defaults"]["request"]["inspect"] = inspect.clone());
    Stage::new(Options::with_policy(&policy))
}
