//! JSON as a tree that keeps how its scalars and keys were written.

use serde_json::Value;

/// A JSON value with its text as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Members, with the text of their keys, and whether it is a resource, of which type.
    Object(Option<&'static str>, Vec<(String, Node)>),
    Array(Vec<Node>),
    /// The text of a scalar.
    Scalar(String),
}

impl Node {
    /// Writes the value, asking for white space wherever some may stand.
    pub(crate) fn write(&self, out: &mut String, space: &mut dyn FnMut() -> &'static str) {
        let list = |out: &mut String, space: &mut dyn FnMut() -> &'static str, at: usize| {
            if at > 0 {
                out.push(',');
            }
            out.push_str(space());
        };
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    list(out, space, at);
                    element.write(out, space);
                    out.push_str(space());
                }
                out.push(']');
            }
            Self::Object(_, members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    list(out, space, at);
                    out.push_str(key);
                    out.push_str(space());
                    out.push(':');
                    out.push_str(space());
                    value.write(out, space);
                    out.push_str(space());
                }
                out.push('}');
            }
        }
    }

    /// Its text without white space.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, &mut || "");
        out
    }

    /// The text of a string.
    pub(super) fn string(&self) -> Option<String> {
        match self {
            Self::Scalar(text) if text.starts_with('"') => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// The member of this name.
    pub(super) fn member(&self, name: &str) -> Option<&Node> {
        let Self::Object(_, members) = self else { return None };
        members.iter().find(|(key, _)| name_of(key) == name).map(|(_, value)| value)
    }

    /// Whether a scalar is a value; `None` when it is no scalar.
    pub(super) fn equals(&self, wanted: &Value) -> Option<bool> {
        let Self::Scalar(text) = self else { return None };
        if let Some(any) = wanted["one_of"].as_array() {
            return any.iter().map(|one| self.equals(one)).reduce(|all, one| Some(all? || one?)).flatten();
        }
        let own: Value = serde_json::from_str(text).ok()?;
        Some(match (own.as_f64(), wanted.as_f64()) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => own == *wanted,
        })
    }
}

/// The name that a written key stands for.
pub(crate) fn name_of(key: &str) -> String {
    serde_json::from_str(key).expect("a key is a string")
}
