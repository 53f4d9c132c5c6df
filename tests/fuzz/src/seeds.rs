//! What fuzzing begins with: answers of the fixtures and synthetic resources, each with a few ways to run it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

#[path = "../../bench/resources.rs"]
#[expect(dead_code, reason = "of the benchmark's resources only some are seeds")]
mod resources;

/// Fills the folder that the fuzzer was told to keep its inputs in, if it is empty. `decisions` is how many bytes decide
/// about a text before it comes, and `turns` in how many ways they do.
pub fn plant(decisions: usize, turns: usize) {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let Some(folder) = folder.filter(|folder| !folder.is_file()) else { return };
    fs::create_dir_all(&folder).expect("the folder can be made");
    if fs::read_dir(&folder).expect("it can be listed").next().is_some() {
        return;
    }
    for (index, text) in texts().iter().enumerate() {
        // Each text under some of all decisions; the fuzzer finds the others.
        for turn in 0..turns {
            let decide = |at: usize| u8::try_from((index + 5 * turn + at * turn) % 251).unwrap_or(0);
            let seed: Vec<u8> = (0..decisions).map(decide).chain(text.bytes()).collect();
            fs::write(folder.join(format!("seed-{index}-{turn}")), seed).expect("a seed can be written");
        }
    }
}

fn texts() -> Vec<String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut texts = Vec::new();
    let files = fs::read_dir(fixtures.join("redact")).expect("the fixtures are there");
    for path in files.map(|file| file.expect("it can be listed").path()).chain([fixtures.join("detectors.json")]) {
        let text = fs::read_to_string(&path).expect("it can be read");
        strings(&serde_json::from_str(&text).expect("JSON"), &mut texts);
    }
    texts.extend((0..8).map(|number| resources::patient(number).to_string()));
    texts.retain(|text| text.len() < 4096);
    texts.sort_unstable();
    texts.dedup();
    assert!(texts.len() > 100, "only {} seeds", texts.len());
    texts
}

/// What the cases of a file put in.
fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| match value {
            Value::String(text) if matches!(&**key, "input" | "text") => texts.push(text.clone()),
            _ => strings(value, texts),
        }),
        Value::Array(elements) => elements.iter().for_each(|element| match element {
            Value::String(text) => texts.push(text.clone()),
            _ => strings(element, texts),
        }),
        _ => (),
    }
}
