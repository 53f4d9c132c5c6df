//! `carewarden explain`: what it says of a request, and how it ends. That it agrees with the engine over every case of every
//! suite is tested beside its code.

use serde::Deserialize;
use serde_json::Value;

use super::{assert_code, carewarden, text};

/// A case of `tests/fixtures/cli/explain.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    request: Option<Value>,
    #[serde(default)]
    file: Option<String>,
    code: i32,
    reason: String,
    /// What the text holds.
    says: Vec<String>,
}

const NOW: &str = "2026-11-23T12:00:00Z";
const SECRET: (&str, &str) = ("PHI_KEY", "0123456789abcdef0123456789abcdef");

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../fixtures/cli/explain.json")).unwrap();
    assert!(cases.len() >= 12);
    cases
}

fn explain(case: &Case, more: &[&str]) -> std::process::Output {
    let policy = case.policy.as_deref().unwrap_or("policies/clinic");
    let fixed = ["explain", "--policy", policy, "--now", NOW];
    let file: Vec<&str> = case.file.iter().map(String::as_str).collect();
    let input = case.request.as_ref().map(Value::to_string).unwrap_or_default();
    carewarden(&[&fixed[..], more, &file].concat(), &[SECRET], input.as_bytes())
}

#[test]
fn the_text_says_why() {
    for case in cases() {
        let output = explain(&case, &[]);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(case.code), "{}: {out}{}", case.name, text(&output.stderr));
        for part in &case.says {
            assert!(out.contains(part), "{}: `{part}` in {out}", case.name);
        }
        assert!(!out.contains('\x1b'), "{}: colour in a pipe", case.name);
    }
}

#[test]
fn json_is_one_step_a_line_and_the_decision_last() {
    for case in cases() {
        let output = explain(&case, &["--format", "json"]);
        let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (last, steps) = lines.split_last().unwrap();
        assert!(steps.iter().all(|step| step["step"].is_string() && step["result"].is_string()), "{}", case.name);
        assert_eq!(last["reason"], case.reason.as_str(), "{}: {last}", case.name);
        assert_eq!((&last["record"]["reason"], &last["record"]["decision"]), (&last["reason"], &last["decision"]));
        let refusals: Vec<_> = steps.iter().filter(|step| step["result"] == "refuses").collect();
        match case.code {
            0 => assert!(refusals.is_empty() && last["refused_by"].is_null(), "{}: {refusals:?}", case.name),
            _ => {
                assert_eq!(refusals.last().unwrap()["reason"], last["reason"], "{}", case.name);
                assert!(refusals.contains(&&last["refused_by"]), "{}", case.name);
            }
        }
    }
}

#[test]
fn a_case_of_a_suite_is_explained_at_its_moment_and_in_its_environment() {
    let case = |name: &str| carewarden(&["explain", "--policy", "policies/clinic", "--case", name], &[], b"");
    let output = case("billing sees a patient without what it has no need of");
    assert_code(&output, 0);
    assert!(text(&output.stdout).contains("Patient.identifier[0].value: hashed"), "{}", text(&output.stdout));
    assert_code(&case("a guessed key opens nothing"), 1);
    assert_code(&case("no such case"), 2);
}

#[test]
fn a_token_is_explained_check_by_check_and_never_repeated() {
    let token = include_str!("../fixtures/cli/token.txt").trim();
    let signature = token.rsplit('.').next().unwrap();
    let request = serde_json::json!({
        "path": "/fhir/Patient/1", "host": "fhir.clinic.example", "source": "198.51.100.7",
        "headers": { "authorization": format!("Bearer {token}"), "user-agent": "a\u{1b}[2Jb" },
    });
    let run = |now: &str, format: &str| {
        let policy = "tests/fixtures/e2e/clinic.json";
        let arguments = ["explain", "--policy", policy, "--now", now, "--format", format];
        carewarden(&arguments, &[], request.to_string().as_bytes())
    };
    for format in ["text", "json"] {
        let good = run("2027-01-15T08:01:00Z", format);
        assert_code(&good, 0);
        let late = run("2027-01-16T08:01:00Z", format);
        assert_code(&late, 1);
        assert!(text(&late.stdout).contains("token_expired"), "{}", text(&late.stdout));
        for output in [good, late] {
            let out = text(&output.stdout);
            assert!(!out.contains(signature) && !out.contains('\x1b'), "{out}");
        }
    }
    assert!(text(&run("2027-01-16T08:01:00Z", "text").stdout).contains("exp: expired 23 h"));
}

