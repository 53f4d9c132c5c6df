//! `envoy/README.md`: what it promises at night has to be there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{ROOT, assert_code, carewarden, text};

const RUNBOOK: &str = include_str!("../../envoy/README.md");

#[test]
fn its_links_lead_to_files_and_its_anchors_to_headings() {
    let links: Vec<&str> =
        RUNBOOK.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect();
    assert!(links.len() > 30, "{links:?}");
    let heading = |line: &str| {
        let letters = line.to_lowercase().replace(' ', "-");
        letters.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect::<String>()
    };
    for link in links {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let path = Path::new(ROOT).join("envoy").join(if file.is_empty() { "README.md" } else { file });
        assert!(path.exists(), "{link}");
        if !anchor.is_empty() {
            let document = std::fs::read_to_string(&path).unwrap();
            let titles = document.lines().filter(|line| line.starts_with('#'));
            assert!(titles.map(|line| heading(line.trim_start_matches(['#', ' ']))).any(|own| own == anchor), "{link}");
        }
    }
}

#[test]
fn it_names_every_alert() {
    let rules = include_str!("../../envoy/prometheus/rules.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        assert!(RUNBOOK.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{alert}`"))), "{alert}");
    }
}

#[test]
fn its_recipe_for_who_saw_a_record_makes_the_hash_that_the_record_has() {
    let recipe = RUNBOOK.lines().find_map(|line| line.strip_prefix("HASH=$(")).and_then(|line| line.strip_suffix(')'));
    let recipe = recipe.expect("a recipe");
    let key = ("AUDIT_KEY", "an audit key of this test alone, 32 bytes");
    let made = Command::new("sh").args(["-c", recipe]).env(key.0, key.1).output().unwrap();
    let made = text(&made.stdout).trim().to_owned();
    let request = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cli/explain.request.json");
    let arguments =
        ["explain", "--policy", "policies/clinic", "--now", "2026-11-23T12:00:00Z", "--format", "json", request];
    let explained = carewarden(&arguments, &[key, ("PHI_KEY", key.1)], b"");
    assert_code(&explained, 0);
    let output = text(&explained.stdout);
    let last: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    assert_eq!(last.pointer("/record/resource").and_then(Value::as_str), Some(&*made), "{last}");
}
