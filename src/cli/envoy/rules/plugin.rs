//! How our module is loaded, and what it is given.

use super::Rule;
use crate::policy::diagnostic::Severity::{Error, Warning};

/// What finds a secret that is written where all may read it.
pub(in crate::cli) const SECRET_IN_CONFIGURATION: &str = "secret-in-configuration";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "fail-open",
        severity: Error,
        why: "when the module cannot start or has failed, requests pass unjudged",
        help: "write `failure_policy: FAIL_RELOAD`: what comes meanwhile gets 503",
        find: |scene, found| {
            for at in scene.plugins.iter().map(|plugin| plugin.at) {
                if at.is_one("failure_policy", "FAIL_OPEN", "3") {
                    found.report(at.get("failure_policy").unwrap_or(at), "`failure_policy` is FAIL_OPEN");
                }
                if at.is_true("fail_open") {
                    found.report(at.get("fail_open").unwrap_or(at), "`fail_open` is set");
                }
            }
        },
    },
    Rule {
        code: "no-reload",
        severity: Warning,
        why: "a worker whose module has failed answers 503 until Envoy is started again",
        help: "write `failure_policy: FAIL_RELOAD`",
        find: |scene, found| {
            for at in scene.plugins.iter().map(|plugin| plugin.at).filter(|at| !at.is_true("fail_open")) {
                let policies = [("FAIL_OPEN", "3"), ("FAIL_RELOAD", "1")];
                if !policies.iter().any(|(name, number)| at.is_one("failure_policy", name, number)) {
                    found.report(at.get("failure_policy").unwrap_or(at), "`failure_policy` is not FAIL_RELOAD");
                }
            }
        },
    },
    Rule {
        code: "headers-not-held",
        severity: Error,
        why: "a request's head goes upstream while its body is still being judged",
        help: "write `allow_on_headers_stop_iteration: true` (Envoy 1.35 or later)",
        find: |scene, found| {
            let held = "allow_on_headers_stop_iteration";
            for at in scene.plugins.iter().map(|plugin| plugin.at).filter(|at| !at.is_true(held)) {
                found.report(at.get(held).unwrap_or(at), format!("`{held}` is not true"));
            }
        },
    },
    Rule {
        code: "restricted",
        severity: Error,
        why: "what is not allowed there is not called, and without `proxy_on_request_headers` requests pass unjudged",
        help: "take `capability_restriction_config` out",
        find: |scene, found| {
            for at in scene.plugins.iter().filter_map(|plugin| plugin.at.get("capability_restriction_config")) {
                found.report(at, "`capability_restriction_config` says what Envoy may call of the module");
            }
        },
    },
    Rule {
        code: "blank-vm-id",
        severity: Error,
        why: "keys and tokens are shared with every module that has none either, and written by it",
        help: "give the plugin a `vm_config.vm_id` of its own, and another one when a secret changes",
        find: |scene, found| {
            for at in scene.plugins.iter().map(|plugin| plugin.at) {
                if at.text_at("vm_config/vm_id").unwrap_or_default().trim().is_empty() {
                    let place = at.at("vm_config/vm_id").or_else(|| at.get("vm_config")).unwrap_or(at);
                    found.report(place, "there is no `vm_id`");
                }
            }
        },
    },
    Rule {
        code: "shared-vm",
        severity: Warning,
        why: "it can write the keys that tokens are verified with",
        help: "give it another `vm_id`, or set `shared_key` in the policy",
        find: |scene, found| {
            for plugin in scene.plugins.iter().filter(|plugin| !plugin.needs.signs_shared) {
                let id = plugin.at.text_at("vm_config/vm_id").unwrap_or_default();
                let others = scene.strangers.iter().filter(|other| other.text_at("vm_config/vm_id") == Some(id));
                for other in others.filter(|_| !id.is_empty()) {
                    found.report(other.at("vm_config/vm_id").unwrap_or(*other), "another module has Carewarden's `vm_id`");
                }
            }
        },
    },
    Rule {
        code: SECRET_IN_CONFIGURATION,
        severity: Error,
        why: "whoever reads this file or `/config_dump` can make tokens, or tell who is behind a hash",
        help: "name it under `host_env_keys`, and set it in Envoy's environment",
        find: |scene, found| {
            for plugin in &scene.plugins {
                let values = plugin.at.at("vm_config/environment_variables/key_values");
                for (name, at) in values.into_iter().flat_map(|values| values.members()) {
                    if plugin.needs.secrets.contains(name) {
                        found.report(at, format!("the secret `{name}` is written under `key_values`"));
                    }
                }
            }
        },
    },
    Rule {
        code: "secret-not-passed",
        severity: Warning,
        why: "what it would verify is refused, what it would hash is removed",
        help: "list it under `vm_config.environment_variables.host_env_keys`",
        find: |scene, found| {
            for plugin in &scene.plugins {
                let Some(config) = plugin.at.get("vm_config") else { continue };
                let named = config.list("environment_variables/host_env_keys").filter_map(|at| at.text());
                let written = config.at("environment_variables/key_values");
                let written = written.into_iter().flat_map(|values| values.members()).map(|(name, _)| name);
                let passed: Vec<&str> = named.chain(written).collect();
                let place = config.at("environment_variables/host_env_keys").unwrap_or(config);
                for name in plugin.needs.secrets.iter().filter(|name| !passed.contains(&name.as_str())) {
                    found.report(place, format!("the policy's secret `{name}` does not reach the module"));
                }
            }
        },
    },
    Rule {
        code: "no-policy",
        severity: Error,
        why: "the module refuses it, and an Envoy that starts so serves nothing, or what it had before",
        help: "write it as the `value` of a google.protobuf.StringValue, as envoy/filter.yaml.in does",
        find: |scene, found| {
            for plugin in scene.plugins.iter().filter(|plugin| plugin.policy.is_none()) {
                let configuration = plugin.at.get("configuration");
                let what = match configuration.and_then(|at| at.typed()) {
                    Some(typed) if typed.is("Struct") => {
                        "the policy is a Struct, which arrives as something else than JSON"
                    }
                    Some(_) => "the policy is no StringValue",
                    None => "there is no policy",
                };
                found.report(configuration.unwrap_or(plugin.at), what);
            }
        },
    },
];
