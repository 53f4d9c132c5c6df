//! `carewarden check --envoy`. What is found is for the library's tests; here is how it is told.

use std::path::PathBuf;

use crate::{assert_code, carewarden, text};

const BASE: &str = "tests/fixtures/cli/envoy/base.yaml";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The base with something else in it, as a file.
fn changed(name: &str, old: &str, new: &str) -> PathBuf {
    let base = std::fs::read_to_string(BASE).unwrap();
    assert!(base.contains(old), "{old}");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.yaml"));
    std::fs::write(&path, base.replacen(old, new, 1)).unwrap();
    path
}

#[test]
fn a_configuration_that_lets_nothing_past_is_fine() {
    let output = carewarden(&["check", "--envoy", BASE], &[], b"");
    assert_code(&output, 0);
    assert_eq!(text(&output.stdout), format!("{BASE}: ok, 0 errors, 0 warnings\n"));
}

#[test]
fn what_lets_traffic_past_is_refused_with_its_place_its_reason_and_its_mend() {
    let path = changed("open", "failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN");
    let output = carewarden(&["check", "--envoy", path.to_str().unwrap()], &[], b"");
    assert_code(&output, 1);
    let expected = format!(
        "error[fail-open]: `failure_policy` is FAIL_OPEN: when the module cannot start or has failed, requests pass unjudged
  --> {}:51:41 /static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/failure_policy
  |                         failure_policy: FAIL_OPEN
  |                                         ^
  help: write `failure_policy: FAIL_RELOAD`: what comes meanwhile gets 503

",
        path.display()
    );
    let out = text(&output.stdout);
    assert!(out.starts_with(&expected), "{out}");
    assert!(out.ends_with(": refused, 1 errors, 0 warnings\n"), "{out}");
}

#[test]
fn a_warning_alone_is_no_refusal() {
    let path = changed("closed", "failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED");
    let output = carewarden(&["check", "--envoy", path.to_str().unwrap()], &[], b"");
    assert_code(&output, 0);
    assert!(text(&output.stdout).contains("warning[no-reload]"), "{}", text(&output.stdout));
}

#[test]
fn a_secret_that_stands_in_a_configuration_is_not_repeated() {
    let values = format!("{{ key_values: {{ AUDIT_KEY: {SECRET} }} }}");
    let path = changed("secret", "{ host_env_keys: [AUDIT_KEY] }", &values);
    for format in ["text", "json"] {
        let output = carewarden(&["check", "--format", format, "--envoy", path.to_str().unwrap()], &[], b"");
        assert_code(&output, 1);
        let out = text(&output.stdout);
        assert!(out.contains("secret-in-configuration") && !out.contains(SECRET), "{out}");
    }
}

#[test]
fn each_file_that_was_followed_is_told_of() {
    let base = std::fs::read_to_string(BASE).unwrap();
    let (before, rest) = base.split_once("                  - name: carewarden\n").unwrap();
    let (inline, _) = rest.split_once("                  - name: envoy.filters.http.router").unwrap();
    assert!(before.ends_with("http_filters:\n"));
    let discovery = "                    config_discovery:
                      config_source: { path_config_source: { path: ours.yaml }, resource_api_version: V3 }
                      type_urls: [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm]
";
    let path = changed("discovered", inline, discovery);
    let filter = std::fs::read_to_string("tests/fixtures/cli/envoy/filter.yaml").unwrap();
    // Beside the file that names it.
    let beside = path.with_file_name("ours.yaml");
    std::fs::write(&beside, filter.replace("FAIL_RELOAD", "FAIL_OPEN")).unwrap();
    let output = carewarden(&["check", "--format", "json", "--envoy", path.to_str().unwrap()], &[], b"");
    assert_code(&output, 1);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let files: Vec<_> = found.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, [path.to_str().unwrap(), beside.to_str().unwrap()]);
    assert_eq!(found[0]["diagnostics"], serde_json::json!([]));
    assert_eq!(
        (&found[1]["diagnostics"][0]["code"], &found[1]["diagnostics"][0]["line"]),
        (&"fail-open".into(), &11.into())
    );
}

#[test]
fn the_secrets_of_the_policy_are_asked_for_where_someone_asks() {
    let secrets = [("AUDIT_KEY", SECRET)];
    assert_code(&carewarden(&["check", "--require-env", "--envoy", BASE], &[], b""), 1);
    assert_code(&carewarden(&["check", "--require-env", "--envoy", BASE], &secrets, b""), 0);
    assert_code(&carewarden(&["check", "--envoy", BASE], &[("AUDIT_KEY", "short")], b""), 1);
}

#[test]
fn what_cannot_be_read_or_means_nothing_ends_with_two() {
    for arguments in [&["check"][..], &["check", "--envoy", "absent.yaml"], &["check", "--filter", "x", "policies/clinic"]]
    {
        let output = carewarden(arguments, &[], b"");
        assert_code(&output, 2);
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}
