//! From [`Node`]s to the model, with every problem found in one pass.
//!
//! serde stops at its first error. So [`decode`] notes the error at the place it stands, cuts the offending value out
//! of the tree and tries again, until the rest fits. The rest is then judged for its meaning, so that a typing error does
//! not hide a missing reference.

use std::fmt;
use std::rc::Rc;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::diagnostic::{Code, Report, holds_secret, nearest};
use super::document::{Node, Value};

/// Keys and variants of the design that come in later versions: refused, with a hint that is not a guess.
const PLANNED: &[&str] = &["validate", "preset", "compartment", "scopes", "labels"];

/// What could be read of a `T`, and the pointers of the values that had to be cut out for it.
pub(super) struct Decoded<T> {
    pub(super) value: T,
    pub(super) cut: Vec<Rc<str>>,
}

/// Reads a `T` from `node`, reporting all that does not fit.
pub(super) fn decode<T: DeserializeOwned>(node: &Node, report: &mut Report) -> Option<Decoded<T>> {
    let mut tree = node.clone();
    let mut cut: Vec<(Vec<Step>, Rc<str>)> = Vec::new();
    loop {
        let error = match T::deserialize(At(&tree)) {
            Ok(value) => return Some(Decoded { value, cut: cut.into_iter().map(|(_, pointer)| pointer).collect() }),
            Err(error) => error,
        };
        let mut path = error.path;
        path.reverse();
        // What is missing in, or wrong with, a value that something was cut from is a consequence of the cut.
        let consequence = cut.iter().any(|(at, pointer)| {
            *at == path
                && match &error.problem {
                    Problem::Missing(key) => pointer.rsplit('/').next().is_some_and(|cut| stands_for(cut, key)),
                    Problem::Other(_) => true,
                    Problem::UnknownKey(..) | Problem::UnknownVariant(..) => false,
                }
        });
        if !consequence {
            report_problem(&error.problem, find(&tree, &path), report);
        }
        if let Problem::UnknownKey(key, _) = error.problem {
            path.push(Step::Key(key));
        }
        let pointer = Rc::clone(&find(&tree, &path).pointer);
        let step = path.pop()?;
        if !remove(&mut tree, &path, &step) {
            return None;
        }
        cut.push((path, pointer));
    }
}

/// Whether a key that was cut is the missing one, or looks like it was meant to be.
fn stands_for(cut: &str, missing: &str) -> bool {
    cut == missing || nearest(cut, [missing]).is_some()
}

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What serde found, and the steps to it, innermost first.
#[derive(Debug)]
struct Error {
    problem: Problem,
    path: Vec<Step>,
}

#[derive(Debug)]
enum Problem {
    Missing(String),
    UnknownKey(String, &'static [&'static str]),
    UnknownVariant(String, &'static [&'static str]),
    Other(String),
}

fn report_problem(problem: &Problem, node: &Node, report: &mut Report) {
    match problem {
        Problem::Missing(key) => drop(report.error(node, Code::MissingKey, format!("key `{key}` is missing"))),
        Problem::UnknownKey(key, expected) => unknown(node.key(key), "key", Code::UnknownKey, key, expected, report),
        Problem::UnknownVariant(name, expected) => unknown(node, "value", Code::InvalidValue, name, expected, report),
        Problem::Other(message) => drop(report.error(node, Code::InvalidValue, message.clone())),
    }
}

fn unknown(node: &Node, what: &str, code: Code, name: &str, expected: &[&str], report: &mut Report) {
    if !expected.contains(&name) && PLANNED.contains(&name) {
        let message = format!("`{name}` is not supported by this version");
        return report.error(node, Code::NotSupported, message).help("remove it; it would not be enforced");
    }
    let message = if holds_secret(&node.pointer) { format!("unknown {what}") } else { format!("unknown {what} `{name}`") };
    let hint = report.error(node, code, message);
    match nearest(name, expected.iter().copied()) {
        Some(near) => hint.help(format!("did you mean `{near}`?")),
        None if expected.is_empty() => hint.help("remove it"),
        None => hint.help(format!("known here: {}", expected.join(", "))),
    }
}

fn find<'n>(root: &'n Node, path: &[Step]) -> &'n Node {
    path.iter().fold(root, |node, step| match step {
        Step::Key(key) => node.key(key),
        Step::Index(index) => node.item(*index),
    })
}

