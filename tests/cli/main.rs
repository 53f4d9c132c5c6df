//! The command line as its users meet it: what it prints, how it ends, and the suites that policies carry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod envoy;
mod explain;
mod inspect;
mod redact;
mod runbook;
mod token;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `carewarden` from the root of the repository.
fn carewarden(arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Output {
    run_in(Path::new(ROOT), arguments, environment, input)
}

fn run_in(directory: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carewarden"));
    command.args(arguments).current_dir(directory).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses early closes its input before all of it was written.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// Every directory with a `tests.json` below these.
fn suites() -> Vec<PathBuf> {
    let parents = ["policies", "tests/fixtures/exchange"].map(|parent| Path::new(ROOT).join(parent));
    let entries = parents.iter().flat_map(|parent| std::fs::read_dir(parent).unwrap());
    let found: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|dir| dir.join("tests.json").exists()).collect();
    assert!(found.len() >= 6, "{found:?}");
    found
}

#[test]
fn every_suite_passes_and_reaches_all_there_is() {
    for suite in suites() {
        let output = carewarden(&["test", "--require-reached", suite.to_str().unwrap()], &[], b"");
        assert_code(&output, 0);
        assert!(!text(&output.stdout).contains("\n0 passed"), "{}", suite.display());
    }
}

#[test]
fn every_policy_checks_without_an_error() {
    for suite in suites() {
        assert_code(&carewarden(&["check", suite.to_str().unwrap()], &[], b""), 0);
    }
}

#[test]
fn check_says_where_and_what_to_do() {
    let output = carewarden(&["check", "tests/fixtures/cli/broken.json"], &[], b"");
    assert_code(&output, 1);
    let expected = "\
error[unknown-key]: unknown key `athorize`
  --> tests/fixtures/cli/broken.json:9:19 /routes/0/athorize
  |       \"athorize\": [{ \"allow\": {} }]
  |                   ^
  help: did you mean `authorize`?
";
    assert!(text(&output.stdout).contains(expected), "{}", text(&output.stdout));
    assert!(!output.stdout.contains(&0x1b), "colour in a pipe");
}

#[test]
fn a_line_with_a_pasted_secret_is_not_quoted() {
    let directory = std::env::temp_dir().join(format!("carewarden-pasted-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let policy = serde_json::json!({
        "version": 1,
        "name": "pasted",
        "authentication": {
            "a": { "type": "jwt", "issuer": "https://i.example", "audiences": ["a"], "algorithms": ["HS256"],
                "secret": { "env": "Pasted+/=" } },
            "b": { "type": "jwt", "issuer": "https://j.example", "audiences": ["a"], "algorithms": ["RS256"],
                "jwks": "Pasted" },
            "c": { "type": "jwt", "issuer": "https://k.example", "audiences": ["a"], "algorithms": ["RS256"],
                "jwks": { "remote": { "cluster": "c", "uri": "https://u:Pasted@k.example/" } } },
            "d": { "type": "api_key", "header": "x-api-key", "keys": [
                { "client": "c", "sha256": "Pasted" },
                { "client": "d", "sha256": "0c41039f967c66fb651f92bf899c5c5649c2c730fd774edbd3945fda20a4ca5c",
                    "not_after": "Pasted" }] },
            "e": { "type": "introspection", "cluster": "c", "uri": "https://u:Pasted@x.example/", "client_id": "e",
                "client_secret": "Pasted", "audiences": ["a"] }
        },
        "redaction": { "p": { "rules": [{ "path": "Patient.id", "action": { "hash": { "key": { "env": "Pasted!" } } } }] } },
        "routes": [{ "name": "r", "match": { "paths": ["/**"] }, "authenticate": "none", "authorize": [{ "allow": {} }] }],
        "audit": { "key": { "env": "KEY", "previous": "Pasted !" },
            "delivery": { "cluster": "c", "uri": "https://u:Pasted@y.example/", "authorization": "Bearer Pasted" } }
    });
    let lines = directory.join("lines.json");
    std::fs::write(&lines, serde_json::to_string_pretty(&policy).unwrap()).unwrap();
    let line = directory.join("line.json");
    std::fs::write(&line, policy.to_string()).unwrap();
    for file in [lines, line] {
        let output = carewarden(&["check", file.to_str().unwrap()], &[], b"");
        assert_code(&output, 1);
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(said.contains("invalid-value") && !said.contains("Pasted"), "{said}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_written_where_a_secret_belongs_is_not_repeated() {
    let output = carewarden(&["check", "--format", "json", "tests/fixtures/cli/secrets.json"], &[], b"");
    assert_code(&output, 1);
    let out = text(&output.stdout);
    for place in ["/authentication/idp/secret", "/authentication/keys/keys/0/sha256", "/audit/key"] {
        assert!(out.contains(place), "{place} in {out}");
    }
    assert!(!out.contains("Pasted") && !out.contains("1234567890"), "{out}");
}

#[test]
fn what_a_list_names_without_effect_is_found() {
    let output = carewarden(&["check", "--format", "json", "tests/fixtures/cli/lists.json"], &[], b"");
    assert_code(&output, 1);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = found[0]["diagnostics"].as_array().unwrap().iter().filter(|found| found["severity"] == "error");
    let places: Vec<_> = errors.map(|found| found["pointer"].as_str().unwrap().replace("/routes/0/", "")).collect();
    let expected = [
        "request/content_types/1",
        "request/content_types/2",
        "request/body_timeout",
        "response/unredacted_media_types/1",
        "response/unredacted_media_types/2",
        "response/unredacted_media_types/3",
        "response/headers/allow/1",
        "response/headers/allow/2",
        "response/headers/allow/3",
    ];
    assert_eq!(places, expected);
}

#[test]
fn check_writes_json_for_programs() {
    let output = carewarden(&["check", "--format", "json", "tests/fixtures/cli/broken.json"], &[], b"");
    assert_code(&output, 1);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<_> = found[0]["diagnostics"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unknown-key", "missing-secret"]);
}

#[test]
fn a_missing_secret_is_a_warning_until_it_is_asked_for() {
    let policy = "policies/clinic";
    assert_code(&carewarden(&["check", policy], &[], b""), 0);
    assert_code(&carewarden(&["check", "--require-env", policy], &[], b""), 1);
    let secrets = [("PHI_KEY", "0123456789abcdef0123456789abcdef"), ("AUDIT_KEY", "0123456789abcdef0123456789abcdef")];
    assert_code(&carewarden(&["check", "--require-env", policy], &secrets, b""), 0);
}

#[test]
fn what_cannot_run_ends_with_two_and_says_so_on_standard_error() {
    for arguments in
        [&["check", "absent.json"][..], &["test", "absent"], &["bogus"], &["redact", "--policy", "policies/clinic"]]
    {
        let output = carewarden(arguments, &[], b"");
        assert_code(&output, 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_suite_without_cases_fails() {
    let output = carewarden(&["test", "tests/fixtures/cli/empty"], &[], b"");
    assert_code(&output, 1);
}

#[test]
fn a_case_that_fails_is_named_with_what_was_wrong() {
    let output = carewarden(&["test", "tests/fixtures/cli/failing"], &[], b"");
    assert_code(&output, 1);
    let out = text(&output.stdout);
    assert!(out.contains("FAIL wrong about everything") && out.contains("decision: expected deny, got allow"), "{out}");
    assert!(out.contains("unreached route other") && out.ends_with("1 passed, 1 failed\n"), "{out}");
    let output = carewarden(&["test", "--format", "json", "tests/fixtures/cli/failing"], &[], b"");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (found[0]["cases"][0]["passed"].as_bool(), found[0]["cases"][1]["passed"].as_bool()),
        (Some(true), Some(false))
    );
}

#[test]
fn keygen_makes_a_fresh_key_whose_hash_it_agrees_on() {
    let made = |_| {
        let output = carewarden(&["keygen", "--format", "json"], &[], b"");
        assert_code(&output, 0);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let [first, second] = [0, 1].map(made);
    let key = first["key"].as_str().unwrap();
    assert!(key.len() == 43 && first["key"] != second["key"]);
    let hashed = carewarden(&["keygen", "--hash"], &[], format!("{key}\n").as_bytes());
    assert_eq!(text(&hashed.stdout).trim(), first["sha256"].as_str().unwrap());
    assert_code(&carewarden(&["keygen", "--hash"], &[], b"\n"), 2);
}

#[test]
fn the_schema_describes_the_policies() {
    let output = carewarden(&["schema"], &[], b"");
    assert_code(&output, 0);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for suite in suites() {
        let policy = std::fs::read(suite.join("policy.json")).unwrap();
        let policy: serde_json::Value = serde_json::from_slice(&policy).unwrap();
        let problems: Vec<_> = validator.iter_errors(&policy).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", suite.display());
    }
    let broken: serde_json::Value =
        serde_json::from_slice(&std::fs::read("tests/fixtures/cli/broken.json").unwrap()).unwrap();
    assert!(!validator.is_valid(&broken));
}

const SECRET: (&str, &str) = ("PHI_KEY", "0123456789abcdef0123456789abcdef");

fn redact(arguments: &[&str], input: &[u8]) -> Output {
    let fixed = ["redact", "--policy", "policies/clinic", "--profile", "billing"];
    carewarden(&[&fixed[..], arguments].concat(), &[SECRET], input)
}

#[test]
fn redact_streams_a_file_or_standard_input() {
    let patient = br#"{"resourceType":"Patient","id":"1","name":[{"family":"Doe"}],"gender":"male"}"#;
    let output = redact(&[], patient);
    assert_code(&output, 0);
    let (left, tags) = text(&output.stdout).split_once(r#","meta":{"security":["#).unwrap();
    assert_eq!(left, r#"{"resourceType":"Patient","id":"1","gender":"male""#);
    assert!(tags.contains(r#""code":"REDACTED""#) && tags.ends_with("]}}"), "{tags}");
    let from_file = redact(&["tests/demo/patient.json"], b"");
    assert_code(&from_file, 0);
    assert!(!text(&from_file.stdout).contains("Haddad"));
    let lines = redact(&["--as", "fhir+ndjson"], &[&patient[..], b"\n", patient, b"\n"].concat());
    assert_eq!(text(&lines.stdout).lines().count(), 2);
}

#[test]
fn redact_leaves_nothing_that_looks_whole_when_it_refuses() {
    let good = r#"{"resourceType":"Patient","id":"1"}"#;
    for input in ["", "Doe", r#"{"resourceType":"Patient","id":"#, &format!("{good} x"), &format!("{good}{good}"), "[1]"] {
        let output = redact(&[], input.as_bytes());
        assert_code(&output, 1);
        assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_err(), "{input}");
        assert!(!text(&output.stderr).contains("Doe"));
    }
    let output = redact(&["--as", "fhir+ndjson"], format!("{good}\n{good}\n{{\"resourceType\":\"X\"}}\n").as_bytes());
    assert_code(&output, 1);
    let last = text(&output.stdout).lines().last().unwrap_or_default().to_owned();
    assert!(serde_json::from_str::<serde_json::Value>(&last).is_err(), "{last}");
}

#[test]
fn help_has_examples() {
    let commands: [&[&str]; 11] = [
        &[],
        &["check"],
        &["test"],
        &["build"],
        &["explain"],
        &["redact"],
        &["preset"],
        &["keygen"],
        &["schema"],
        &["token"],
        &["token", "mint"],
    ];
    for command in commands {
        let output = carewarden(&[command, &["--help"]].concat(), &[], b"");
        assert_code(&output, 0);
        assert!(text(&output.stdout).contains("Example"), "{command:?}");
    }
}

/// The lines of the README's shell blocks.
fn readme_commands() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: Vec<String> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    commands
}

#[test]
fn every_command_of_the_readme_runs() {
    let ci = std::fs::read_to_string(Path::new(ROOT).join(".ci/run")).unwrap();
    let make: Vec<&str> = ci.lines().filter(|line| line.starts_with("make ")).flat_map(|line| line.split(' ')).collect();
    for command in readme_commands() {
        if let Some(target) = command.strip_prefix("make ") {
            assert!(make.contains(&target), "CI does not run `{command}`");
            continue;
        }
        let words: Vec<&str> = command.split(' ').collect();
        let at = words.iter().position(|word| *word == "--").unwrap();
        let (before, arguments) = words.split_at(at);
        let environment: Vec<_> = before.iter().filter_map(|word| word.split_once('=')).collect();
        let (arguments, input) = match arguments.iter().position(|word| *word == "<") {
            Some(at) => (&arguments[..at], std::fs::read(Path::new(ROOT).join(arguments[at + 1])).unwrap()),
            None => (arguments, Vec::new()),
        };
        let output = carewarden(arguments.get(1..).unwrap(), &environment, &input);
        assert_code(&output, 0);
        assert!(!(output.stdout.is_empty() && output.stderr.is_empty()), "{command}");
    }
}
