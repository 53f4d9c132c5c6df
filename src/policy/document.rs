//! A policy as it was written: a JSON tree in which every value knows where it stands.
//!
//! serde alone would stop at the first problem and forget positions. A [`Node`] keeps the byte offset and the RFC 6901
//! pointer of each value, so that everything found later, even after `defaults` were merged into a route, is reported
//! at the line that has to be changed. Repeated keys are found here: RFC 8259 leaves their meaning open, and a policy
//! must have one meaning.
//!
//! The grammar is `serde_json`'s. Each level is read as raw values whose address in the text is their offset.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use super::diagnostic::{Code, Report};

/// Nesting allowed in a policy; far more than any policy needs, far less than the stack holds.
const MAX_DEPTH: usize = 64;

/// A JSON value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// RFC 6901 pointer of the value in the text it came from.
    pub pointer: Rc<str>,
    /// Byte offset of the value in the text.
    pub offset: usize,
    /// What was written.
    pub value: Value,
}

/// The value of a [`Node`].
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object, in the order of the text.
    Object(Vec<Member>),
}

/// One `"key": value` of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key, unescaped.
    pub key: String,
    /// The value.
    pub node: Node,
}

impl Node {
    /// Reads a text, reporting what is not JSON and every repeated key. `None` when nothing can be made of it.
    pub fn parse(text: &str, report: &mut Report) -> Option<Self> {
        let raw: &RawValue = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                report.syntax(error.line(), error.column(), &error.to_string());
                return None;
            }
        };
        Self::read(raw, text, Rc::from(""), MAX_DEPTH, report)
    }

    /// The member `key`, or this node where there is none: a place to report at.
    #[must_use]
    pub fn key(&self, key: &str) -> &Self {
        self.get(key).unwrap_or(self)
    }

    /// The element `index`, or this node where there is none: a place to report at.
    #[must_use]
    pub fn item(&self, index: usize) -> &Self {
        match &self.value {
            Value::Array(items) => items.get(index).unwrap_or(self),
            _ => self,
        }
    }

    /// The member `key`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.node)
    }

    /// The member `key`, if this is an object that has it, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Object(members) => members.iter_mut().find(|member| member.key == key).map(|member| &mut member.node),
            _ => None,
        }
    }

    /// The members of an object; nothing otherwise.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array; nothing otherwise.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// Fills in what this node does not say from `defaults`: objects are merged deeply, everything else stays as it is.
    ///
    /// Values taken from `defaults` keep the position they were written at.
    pub fn merge_defaults(&mut self, defaults: &Self) {
        let (Value::Object(own), Value::Object(theirs)) = (&mut self.value, &defaults.value) else { return };
        for Member { key, node } in theirs {
            match own.iter_mut().find(|member| member.key == *key) {
                Some(member) => member.node.merge_defaults(node),
                None => own.push(Member { key: key.clone(), node: node.clone() }),
            }
        }
    }

    fn read(raw: &RawValue, text: &str, pointer: Rc<str>, depth: usize, report: &mut Report) -> Option<Self> {
        let offset = offset_in(text, raw.get());
        let mut node = Self { pointer, offset, value: Value::Null };
        if depth == 0 {
            report.error(&node, Code::Syntax, format!("nested deeper than {MAX_DEPTH} levels"));
            return None;
        }
        node.value = match raw.get().as_bytes().first() {
            Some(b'{') => Value::Object(node.read_members(raw, text, depth, report)?),
            Some(b'[') => {
                let items: Items<'_> = serde_json::from_str(raw.get()).ok()?;
                let read = |(index, raw): (usize, &&RawValue)| {
                    Self::read(raw, text, format!("{}/{index}", node.pointer).into(), depth.saturating_sub(1), report)
                };
                Value::Array(items.0.iter().enumerate().map(read).collect::<Option<_>>()?)
            }
            Some(b'"') => Value::String(serde_json::from_str(raw.get()).ok()?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => match serde_json::from_str(raw.get()) {
                Ok(number) => Value::Number(number),
                Err(_) => {
                    report.error(&node, Code::Syntax, "number out of range");
                    return None;
                }
            },
        };
        Some(node)
    }

    fn read_members(&self, raw: &RawValue, text: &str, depth: usize, report: &mut Report) -> Option<Vec<Member>> {
        let entries: Entries<'_> = serde_json::from_str(raw.get()).ok()?;
        let mut members: Vec<Member> = Vec::with_capacity(entries.0.len());
        let mut seen = std::collections::HashSet::with_capacity(entries.0.len());
        for (key, raw) in entries.0 {
            let pointer = format!("{}/{}", self.pointer, escape(&key)).into();
            let node = Self::read(raw, text, pointer, depth.saturating_sub(1), report)?;
            if seen.insert(key.clone()) {
                members.push(Member { key: key.into_owned(), node });
            } else {
                report.error(&node, Code::RepeatedKey, format!("key `{key}` stands twice in one object")).help("keep one");
            }
        }
        Some(members)
    }
}

/// Writes a key as one step of an RFC 6901 pointer.
fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// Where `part`, a slice of `text`, begins.
fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

struct Items<'a>(Vec<&'a RawValue>);
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// serde's own `Cow` is always owned inside a tuple; keys without escapes are borrowed here.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_pointer_and_offset() {
        let text = "{\n  \"a/b\": [1, {\"c\": true}]\n}";
        let mut report = Report::new(text);
        let root = Node::parse(text, &mut report).unwrap();
        let node = root.key("a/b").item(1).key("c");
        assert_eq!(&*node.pointer, "/a~1b/1/c");
        assert_eq!(text.get(node.offset..node.offset + 4), Some("true"));
        assert!(report.is_empty());
    }

    #[test]
    fn every_repeated_key_is_reported() {
        let text = r#"{"a": 1, "a": 2, "b": {"c": 1, "\u0063": 2}}"#;
        let mut report = Report::new(text);
        Node::parse(text, &mut report);
        assert_eq!(report.into_vec().len(), 2);
    }

    #[test]
    fn defaults_fill_gaps_deeply_and_keep_their_place() {
        let text = r#"{"own": {"x": {"y": 1}, "l": [1]}, "defaults": {"x": {"y": 2, "z": 3}, "l": [2]}}"#;
        let mut report = Report::new(text);
        let root = Node::parse(text, &mut report).unwrap();
        let mut own = root.key("own").clone();
        own.merge_defaults(root.key("defaults"));
        assert_eq!(&*own.key("x").key("y").pointer, "/own/x/y");
        assert_eq!(&*own.key("x").key("z").pointer, "/defaults/x/z");
        assert_eq!(own.key("l").items().len(), 1);
    }
}