fn remove(root: &mut Node, path: &[Step], step: &Step) -> bool {
    let mut node = root;
    for step in path {
        let next = match (&mut node.value, step) {
            (Value::Object(members), Step::Key(key)) => members.iter_mut().find(|m| m.key == *key).map(|m| &mut m.node),
            (Value::Array(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    match (&mut node.value, step) {
        (Value::Object(members), Step::Key(key)) => {
            let before = members.len();
            members.retain(|member| member.key != *key);
            members.len() < before
        }
        (Value::Array(items), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

impl de::StdError for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl de::Error for Error {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self { problem: Problem::Other(message.to_string()), path: Vec::new() }
    }
    /// What is written there is not repeated: a secret in the wrong place would stand in every log.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a truth value",
            Unexpected::Unit => "null",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            _ => "something else",
        };
        de::Error::custom(format!("{found} stands here, expected {expected}"))
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { problem: Problem::UnknownKey(field.to_owned(), expected), path: Vec::new() }
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self { problem: Problem::UnknownVariant(variant.to_owned(), expected), path: Vec::new() }
    }
    fn missing_field(field: &'static str) -> Self {
        Self { problem: Problem::Missing(field.to_owned()), path: Vec::new() }
    }
}

impl Error {
    fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

/// A node as a serde deserializer.
struct At<'n>(&'n Node);

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(value) => visitor.visit_str(value),
            Value::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, Some(value)) => visitor.visit_f64(value),
                (None, None, None) => Err(de::Error::custom("the number is too large")),
            },
            Value::Array(_) => visitor.visit_seq(Walk { node: self.0, next: 0 }),
            Value::Object(_) => visitor.visit_map(Walk { node: self.0, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (name, content) = match &self.0.value {
            Value::String(name) => (name, None),
            Value::Object(members) => match members.as_slice() {
                [member] => (&member.key, Some(&member.node)),
                _ => return Err(de::Error::custom(format!("expected exactly one of {}", variants.join(", ")))),
            },
            _ => return Err(de::Error::custom(format!("expected one of {}", variants.join(", ")))),
        };
        visitor.visit_enum(Choice { name, content })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The elements of an array or the members of an object, one by one.
struct Walk<'n> {
    node: &'n Node,
    next: usize,
}

impl<'de> SeqAccess<'de> for Walk<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let index = self.next;
        let Some(item) = self.node.items().get(index) else { return Ok(None) };
        self.next = index.saturating_add(1);
        seed.deserialize(At(item)).map(Some).map_err(|error| error.inside(Step::Index(index)))
    }
}

impl<'de> MapAccess<'de> for Walk<'_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(member) = self.node.members().get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(&member.key)).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some(member) = self.node.members().get(self.next) else { return Err(de::Error::custom("value without a key")) };
        self.next = self.next.saturating_add(1);
        seed.deserialize(At(&member.node)).map_err(|error| error.inside(Step::Key(member.key.clone())))
    }
}

/// An enum value: `"name"` or `{"name": content}`.
struct Choice<'n> {
    name: &'n str,
    content: Option<&'n Node>,
}

impl<'de, 'n> EnumAccess<'de> for Choice<'n> {
    type Error = Error;
    type Variant = Content<'n>;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'n>), Error> {
        let variant = seed.deserialize(StrDeserializer::<Error>::new(self.name))?;
        Ok((variant, Content(self)))
    }
}

struct Content<'n>(Choice<'n>);

impl<'n> Content<'n> {
    fn node(&self) -> Result<&'n Node, Error> {
        let name = self.0.name;
        self.0.content.ok_or_else(|| de::Error::custom(format!("`{name}` needs a value: write {{\"{name}\": …}}")))
    }
    fn inside(&self, error: Error) -> Error {
        error.inside(Step::Key(self.0.name.to_owned()))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        match self.0.content {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format!("`{0}` takes no value: write \"{0}\"", self.0.name))),
        }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(At(self.node()?)).map_err(|error| self.inside(error))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        At(self.node()?).deserialize_any(visitor).map_err(|error| self.inside(error))
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        At(self.node()?).deserialize_any(visitor).map_err(|error| self.inside(error))
    }
}
