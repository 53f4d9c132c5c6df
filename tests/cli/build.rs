//! `build`, and policies whose keys stand in files.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{ROOT, assert_code, carewarden, text};

const KEYS: &str = "tests/fixtures/cli/keys";

/// A directory for one test.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("build-{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A policy with these keys, in a directory of its own.
fn policy(name: &str, keys: &str) -> String {
    let directory = directory(name);
    let text = format!(
        r#"{{"version": 1, "name": "x", "authentication": {{"p": {{"type": "api_key", "header": "x-api-key", "keys": {keys}}}}},
        "routes": [{{"name": "r", "match": {{"paths": ["/**"]}}, "authenticate": {{"any": ["p"]}}, "authorize": [{{"allow": {{}}}}]}}]}}"#
    );
    fs::write(directory.join("policy.json"), text).unwrap();
    directory.to_str().unwrap().to_owned()
}

fn key(client: &str) -> String {
    let digits: String = Sha256::digest(client).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(r#"{{ "client": "{client}", "sha256": "{digits}" }}"#)
}

#[test]
fn the_keys_of_files_are_put_in_and_all_else_stays_as_it_is() {
    let output = carewarden(&["build", KEYS], &[], b"");
    assert_code(&output, 0);
    let written = fs::read_to_string(Path::new(ROOT).join(KEYS).join("policy.json")).unwrap();
    let built = text(&output.stdout);
    // Line by line, since what is put in stands where it was named.
    assert_eq!(written.lines().count(), built.lines().count());
    let lines = written.lines().zip(built.lines()).enumerate();
    let changed: Vec<_> = lines.filter(|(_, (before, after))| before != after).map(|(line, _)| line + 1).collect();
    assert_eq!(changed, [5, 11, 12]);
    let document: serde_json::Value = serde_json::from_str(built).unwrap();
    let clients = |provider: &str| -> Vec<String> {
        let keys = document["authentication"][provider]["keys"].as_array().unwrap();
        keys.iter().map(|key| key["client"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(clients("all-of-them"), ["billing-co", "research-co"]);
    assert_eq!(clients("some"), ["first-co", "second-co", "third-co", "last-co"]);
    assert!(!built.contains("\"file\""));
}

#[test]
fn what_names_no_file_is_built_byte_for_byte() {
    for policy in ["policies/clinic", "policies/minimal/policy.json"] {
        let output = carewarden(&["build", policy], &[], b"");
        assert_code(&output, 0);
        let path = Path::new(ROOT).join(policy);
        let path = if path.is_dir() { path.join("policy.json") } else { path };
        assert_eq!(output.stdout, fs::read(path).unwrap());
    }
}

#[test]
fn what_was_built_is_what_is_checked_and_tested() {
    assert_code(&carewarden(&["check", KEYS], &[], b""), 0);
    assert_code(&carewarden(&["test", "--require-reached", KEYS], &[], b""), 0);
    let directory = directory("built");
    let built = directory.join("policy.json");
    assert_code(&carewarden(&["build", "--output", built.to_str().unwrap(), KEYS], &[], b""), 0);
    fs::copy(Path::new(ROOT).join(KEYS).join("tests.json"), directory.join("tests.json")).unwrap();
    assert_code(&carewarden(&["test", "--require-reached", directory.to_str().unwrap()], &[], b""), 0);
    let again = carewarden(&["build", directory.to_str().unwrap()], &[], b"");
    assert_eq!(again.stdout, fs::read(built).unwrap());
}

#[test]
fn what_is_wrong_in_a_file_is_found_at_the_key_and_on_the_line_that_names_the_file() {
    let policy = policy("wrong", "\n\n{ \"file\": \"keys.json\" }\n");
    let keys = format!("[\n{},\n{{ \"client\": \"x\",\n \"sha265\": \"\" }}\n]\n", key("a"));
    fs::write(Path::new(&policy).join("keys.json"), keys).unwrap();
    let output = carewarden(&["check", "--format", "json", &policy], &[], b"");
    assert_code(&output, 1);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found[0]["diagnostics"].as_array().unwrap();
    assert!(found.iter().all(|one| one["line"] == 3), "{found:?}");
    assert_eq!(found[0]["pointer"], "/authentication/p/keys/1/sha265");
    let output = carewarden(&["build", &policy], &[], b"");
    assert_code(&output, 1);
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("sha265"));
}

#[test]
fn a_file_that_is_no_list_of_keys_cannot_be_used() {
    let nested = format!(r#"[{}, {{ "file": "keys.json" }}]"#, key("a"));
    let two_lists = format!("[{}], [{}]", key("a"), key("b"));
    for (name, content, code) in [
        ("absent", None, 2),
        ("empty", Some(""), 2),
        ("none", Some("[]"), 2),
        ("object", Some("{}"), 2),
        ("text", Some("\"keys\""), 2),
        ("two-lists", Some(two_lists.as_str()), 2),
        ("nested", Some(nested.as_str()), 1),
        ("no-keys", Some("[1]"), 1),
    ] {
        for keys in [r#"{"file": "keys.json"}"#.to_owned(), format!(r#"[{}, {{"file": "keys.json"}}]"#, key("z"))] {
            let policy = policy(name, &keys);
            if let Some(content) = content {
                fs::write(Path::new(&policy).join("keys.json"), content).unwrap();
            }
            for command in ["build", "check"] {
                let output = carewarden(&[command, &policy], &[], b"");
                assert_code(&output, code);
            }
        }
    }
}

#[test]
fn a_reference_that_says_more_than_the_file_is_refused() {
    let policy = policy("more", r#"{"file": "keys.json", "client": "x"}"#);
    fs::write(Path::new(&policy).join("keys.json"), format!("[{}]", key("a"))).unwrap();
    let output = carewarden(&["check", &policy], &[], b"");
    assert_code(&output, 1);
    assert!(text(&output.stdout).contains("error[not-supported]"), "{}", text(&output.stdout));
}

#[test]
fn ten_thousand_keys_come_from_a_file() {
    let policy = policy("many", r#"{"file": "keys.json"}"#);
    let keys: Vec<String> = (0..10_000).map(|number| key(&format!("client-{number}"))).collect();
    fs::write(Path::new(&policy).join("keys.json"), format!("[\n{}\n]", keys.join(",\n"))).unwrap();
    let cases: Vec<_> = ["client-0", "client-9999", "client-10000"]
        .map(|key| {
            let decision = if key == "client-10000" { "deny" } else { "allow" };
            serde_json::json!({
                "name": key,
                "request": { "host": "a", "path": "/", "headers": { "x-api-key": key } },
                "expect": { "decision": decision },
            })
        })
        .into();
    let suite = serde_json::json!({ "now": "2026-11-23T12:00:00Z", "cases": cases });
    fs::write(Path::new(&policy).join("tests.json"), suite.to_string()).unwrap();
    assert_code(&carewarden(&["test", &policy], &[], b""), 0);
}

#[test]
fn the_schema_takes_files_of_keys() {
    let schema: serde_json::Value = serde_json::from_slice(&carewarden(&["schema"], &[], b"").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join(KEYS).join("policy.json")).unwrap();
    let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(validator.is_valid(&policy));
    let mut other = policy.clone();
    other["authentication"]["some"]["keys"][1]["path"] = "x".into();
    assert!(!validator.is_valid(&other));
}
