//! Where the references of a schema lead: to a part of it, or the policy is refused.

use super::text;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// Keywords that refer.
const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];

/// Keywords whose values are data, not schemas.
const DATA: &[&str] = &["const", "enum", "default", "examples"];

/// What can be referred to, and what refers.
#[derive(Default)]
struct Found<'n> {
    references: Vec<&'n Node>,
    /// `$id` of this schema and those in it.
    ids: Vec<&'n str>,
    anchors: Vec<&'n str>,
}

/// Whether every reference leads to a part of this schema. Reports each that does not.
pub(super) fn check(schema: &Node, report: &mut Report) -> bool {
    let mut found = Found::default();
    found.read(schema);
    let mut hold = true;
    for node in &found.references {
        let Some(reference) = text(node) else { continue };
        if found.is_remote(reference) {
            let hint =
                report.error(node, Code::NotSupported, "a reference that leads out of the schema; nothing is fetched");
            hint.help("copy what it refers to under `$defs`, and write `#/$defs/…`");
            hold = false;
        } else if found.leads_nowhere(reference, schema) {
            let hint =
                report.error(node, Code::MissingReference, format!("`{reference}` refers to nothing in this schema"));
            hint.help("write a JSON Pointer from the schema's root: `#/$defs/…`");
            hold = false;
        }
    }
    hold
}

impl<'n> Found<'n> {
    fn read(&mut self, node: &'n Node) {
        for member in node.members() {
            match (member.key.as_str(), text(&member.node)) {
                (key, Some(_)) if REFERENCES.contains(&key) => self.references.push(&member.node),
                ("$id", Some(id)) => self.ids.push(id),
                ("$anchor" | "$dynamicAnchor", Some(anchor)) => self.anchors.push(anchor),
                (key, _) if DATA.contains(&key) => (),
                _ => self.read(&member.node),
            }
        }
        node.items().iter().for_each(|item| self.read(item));
    }

    /// Whether a reference names a document that is not part of this one.
    fn is_remote(&self, reference: &str) -> bool {
        let document = reference.split('#').next().unwrap_or_default();
        let last = |id: &str| id.trim_end_matches('#').rsplit('/').next().unwrap_or_default().to_owned();
        let is_absolute = document.contains(':');
        let is_own = |id: &&str| match is_absolute {
            true => id.trim_end_matches('#') == document,
            false => last(id) == last(document),
        };
        !document.is_empty() && !self.ids.iter().any(is_own)
    }

    /// Whether a reference into this document leads nowhere, as far as that can be told: with an `$id` in the schema it
    /// may start elsewhere, and is for the compiler to follow.
    fn leads_nowhere(&self, reference: &str, schema: &Node) -> bool {
        let Some(fragment) = reference.strip_prefix('#') else { return false };
        if fragment.is_empty() || self.ids.len() > 1 || fragment.contains('%') {
            return false;
        }
        let Some(pointer) = fragment.strip_prefix('/') else {
            return !self.anchors.contains(&fragment) && !self.ids.contains(&reference);
        };
        let mut node = schema;
        for step in pointer.split('/') {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = node.get(&step).or_else(|| step.parse().ok().and_then(|index: usize| node.items().get(index)));
            match next {
                Some(next) => node = next,
                None => return true,
            }
        }
        false
    }
}
