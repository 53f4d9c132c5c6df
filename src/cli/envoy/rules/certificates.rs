//! Client certificates that the policy takes for credentials.

use super::Rule;
use crate::cli::envoy::document::At;
use crate::cli::envoy::scene::Scene;
use crate::policy::diagnostic::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "untrusted-certificates",
        severity: Error,
        why: "anybody writes a certificate with the name that a provider of type `mtls` believes",
        help: "give `validation_context` a `trusted_ca`, and leave `trust_chain_verification` as it is",
        find: |scene, found| {
            for context in contexts(scene) {
                let validations = validations(context);
                for validation in &validations {
                    if validation.is_one("trust_chain_verification", "ACCEPT_UNTRUSTED", "1") {
                        found.report(
                            validation.get("trust_chain_verification").unwrap_or(*validation),
                            "client certificates that nobody signed are accepted",
                        );
                    }
                    if validation.is_true("allow_expired_certificate") {
                        found.report(
                            validation.get("allow_expired_certificate").unwrap_or(*validation),
                            "client certificates are accepted after their end",
                        );
                    }
                }
                let demands = context.is_true("require_client_certificate");
                if demands && !is_validated(context) {
                    found.report(context, "client certificates are asked for and not validated");
                }
            }
        },
    },
    Rule {
        code: "certificates-not-asked",
        severity: Warning,
        why: "a client may leave its certificate out, and then only other credentials count",
        help: "write `require_client_certificate: true`, with a `validation_context` that has a `trusted_ca`",
        find: |scene, found| {
            for context in contexts(scene).into_iter().filter(|context| !context.is_true("require_client_certificate")) {
                let place = context.get("require_client_certificate").unwrap_or(context);
                found.report(place, "the policy has a provider of type `mtls`, and no certificate is demanded");
            }
        },
    },
];

/// The TLS of the chains where certificates are credentials.
fn contexts<'d>(scene: &Scene<'d>) -> Vec<At<'d>> {
    scene.guards().filter(|(_, _, plugin)| plugin.needs.certificates).filter_map(|(chain, ..)| chain.tls()).collect()
}

/// How certificates of a peer are validated.
pub(super) fn validations(context: At<'_>) -> Vec<At<'_>> {
    let places = ["validation_context", "combined_validation_context/default_validation_context"];
    let common = context.get("common_tls_context");
    places.iter().filter_map(|place| common?.at(place)).collect()
}

/// Whether a peer's certificate has to come from somebody who is trusted.
pub(super) fn is_validated(context: At<'_>) -> bool {
    let Some(common) = context.get("common_tls_context") else { return false };
    let elsewhere = [
        "validation_context_sds_secret_config",
        "combined_validation_context/validation_context_sds_secret_config",
        "validation_context_certificate_provider_instance",
    ];
    let here = ["trusted_ca", "ca_certificate_provider_instance", "custom_validator_config", "system_root_certs"];
    let pins = ["verify_certificate_spki", "verify_certificate_hash"];
    elsewhere.iter().any(|place| common.at(place).is_some())
        || validations(context).into_iter().any(|validation| {
            here.iter().any(|field| validation.get(field).is_some())
                || pins.iter().any(|field| validation.list(field).next().is_some())
        })
}
