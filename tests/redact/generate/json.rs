//! Arbitrary JSON, with names that rules are about.

use crate::random::Random;
use crate::reference::Node;

const NAMES: &[&str] = &["a", "b", "c", "_a", "_b", "reference", "s"];

/// An object or an array.
pub(crate) fn root(random: &mut Random<'_>, count: &mut usize) -> Node {
    if random.one_in(3) {
        Node::Array((0..random.below(4)).map(|_| value(random, 3, count)).collect())
    } else {
        Node::Object(None, members(random, 3, count))
    }
}

/// Any value.
pub(crate) fn value(random: &mut Random<'_>, depth: usize, count: &mut usize) -> Node {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => Node::Scalar(random.of(&["1.50", "-0", "2e3", "true", "false", "null"]).to_owned()),
        1 => Node::Scalar(random.of(&["\"x\"", "\"y\"", "\"\""]).to_owned()),
        2..=4 => Node::Scalar(text(random, count)),
        5 | 6 => Node::Object(None, members(random, depth - 1, count)),
        _ => Node::Array((0..random.below(4)).map(|_| value(random, depth - 1, count)).collect()),
    }
}

/// A string that no other is like.
pub(crate) fn text(random: &mut Random<'_>, count: &mut usize) -> String {
    *count += 1;
    let before = random.of(&[
        "v",
        "Patient/",
        "#",
        "urn:uuid:",
        "https://ehr.example/fhir/Patient/",
        "\\u00e9",
        "\\ud83d\\ude00",
        "é",
        "long text that is no short one, ",
        "of 123-45-6789 it is, ",
    ]);
    format!("\"{before}{count}\"")
}

fn members(random: &mut Random<'_>, depth: usize, count: &mut usize) -> Vec<(String, Node)> {
    let mut members: Vec<(String, Node)> = Vec::new();
    for name in NAMES {
        if random.one_in(2) {
            let at = random.below(members.len() + 1);
            members.insert(at, (key(random, name), value(random, depth, count)));
        }
    }
    members
}

/// A key as it may be written.
pub(crate) fn key(random: &mut Random<'_>, name: &str) -> String {
    let mut letters = name.chars();
    match letters.next_back().filter(|_| random.one_in(8)) {
        Some(last) => format!("\"{}\\u{:04x}\"", letters.as_str(), u32::from(last)),
        None => format!("\"{name}\""),
    }
}
