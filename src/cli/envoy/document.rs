//! A file of Envoy's as it was written: a tree of YAML or JSON in which every value knows where it stands.
//!
//! Envoy takes both names of a field, `http_filters` and `httpFilters`, and so do we. A key that stands twice has no one
//! meaning and is told. What is tagged `!ignore` is not there for Envoy, and not for us.

mod read;

use std::path::{Path, PathBuf};

use read::Builder;

/// A file that was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
    nodes: Vec<Node>,
}

/// What is wrong with a file, and where: line and column.
pub(super) struct Unreadable(pub(super) usize, pub(super) usize, pub(super) String);

struct Node {
    line: usize,
    column: usize,
    /// The value that this one is in, and the how manieth of it.
    up: Option<(usize, usize)>,
    value: Value,
}

enum Value {
    /// A text, and whether it is one of lines as they stand in the file (`|`).
    Scalar(String, bool),
    List(Vec<usize>),
    Map(Vec<(String, usize)>),
}

/// A value in a file.
#[derive(Clone, Copy)]
pub(super) struct At<'d> {
    file: &'d File,
    id: usize,
}

/// What an `Any` holds.
#[derive(Clone, Copy)]
pub(super) struct Typed<'d> {
    /// The name of its message, with its package.
    pub(super) kind: &'d str,
    pub(super) body: At<'d>,
}

impl Typed<'_> {
    /// Whether it is a message of this name, in whatever version of the package.
    pub(super) fn is(&self, name: &str) -> bool {
        self.kind.rsplit('.').next() == Some(name)
    }
}

impl File {
    /// Reads a text, JSON or YAML. Of several documents Envoy takes the first, too.
    pub(super) fn read(path: &Path, text: String) -> Result<Self, Unreadable> {
        let is_json = text.trim_start().starts_with(['{', '[']);
        let json = if is_json { Builder::default().json(&text)? } else { None };
        let nodes = match json {
            Some(nodes) => nodes,
            None => Builder::default().yaml(&text)?,
        };
        Ok(Self { path: path.to_owned(), text, nodes })
    }

    /// The whole of it.
    pub(super) fn root(&self) -> At<'_> {
        At { file: self, id: 0 }
    }

    /// Every value in it.
    pub(super) fn all(&self) -> impl Iterator<Item = At<'_>> {
        (0..self.nodes.len()).map(|id| At { file: self, id })
    }
}

impl<'d> At<'d> {
    pub(super) fn file(self) -> &'d File {
        self.file
    }

    /// Line and column, from 1.
    pub(super) fn position(self) -> (usize, usize) {
        self.node().map_or((1, 1), |node| (node.line, node.column))
    }

    /// RFC 6901 pointer to it.
    pub(super) fn pointer(self) -> String {
        let mut steps = Vec::new();
        let mut at = self;
        while let Some((parent, index)) = at.node().and_then(|node| node.up) {
            at = Self { file: self.file, id: parent };
            steps.push(match at.node().map(|node| &node.value) {
                Some(Value::Map(members)) => {
                    members.get(index).map_or("", |(key, _)| key).replace('~', "~0").replace('/', "~1")
                }
                _ => index.to_string(),
            });
        }
        steps.iter().rev().fold(String::new(), |pointer, step| format!("{pointer}/{step}"))
    }

    /// Whether both are one value.
    pub(super) fn is_same(self, other: Self) -> bool {
        std::ptr::eq(self.file, other.file) && self.id == other.id
    }

    /// What is found by following fields, `a/b/c`.
    pub(super) fn at(self, fields: &str) -> Option<Self> {
        fields.split('/').try_fold(self, |at, field| at.get(field))
    }

    /// The value of a field, by either of its names.
    pub(super) fn get(self, field: &str) -> Option<Self> {
        self.members().find(|(key, _)| is_named(key, field)).map(|(_, value)| value)
    }

    /// The values of a list; nothing otherwise.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let ids = match self.node().map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        ids.iter().map(move |id| Self { file: self.file, id: *id })
    }

    /// The values of a list that a field holds.
    pub(super) fn list(self, fields: &str) -> impl Iterator<Item = Self> {
        self.at(fields).into_iter().flat_map(Self::items)
    }

    /// What an object has.
    pub(super) fn members(self) -> impl Iterator<Item = (&'d str, Self)> {
        let members = match self.node().map(|node| &node.value) {
            Some(Value::Map(members)) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(move |(key, id)| (key.as_str(), Self { file: self.file, id: *id }))
    }

    /// Its text, if it is no list and no object.
    pub(super) fn text(self) -> Option<&'d str> {
        match self.node().map(|node| &node.value) {
            Some(Value::Scalar(text, _)) => Some(text),
            _ => None,
        }
    }

    /// The text of a field.
    pub(super) fn text_at(self, fields: &str) -> Option<&'d str> {
        self.at(fields)?.text()
    }

    /// A number.
    pub(super) fn number(self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    /// Whether a field is there and true, in the words that YAML has for it.
    pub(super) fn is_true(self, fields: &str) -> bool {
        let text = self.text_at(fields).unwrap_or_default().to_ascii_lowercase();
        matches!(text.as_str(), "true" | "yes" | "on" | "y")
    }

    /// Whether a field is this value of an enumeration, by its name or its number.
    pub(super) fn is_one(self, fields: &str, name: &str, number: &str) -> bool {
        self.text_at(fields).is_some_and(|text| text == name || text == number)
    }

    /// Whether the text stands in the file as it is, a line a line.
    pub(super) fn is_literal(self) -> bool {
        matches!(self.node().map(|node| &node.value), Some(Value::Scalar(_, true)))
    }

    /// The field that it is the value of, or the position.
    pub(super) fn key(self) -> Option<&'d str> {
        let (parent, index) = self.node()?.up?;
        match &self.file.nodes.get(parent)?.value {
            Value::Map(members) => members.get(index).map(|(key, _)| key.as_str()),
            _ => None,
        }
    }

    /// The value that it stands in.
    pub(super) fn up(self) -> Option<Self> {
        let (parent, _) = self.node()?.up?;
        Some(Self { file: self.file, id: parent })
    }

    /// What an `Any` holds; a `TypedStruct` is what it says it stands for.
    pub(super) fn typed(self) -> Option<Typed<'d>> {
        let name = |text: &'d str| text.rsplit('/').next().unwrap_or(text);
        let kind = name(self.text_at("@type")?);
        match (self.text_at("type_url"), self.get("value")) {
            (Some(inner), Some(body)) if kind.ends_with(".TypedStruct") => Some(Typed { kind: name(inner), body }),
            _ => Some(Typed { kind, body: self }),
        }
    }

    /// It, and all that is in it.
    pub(super) fn within(self) -> Vec<Self> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            next = next.saturating_add(1);
            found.extend(at.items());
            found.extend(at.members().map(|(_, value)| value));
            if found.len() > self.file.nodes.len().saturating_mul(2) {
                // An alias that holds itself, or a heap of them.
                break;
            }
        }
        found
    }

    fn node(self) -> Option<&'d Node> {
        self.file.nodes.get(self.id)
    }
}

