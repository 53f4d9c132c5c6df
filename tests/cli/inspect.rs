//! `carewarden inspect` and `carewarden rules`.

use serde_json::Value;

use super::{assert_code, carewarden, text};

const GOOD: &str = r#"{"method": "POST", "path": "/fhir/Patient", "host": "x", "headers": {"content-type": "application/fhir+json"},
    "body": {"resourceType": "Patient", "name": [{"family": "O'Brien"}]}}"#;
const BAD: &str = r#"{"path": "/x?q=1%27%20union%20select%201,2--", "host": "x"}"#;

#[test]
fn each_request_has_a_line_with_its_decision_score_and_rules() {
    let output = carewarden(&["inspect", "--format", "json"], &[], format!("{GOOD}\n{BAD}\n").as_bytes());
    assert_code(&output, 1);
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [good, bad] = lines.as_slice() else { panic!("two lines: {lines:?}") };
    assert_eq!(
        (good["decision"].as_str(), good["score"].as_u64(), good["rules"].as_array().map(Vec::len)),
        (Some("allow"), Some(0), Some(0))
    );
    assert_eq!(bad["decision"], "deny");
    let ids: Vec<_> = bad["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"sqli-union") && bad["score"].as_u64() >= Some(5), "{bad}");
    assert!(bad["rules"].as_array().unwrap().iter().all(|rule| rule["target"] == "query" && rule["place"] == "q"), "{bad}");
}

#[test]
fn the_exit_code_says_whether_all_are_allowed() {
    assert_code(&carewarden(&["inspect", "tests/fixtures/cli/request.json"], &[], b""), 0);
    assert_code(&carewarden(&["inspect"], &[], BAD.as_bytes()), 1);
    for input in ["", "{", r#"{"path": 5}"#, r#"{"bogus": 1}"#] {
        let output = carewarden(&["inspect"], &[], input.as_bytes());
        assert_code(&output, 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{input}");
    }
}

#[test]
fn what_has_no_one_meaning_is_denied_with_a_reason() {
    for (request, reason) in [
        (r#"{"path": "/a%2f..", "host": "x"}"#, "ambiguous_path"),
        (r#"{"path": "/?a=%zz", "host": "x"}"#, "malformed_query"),
        (
            r#"{"path": "/", "method": "POST", "headers": {"content-type": "application/json"}, "body_text": "{"}"#,
            "malformed_body",
        ),
        (
            r#"{"path": "/", "method": "POST", "headers": {"content-type": "multipart/form-data; boundary=b"}, "body_text": "x"}"#,
            "malformed_multipart",
        ),
        (
            r#"{"path": "/", "method": "POST", "headers": {"content-type": "text/plain"}, "body_text": "x"}"#,
            "unsupported_media_type",
        ),
    ] {
        let output = carewarden(&["inspect", "--format", "json"], &[], request.as_bytes());
        assert_code(&output, 1);
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&verdict["decision"], &verdict["reason"]), (&"deny".into(), &reason.into()), "{request}");
    }
}

#[test]
fn a_body_in_parts_is_looked_into_part_by_part() {
    let verdict = |parts: &[&str]| {
        let parts = parts.iter().map(|part| format!("--b\r\nContent-Disposition: form-data; {part}\r\n"));
        let body = parts.collect::<String>() + "--b--";
        let headers = serde_json::json!({ "content-type": "multipart/form-data; boundary=b" });
        let request = serde_json::json!({ "method": "POST", "headers": headers, "body_text": body });
        let output = carewarden(&["inspect", "--format", "json"], &[], request.to_string().as_bytes());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let note = "name=\"note\"\r\n\r\nO'Brien";
    assert_eq!(verdict(&[note, "name=\"a\"\r\nContent-Type: application/json\r\n\r\n{\"b\": 1}"])["decision"], "allow");
    let attack = verdict(&[note, "name=\"a\"\r\n\r\nx' union select 1,2--"]);
    assert_eq!((&attack["decision"], &attack["rules"][0]["place"]), (&"deny".into(), &"a".into()), "{attack}");
    let attack = verdict(&[note, "name=\"a\"\r\nContent-Type: application/json\r\n\r\n{\"b\": \"<script>alert(1)\"}"]);
    assert_eq!((&attack["decision"], &attack["rules"][0]["place"]), (&"deny".into(), &"$.b".into()), "{attack}");
    let opaque = verdict(&["name=\"a\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\nx"]);
    assert_eq!(opaque["reason"], "unsupported_media_type", "{opaque}");
}

#[test]
fn a_policy_says_how_its_routes_are_inspected() {
    let inspect = |request: &str| {
        let policy = "tests/fixtures/exchange/inspection";
        carewarden(&["inspect", "--policy", policy, "--format", "json"], &[], request.as_bytes())
    };
    let attack = |path: &str| format!(r#"{{"path": "{path}?q=%27%20union%20select%201,2--", "host": "x"}}"#);
    assert_code(&inspect(&attack("/x")), 1);
    for path in ["/off", "/reported"] {
        assert_code(&inspect(&attack(path)), 0);
    }
    assert_code(&inspect(r#"{"path": "/exempt?file=/etc/passwd", "host": "x"}"#), 0);
    assert_code(&inspect(r#"{"path": "/exempt?other=/etc/passwd", "host": "x"}"#), 1);
}

#[test]
fn strict_denies_what_standard_allows() {
    let request = br#"{"path": "/?redirect=http://10.0.0.5/", "host": "x"}"#;
    assert_code(&carewarden(&["inspect", "--level", "standard"], &[], request), 0);
    assert_code(&carewarden(&["inspect", "--level", "strict"], &[], request), 1);
}

#[test]
fn rules_are_listed_with_examples() {
    let output = carewarden(&["rules", "--format", "json"], &[], b"");
    assert_code(&output, 0);
    let rules: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules = rules.as_array().unwrap();
    assert!(
        rules.len() >= 80
            && rules.iter().all(|rule| rule["examples"]["match"].as_array().is_some_and(|all| !all.is_empty()))
    );
    let output = carewarden(&["rules", "sqli-union"], &[], b"");
    assert_code(&output, 0);
    assert!(text(&output.stdout).starts_with("sqli-union"));
    assert_code(&carewarden(&["rules", "bogus"], &[], b""), 2);
}

#[test]
fn an_exemption_names_a_rule_and_one_place() {
    let policy = |exempt: &str| {
        format!(
            r#"{{"version": 1, "name": "x", "routes": [{{"name": "r", "match": {{"paths": ["/**"]}}, "authenticate": "none",
            "authorize": [{{"allow": {{}}}}], "request": {{"inspect": {{"exempt": [{exempt}]}}}}}}]}}"#
        )
    };
    let directory = std::env::temp_dir().join(format!("carewarden-inspect-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("policy.json");
    for (exempt, wanted) in [
        (r#"{"rule": "sqli-unoin", "parameter": "q"}"#, "did you mean `sqli-union`?"),
        (r#"{"rule": "sqli-union"}"#, "an exemption is for one place"),
        (r#"{"rule": "sqli-union", "parameter": "q", "header": "x"}"#, "an exemption is for one place"),
        (r#"{"rule": "sqli-union", "json_path": "note"}"#, "`note` is no path"),
        (r#"{"rule": "sqli-union", "bogus": "q"}"#, "unknown key `bogus`"),
    ] {
        std::fs::write(&file, policy(exempt)).unwrap();
        let output = carewarden(&["check", file.to_str().unwrap()], &[], b"");
        assert_code(&output, 1);
        assert!(text(&output.stdout).contains(wanted), "{exempt}: {}", text(&output.stdout));
    }
    std::fs::write(&file, policy(r#"{"rule": "sqli-union", "json_path": "$.note[*].text"}"#)).unwrap();
    assert_code(&carewarden(&["check", file.to_str().unwrap()], &[], b""), 0);
    std::fs::remove_dir_all(&directory).unwrap();
}
