//! Each rule by its fixtures: `base.yaml`, in which nothing is wrong, and cases that change a line or two of it.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::{Judged, Options, judge_text, rules};
use crate::policy::diagnostic::Severity;

const FOLDER: &str = "tests/fixtures/cli/envoy";

/// A change to the base, and what is found then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Texts, each with the one that takes its place.
    replace: Vec<(String, String)>,
    /// Severity and code, and a part of the line where it is found; of another file than the base, behind its name.
    expect: Vec<(String, String)>,
    /// `--filter`.
    #[serde(default)]
    filter: Option<String>,
    /// Whether each text is replaced wherever it stands, not once.
    #[serde(default)]
    all: bool,
}

fn base() -> String {
    std::fs::read_to_string(format!("{FOLDER}/base.yaml")).unwrap()
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(format!("{FOLDER}/cases.json")).unwrap()).unwrap()
}

fn changed(case: &Case) -> String {
    let mut text = base();
    for (old, new) in &case.replace {
        assert!(text.contains(old.as_str()), "{}: nothing to replace: {old}", case.name);
        text = if case.all { text.replace(old, new) } else { text.replacen(old, new, 1) };
    }
    text
}

/// What is found, as the cases write it: severity, code, and the line.
fn found(text: String, filter: Option<&str>) -> Vec<(String, String)> {
    let judged = judge_text(Path::new("base.yaml"), text, &Options { filter, require_env: false });
    judged.iter().flat_map(lines).collect()
}

fn lines(judged: &Judged) -> impl Iterator<Item = (String, String)> {
    let lines: Vec<&str> = judged.text.lines().collect();
    judged.problems.iter().map(move |problem| {
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        let line = lines.get(problem.line - 1).map_or("", |line| line.trim());
        let file = judged.path.file_name().unwrap().to_str().unwrap();
        let line = if file == "base.yaml" { line.to_owned() } else { format!("{file} {line}") };
        (format!("{severity} {}", problem.code), line)
    })
}

fn fits(found: &(String, String), expected: &(String, String)) -> bool {
    const OTHER: &str = "others.yaml ";
    let is_at = match (found.1.strip_prefix(OTHER), expected.1.strip_prefix(OTHER)) {
        (Some(found), Some(expected)) => found.contains(expected),
        (None, None) => found.1.contains(&expected.1),
        _ => false,
    };
    found.0 == expected.0 && is_at
}

#[test]
fn nothing_is_wrong_with_the_base() {
    assert_eq!(found(base(), None), []);
}

#[test]
fn each_case_finds_what_it_says_where_it_says() {
    let cases = cases();
    assert!(cases.len() > 100);
    let mut wrong = String::new();
    for case in &cases {
        let found = found(changed(case), case.filter.as_deref());
        let is_expected = found.len() == case.expect.len()
            && found.iter().all(|found| case.expect.iter().any(|expected| fits(found, expected)))
            && case.expect.iter().all(|expected| found.iter().any(|found| fits(found, expected)));
        if !is_expected {
            wrong += &format!("\n{}\n  expected {:?}\n  found {found:?}\n", case.name, case.expect);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is found in a file as it is.
fn found_in(file: &str) -> Vec<(String, String)> {
    let path = format!("{FOLDER}/{file}");
    let text = std::fs::read_to_string(&path).unwrap();
    judge_text(Path::new(&path), text, &Options { filter: None, require_env: false }).iter().flat_map(lines).collect()
}

#[test]
fn a_dump_of_the_envoy_that_we_ship_is_fine() {
    // What Envoy 1.40 said of envoy/envoy.yaml under `/config_dump`, without the extensions that it was built with.
    assert_eq!(found_in("dump.json"), []);
    let path = format!("{FOLDER}/dump.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("FAIL_RELOAD", "FAIL_OPEN");
    let judged = judge_text(Path::new(&path), text, &Options { filter: None, require_env: false });
    let problems: Vec<_> = judged.iter().flat_map(|judged| &judged.problems).collect();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(
        (problem.code, problem.pointer.as_str()),
        ("fail-open", "/configs/2/ecds_filters/0/ecds_filter/typed_config/config/failure_policy")
    );
}

/// `envoy/filter.yaml.in` with a policy in it, as `make policy` renders it.
fn shipped_filter(policy: &str) -> String {
    let template = std::fs::read_to_string("envoy/filter.yaml.in").unwrap();
    let indented: String = policy.lines().map(|line| format!("            {line}\n")).collect();
    assert!(template.contains("@POLICY@\n"));
    template.replace("@POLICY@\n", &indented)
}

#[test]
fn nothing_is_wrong_with_what_we_ship() {
    let folder = std::env::temp_dir().join(format!("carewarden-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for policy in ["minimal", "clinic", "research"] {
        let filter = folder.join(format!("{policy}.yaml"));
        let policy_text = std::fs::read_to_string(format!("policies/{policy}/policy.json")).unwrap();
        std::fs::write(&filter, shipped_filter(&policy_text)).unwrap();
        let envoy = std::fs::read_to_string("envoy/envoy.yaml").unwrap();
        assert_eq!(envoy.matches("path: envoy/filter.yaml").count(), 1);
        let envoy = envoy.replace("path: envoy/filter.yaml", &format!("path: {}", filter.display()));
        let judged = judge_text(Path::new("envoy/envoy.yaml"), envoy, &Options { filter: None, require_env: false });
        assert_eq!(judged.len(), 2, "the filter's file was followed");
        let found: Vec<_> = judged.iter().flat_map(lines).collect();
        // What a policy is warned of anywhere, and is not about Envoy.
        let others: Vec<_> = found.iter().filter(|(code, _)| code != "warning risky").collect();
        assert!(others.is_empty() && (policy != "minimal" || found.is_empty()), "{policy}: {found:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_dump_of_a_sidecar_is_judged_where_requests_come_in() {
    let codes: Vec<_> = found_in("sidecar.json").into_iter().map(|(code, _)| code).collect();
    let expected = [
        ("error plaintext-listener", 1),
        ("error path-in-log", 3),
        ("error way-around", 1),
        ("warning way-around", 1),
        ("warning upgrades", 3),
    ];
    for (code, count) in expected {
        assert_eq!(codes.iter().filter(|found| *found == code).count(), count, "{code} in {codes:?}");
    }
    assert_eq!(codes.len(), expected.iter().map(|(_, count)| count).sum::<usize>(), "{codes:?}");
}

#[test]
fn a_file_of_the_filter_alone_is_judged_and_says_what_is_missing() {
    let found = found_in("filter.yaml");
    let codes: Vec<_> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["warning not-seen", "warning risky"], "{found:?}");
}

#[test]
fn what_is_no_configuration_is_an_error() {
    for text in ["", "{}", "a: 1", "[]", "resources: []", "{\"configs\": []}", "static_resources: {}", "a: [", "a: 1\na: 2"]
    {
        let found = found(text.to_owned(), None);
        assert!(found.iter().any(|(code, _)| code.starts_with("error")), "{text}: {found:?}");
    }
}

#[test]
fn each_rule_has_a_case() {
    let reached: BTreeSet<String> =
        cases().iter().flat_map(|case| &case.expect).map(|(code, _)| code.split(' ').nth(1).unwrap().to_owned()).collect();
    let missing: Vec<_> = rules::all().map(|rule| rule.code).filter(|code| !reached.contains(*code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let codes: BTreeSet<_> = rules::all().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), rules::all().count());
}