/// Whether a key is a name of this field: `http_filters`, or `httpFilters`.
fn is_named(key: &str, field: &str) -> bool {
    if key == field {
        return true;
    }
    let mut key = key.chars();
    let mut field = field.chars();
    loop {
        match (field.next(), key.next()) {
            (None, None) => return true,
            (Some('_'), Some(of_key)) if field.next().map(|c| c.to_ascii_uppercase()) == Some(of_key) => (),
            (of_field, of_key) if of_field == of_key => (),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> File {
        File::read(Path::new("x"), text.to_owned())
            .unwrap_or_else(|Unreadable(line, column, what)| panic!("{line}:{column} {what}"))
    }

    #[test]
    fn a_value_knows_its_place_in_yaml_and_json() {
        let yaml = read("a:\n  list:\n    - {x: 1}\n    - x/y: two\n      text: |\n        one\n        two\n");
        let json = read("{\"a\": {\n \"list\": [{\"x\": 1},\n  {\"x/y\": \"two\", \"text\": \"\\ud83d\\ude00\"}]}}");
        for (file, position) in [(&yaml, (4, 12)), (&json, (3, 11))] {
            let at = file.root().list("a/list").nth(1).unwrap().get("x/y").unwrap();
            assert_eq!((at.pointer().as_str(), at.position(), at.text()), ("/a/list/1/x~1y", position, Some("two")));
        }
        let text = yaml.root().list("a/list").nth(1).unwrap().get("text").unwrap();
        assert_eq!((text.text(), text.is_literal(), text.position().0), (Some("one\ntwo\n"), true, 6));
    }

    #[test]
    fn a_field_has_two_names_and_what_is_ignored_is_not_there() {
        let file = read("httpFilters: [1]\nfilter_chains: &f [2]\n!ignore secret: &x {y: 1}\nb: *x\nc: *f\n");
        assert_eq!(file.root().list("http_filters").count(), 1);
        assert_eq!(file.root().list("filter_chains").count(), 1);
        assert!(file.root().get("filterChains").is_none());
        assert!(file.root().get("secret").is_none());
        assert_eq!(file.root().text_at("b/y"), Some("1"));
        assert_eq!(file.root().list("c").next().unwrap().pointer(), "/filter_chains/0");
    }

    #[test]
    fn what_has_no_one_meaning_is_not_read() {
        let deep = "[".repeat(300) + &"]".repeat(300);
        for text in ["a: 1\na: 2", "{\"a\": 1, \"a\": 2}", "a: [", "", "? [a]\n: 1", deep.as_str()] {
            assert!(File::read(Path::new("x"), text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn aliases_that_multiply_are_not_followed_without_end() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..40 {
            let below = level - 1;
            text += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
        }
        assert!(read(&text).root().within().len() < 10_000);
    }
}
