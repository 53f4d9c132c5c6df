//! On what was measured.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use serde_json::Value;

use crate::support::envoy::Envoy;

/// Processor, kernel and Envoy.
pub(crate) fn describe(envoy: &Envoy) -> BTreeMap<&'static str, String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let envoy: Value = serde_json::from_str(&envoy.admin("/server_info")).unwrap_or_default();
    BTreeMap::from([
        ("processor", model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())),
        ("processors", thread::available_parallelism().map_or_else(|_| String::new(), |count| count.to_string())),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("envoy", envoy["version"].as_str().unwrap_or_default().to_owned()),
    ])
}