#[test]
fn a_key_is_never_repeated() {
    let clinic = "policies/clinic";
    let places = "tests/fixtures/exchange/places";
    for (policy, path, header, key) in [
        (clinic, "/fhir/Patient/1", Some("x-api-key"), "billing-test-key"),
        (clinic, "/fhir/Patient/1", Some("x-api-key"), "guessed-and-secret"),
        (clinic, "/fhir/Patient/1", Some("authorization"), "Bearer guessed.and.secret"),
        (clinic, "/fhir/Patient/1", Some("authorization"), "guessed-and-secret"),
        (places, "/query?api_key=guessed-and-secret", None, "guessed-and-secret"),
        (places, "//query?API_KEY=guessed-and-secret", None, "guessed-and-secret"),
        (places, "/query?a=b;api_key=guessed-and-secret", None, "guessed-and-secret"),
        (places, "/cookie", Some("cookie"), "session=guessed-and-secret"),
    ] {
        let mut request = serde_json::json!({ "path": path, "host": "fhir.clinic.example", "source": "198.51.100.7" });
        if let Some(header) = header {
            request["headers"] = serde_json::json!({ header: key });
        }
        for format in ["text", "json"] {
            let arguments = ["explain", "--policy", policy, "--now", NOW, "--format", format];
            let output = carewarden(&arguments, &[], request.to_string().as_bytes());
            let out = text(&output.stdout);
            assert!(!out.contains("secret") && !out.contains(key) && out.contains("path"), "{path}: {out}");
        }
    }
}

#[test]
fn what_is_no_request_ends_with_two() {
    let explain = |policy: &str, input: &str| carewarden(&["explain", "--policy", policy], &[], input.as_bytes());
    let good = r#"{"path": "/", "host": "x"}"#;
    for (policy, input) in [
        ("policies/clinic", ""),
        ("policies/clinic", "[]"),
        ("policies/clinic", r#"{"path": "/"}"#),
        ("policies/clinic", r#"{"path": "/", "host": "x", "bogus": 1}"#),
        ("policies/clinic", r#"{"path": "/", "host": "x", "response": {"bogus": 1}}"#),
        ("policies/clinic", r#"{"path": "/", "host": "x", "principal": {"provider": "bogus"}}"#),
        ("policies/absent", good),
        ("tests/fixtures/cli/broken.json", good),
    ] {
        let output = explain(policy, input);
        assert_code(&output, 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{policy} {input}");
    }
}

#[test]
fn keys_of_a_file_stand_in_for_those_that_a_policy_fetches() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain");
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, content: String| {
        std::fs::write(directory.join(name), content).unwrap();
        directory.join(name).to_str().unwrap().to_owned()
    };
    let mut policy: Value = serde_json::from_str(include_str!("../fixtures/e2e/clinic.json")).unwrap();
    let remote = serde_json::json!({ "remote": { "cluster": "idp", "uri": "https://idp.clinic.example/jwks" } });
    let keys = std::mem::replace(&mut policy["authentication"]["smart"]["jwks"], remote);
    let (keys, policy) = (file("keys.jwks", keys["inline"].to_string()), file("policy.json", policy.to_string()));
    let token = include_str!("../fixtures/cli/token.txt").trim();
    let request = format!(
        r#"{{"path": "/fhir/Patient/1", "host": "fhir.clinic.example", "headers": {{"authorization": "Bearer {token}"}}}}"#
    );
    let arguments = ["explain", "--policy", &policy, "--now", "2027-01-15T08:01:00Z"];
    let fetched = carewarden(&arguments, &[], request.as_bytes());
    assert_code(&fetched, 1);
    assert!(text(&fetched.stdout).contains("identity_unavailable"), "{}", text(&fetched.stdout));
    let given = carewarden(&[&arguments[..], &["--jwks", &keys]].concat(), &[], request.as_bytes());
    assert_code(&given, 0);
    assert!(text(&given.stdout).contains("ok   provider smart"), "{}", text(&given.stdout));
}
