//! Every package that we build from may be used under a licence that we know we can ship with.

#![cfg(test)]

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

/// Licences that ask for no more than their notice.
const ACCEPTED: &[&str] =
    &["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib"];

fn accepted(requirement: &LicenseReq) -> bool {
    requirement.license.id().is_some_and(|id| ACCEPTED.contains(&id.name))
}

/// The packages that a build for this target takes.
fn packages(target: &str) -> Vec<Value> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", target];
    let output = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    serde_json::from_value(metadata["packages"].take()).expect("packages")
}

#[test]
fn every_package_has_an_accepted_licence() {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc runs");
    let host = String::from_utf8(host.stdout).expect("a target");
    let mut packages = packages(host.trim());
    packages.extend(self::packages("wasm32-wasip1"));
    assert!(packages.len() > 50, "only {} packages were looked at", packages.len());

    let refused = packages.iter().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("none");
        let expression = Expression::parse_mode(licence, ParseMode::LAX);
        let fine = expression.is_ok_and(|expression| expression.evaluate(accepted));
        (!fine).then(|| format!("{} {}: {licence}", package["name"], package["version"]))
    });
    let refused: Vec<String> = refused.collect();
    assert!(refused.is_empty(), "licences to look at:\n{}", refused.join("\n"));
}

#[test]
fn a_licence_that_asks_for_more_is_not_accepted() {
    let fine = |licence| Expression::parse_mode(licence, ParseMode::LAX).unwrap().evaluate(accepted);
    assert!(fine("(MIT OR GPL-3.0-only) AND Unicode-3.0"));
    assert!(!fine("GPL-3.0-only"));
    assert!(!fine("MIT AND AGPL-3.0-only"));
}
