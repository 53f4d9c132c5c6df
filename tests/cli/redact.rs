//! `carewarden redact` on files, as data: `tests/fixtures/cli/redact.json`.
//!
//! Each case is a directory of its own with files and links, and a command that runs in it. What it says and what it
//! leaves is compared whole. Wherever a case plants `SECRET`, in a value or a key, it may show up nowhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ROOT, run_in, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Links, and what they lead to.
    #[serde(default)]
    links: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    input: String,
    arguments: Vec<String>,
    code: i32,
    #[serde(default)]
    stdout: Vec<String>,
    stderr: Said,
    /// All files that are there afterwards and were not before, or are not as they were.
    #[serde(default)]
    made: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    /// These lines and no more.
    Lines(Vec<String>),
    /// This among others.
    Some { has: String },
}

/// Every file and directory below a directory, what is in it, and nothing of what links lead to.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(beneath) = left.pop() {
        for entry in std::fs::read_dir(root.join(&beneath)).unwrap() {
            let entry = entry.unwrap();
            let (kind, beneath) = (entry.file_type().unwrap(), beneath.join(entry.file_name()));
            let name = beneath.to_str().unwrap().to_owned();
            if kind.is_dir() {
                found.insert(format!("{name}/"), String::new());
                left.push(beneath);
            } else if kind.is_file() {
                found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    found
}

fn lay_out(case: &Case, policy: &str) -> PathBuf {
    let name: String = case.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("policy.json"), policy).unwrap();
    for (name, content) in &case.files {
        let path = root.join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
    for (name, target) in &case.links {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    root
}

#[test]
fn every_case_says_and_leaves_what_it_should() {
    let read = |name: &str| std::fs::read_to_string(Path::new(ROOT).join("tests/fixtures/cli").join(name)).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&read("redact.json")).unwrap();
    let policy = read("redact.policy.json");
    assert!(cases.len() >= 30, "{}", cases.len());
    let mut planted = 0;
    for case in &cases {
        let root = lay_out(case, &policy);
        let before = tree(&root);
        planted += usize::from(before.values().chain([&case.input]).any(|content| content.contains("SECRET")));
        let arguments: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> = case.environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let output = run_in(&root, &[&["redact"][..], &arguments].concat(), &environment, case.input.as_bytes());
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(case.code), "{}\n{stdout}\n{stderr}", case.name);
        assert_eq!(stdout.lines().collect::<Vec<_>>(), case.stdout, "{}", case.name);
        match &case.stderr {
            Said::Lines(lines) => assert_eq!(stderr.lines().collect::<Vec<_>>(), *lines, "{}", case.name),
            Said::Some { has } => assert!(stderr.contains(has.as_str()), "{}: {stderr}", case.name),
        }
        let made: BTreeMap<_, _> = tree(&root).into_iter().filter(|(name, now)| before.get(name) != Some(now)).collect();
        assert_eq!(made, case.made, "{}", case.name);
        let said = made.iter().flat_map(|(name, content)| [name.as_str(), content.as_str()]).chain([stdout, stderr]);
        for said in said {
            assert!(!said.contains("SECRET"), "{}: {said}", case.name);
            assert!(!said.contains('\x1b') && !said.contains('\r'), "{}: a line for a terminal in {said:?}", case.name);
        }
    }
    assert!(planted >= 10, "{planted}");
}
