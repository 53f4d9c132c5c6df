//! Policies as they are read from disk: with the keys of other files in the place of `{"file": …}`.
//!
//! What is put in stands on the line of the reference and takes as many lines, and nothing else of the text changes: lines
//! that problems are reported at are those of the file that somebody edits, and the engine in Envoy gets byte for byte
//! what was checked.

use std::path::Path;

use serde_json::value::RawValue;

use super::CannotRun;
use crate::policy::diagnostic::Report;
use crate::policy::document::{Node, Value};

/// The text of a policy, with all that it names by `file` in it. What is no JSON is left to the engine to refuse.
pub(super) fn read_policy(path: &Path) -> Result<Vec<u8>, CannotRun> {
    let bytes = std::fs::read(path).map_err(|error| CannotRun::reading(path, &error))?;
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let Some(root) = Node::parse(text, &mut Report::new(text)) else { return Ok(bytes) };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut built = String::with_capacity(text.len());
    let mut done = 0;
    for Reference { node, file, is_item } in references(&root) {
        let (Some(before), Some(raw)) = (text.get(done..node.offset), raw_value(text, node.offset)) else { continue };
        let keys = read_keys(&directory.join(file))?;
        built.push_str(before);
        // In a list of keys they stand beside the others.
        let inner = keys.trim().strip_prefix('[').and_then(|keys| keys.strip_suffix(']'));
        built.push_str(inner.filter(|_| is_item).unwrap_or(keys.trim()).trim());
        built.extend(raw.chars().filter(|char| *char == '\n'));
        done = node.offset.saturating_add(raw.len());
    }
    built.push_str(text.get(done..).unwrap_or_default());
    Ok(built.into_bytes())
}

/// A `{"file": …}` in the place of keys.
struct Reference<'n> {
    node: &'n Node,
    file: &'n str,
    /// Whether it stands in a list.
    is_item: bool,
}

/// All of them, in the order of the text.
fn references(root: &Node) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    for provider in root.key("authentication").members() {
        let Some(keys) = provider.node.get("keys") else { continue };
        let whole = std::iter::once((keys, false));
        for (node, is_item) in whole.chain(keys.items().iter().map(|item| (item, true))) {
            // A reference says nothing else; what does is refused with a reason by the engine.
            let [member] = node.members() else { continue };
            if let ("file", Value::String(file)) = (member.key.as_str(), &member.node.value) {
                found.push(Reference { node, file, is_item });
            }
        }
    }
    found.sort_by_key(|reference| reference.node.offset);
    found
}

/// The text of the value that begins here.
fn raw_value(text: &str, offset: usize) -> Option<&str> {
    let rest = text.get(offset..)?;
    let value: &RawValue = serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()?;
    Some(value.get())
}

/// An array of keys, on one line: in JSON line breaks stand between tokens alone.
fn read_keys(path: &Path) -> Result<String, CannotRun> {
    let text = std::fs::read_to_string(path).map_err(|error| CannotRun::reading(path, &error))?;
    let refuse = |what: &str| CannotRun(format!("`{}` {what}", path.display()));
    let keys: Vec<&RawValue> =
        serde_json::from_str(&text).map_err(|error| refuse(&format!("is not a JSON array of keys: {error}")))?;
    if keys.is_empty() {
        return Err(refuse("holds no key"));
    }
    Ok(text.replace(['\n', '\r'], " "))
}
