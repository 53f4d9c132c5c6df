//! JSON Schema, drafts 2020-12 and 7: compiled with the policy, asked about whole documents.
//!
//! A schema refers to parts of itself alone; what leads elsewhere is refused when the policy loads, since nothing may be
//! fetched and nothing may be left unjudged. Patterns run in linear time, so those with look-around or back-references are
//! refused too. `format` is an assertion only where the policy says so, and then each format has to be a known one.
//!
//! A document is parsed into a tree only on routes that name a schema, after the lexer has checked it against the
//! limits. Numbers are compared as 64-bit integers or doubles; one that is neither refuses the document.

mod locate;
mod references;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use carewarden_json_schema::{Draft, Problem, Step, Validator};
use serde_json::Value;

use super::{Place, Violation};
use crate::fhir::ResourceType;
use crate::policy::Loaded;
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::{self, Node};
use crate::policy::model::SchemaChoice;

/// Every schema of a policy, by name.
pub type Compiled = BTreeMap<String, Rc<Schema>>;

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    /// Says where a document is not valid; none where that cannot be told in bounded time.
    locator: Option<Validator>,
    /// The names that it has for properties: those that a place may show.
    names: HashSet<Box<str>>,
}

/// The schemas of a route's documents.
#[derive(Debug)]
pub enum Schemas {
    /// Every document has to be valid by this one.
    One(Rc<Schema>),
    /// Resources have to be valid by that of their type.
    ByType(BTreeMap<Box<str>, Rc<Schema>>),
}

/// Compiles the `schemas` of a policy.
pub fn compile(loaded: &Loaded, report: &mut Report) -> Compiled {
    let formats = loaded.model.schema_formats;
    let at = loaded.root.key("schemas");
    let compiled = loaded.model.schemas.iter().filter_map(|(name, schema)| {
        Schema::compile(schema, formats, at.key(name), report).map(|schema| (name.clone(), Rc::new(schema)))
    });
    compiled.collect()
}

impl Schema {
    /// Compiles the schema that stands at `at`.
    fn compile(schema: &Value, formats: bool, at: &Node, report: &mut Report) -> Option<Self> {
        let draft = draft(schema, at, report)?;
        if !references::check(at, report) {
            return None;
        }
        match Validator::compile(schema, draft, formats) {
            Ok(validator) => {
                let rewritten = locate::without_collections(schema);
                let locator = rewritten.and_then(|schema| Validator::compile(&schema, draft, formats).ok());
                Some(Self { validator, locator, names: names(schema) })
            }
            Err(error) => {
                report_invalid(&error, at, report);
                None
            }
        }
    }

    /// Checks a document.
    fn check(&self, document: &Value) -> Result<(), Violation> {
        if self.validator.is_valid(document) {
            return Ok(());
        }
        let located = self.locator.as_ref().and_then(|locator| locator.check(document).err());
        Err(match located {
            Some(error) => Violation::new(Place::Pointer, self.place(&error), locate::keyword(&error).to_owned()),
            None => Violation::new(Place::Pointer, "", "schema"),
        })
    }

    /// Where a document is not valid. Names that the schema does not have are the client's and not shown.
    fn place(&self, problem: &Problem) -> String {
        let mut place = String::new();
        for step in &problem.place {
            place.push('/');
            match step {
                Step::Index(index) => place.push_str(&index.to_string()),
                Step::Name(name) if self.names.contains(name.as_str()) => {
                    place.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Step::Name(_) => place.push('*'),
            }
        }
        place
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Schemas {
    /// Finds the schemas that a route names at `at`.
    pub fn compile(
        choice: &SchemaChoice,
        is_fhir: bool,
        compiled: &Compiled,
        loaded: &Loaded,
        at: &Node,
        report: &mut Report,
    ) -> Option<Self> {
        let find = |name: &str, at: &Node, report: &mut Report| {
            let found = compiled.get(name).cloned();
            if found.is_none() && !loaded.defines("schemas", name) {
                let hint = report.error(at, Code::MissingReference, format!("there is no schema `{name}`"));
                let near = nearest(name, loaded.model.schemas.keys().map(String::as_str));
                hint.help(near.map_or("define it under `schemas`".to_owned(), |near| format!("did you mean `{near}`?")));
            }
            found
        };
        match choice {
            SchemaChoice::One(name) => find(name, at, report).map(Self::One),
            SchemaChoice::ByType(_) if !is_fhir => {
                let hint = report.error(at, Code::InvalidValue, "only a `fhir` route has resource types");
                hint.help("write the name of one schema");
                None
            }
            SchemaChoice::ByType(names) => {
                let mut by_type = BTreeMap::new();
                for (kind, name) in names {
                    if ResourceType::parse(kind).is_none() {
                        let hint = report.error(at.key(kind), Code::UnknownType, format!("R4 has no type `{kind}`"));
                        hint.nearest(kind, ResourceType::names().iter().copied());
                    }
                    by_type.extend(find(name, at.key(kind), report).map(|schema| (kind.as_str().into(), schema)));
                }
                Some(Self::ByType(by_type))
            }
        }
    }

    /// Whether a resource of this type has a schema.
    #[must_use]
    pub fn names(&self, kind: ResourceType) -> bool {
        match self {
            Self::One(_) => true,
            Self::ByType(by_type) => by_type.contains_key(kind.name()),
        }
    }

    /// Checks a document; `None` when it has a number that cannot be compared, or is nested too deep for a tree.
    pub fn check(&self, text: &[u8]) -> Result<(), Option<Violation>> {
        let document: Value = serde_json::from_slice(text).map_err(|_| None)?;
        match self {
            Self::One(schema) => schema.check(&document),
            Self::ByType(by_type) => check_by_type(by_type, &document),
        }
        .map_err(Some)
    }
}

/// Checks a resource, and those that a Bundle holds.
fn check_by_type(by_type: &BTreeMap<Box<str>, Rc<Schema>>, resource: &Value) -> Result<(), Violation> {
    let kind = |resource: &Value| resource.get("resourceType").and_then(Value::as_str).map(str::to_owned);
    let own = kind(resource).unwrap_or_default();
    if let Some(schema) = by_type.get(own.as_str()) {
        schema.check(resource)?;
    }
    if own != "Bundle" {
        return Ok(());
    }
    let entries = resource.get("entry").and_then(Value::as_array).into_iter().flatten();
    for (index, entry) in entries.enumerate() {
        let held = entry.get("resource");
        let schema = held.and_then(kind).and_then(|kind| by_type.get(kind.as_str()));
        if let (Some(held), Some(schema)) = (held, schema) {
            schema.check(held).map_err(|found| {
                let place = format!("/entry/{index}/resource{}", found.place);
                Violation { place, ..found }
            })?;
        }
    }
    Ok(())
}

/// The draft that a schema is written in.
fn draft(schema: &Value, at: &Node, report: &mut Report) -> Option<Draft> {
    let Some(written) = schema.get("$schema") else { return Some(Draft::Latest) };
    let written = written.as_str().unwrap_or_default();
    match written.trim_end_matches('#').trim_start_matches("https://").trim_start_matches("http://") {
        "json-schema.org/draft/2020-12/schema" => Some(Draft::Latest),
        "json-schema.org/draft-07/schema" => Some(Draft::Seven),
        _ => {
            let hint = report.error(at.key("$schema"), Code::NotSupported, "a draft of JSON Schema that is not supported");
            hint.help(
                "write `https://json-schema.org/draft/2020-12/schema`, `http://json-schema.org/draft-07/schema#`, or nothing for the former",
            );
            None
        }
    }
}

/// Says what is wrong with a schema, where it stands.
fn report_invalid(problem: &Problem, at: &Node, report: &mut Report) {
    let mut node = at;
    for step in &problem.place {
        node = match step {
            Step::Index(index) => node.item(*index),
            Step::Name(name) => node.key(name),
        };
    }
    let is_pattern = node.pointer.ends_with("/pattern") || node.pointer.contains("/patternProperties");
    match problem.keyword.as_str() {
        "format" | "pattern" if is_pattern => {
            let hint = report.error(node, Code::InvalidValue, "not a regular expression that can be run in linear time");
            hint.help("write it without look-around and back-references, and with smaller repetitions");
        }
        "format" => {
            report.error(node, Code::InvalidValue, "a format that is not known").help("leave it out, or `schema_formats`");
        }
        _ => {
            let message = format!("not a JSON Schema: {}", problem.message);
            report.error(node, Code::InvalidValue, message).help("see the draft that `$schema` names, 2020-12 without one");
        }
    }
}

/// The names that a schema has for properties.
fn names(schema: &Value) -> HashSet<Box<str>> {
    let mut names = HashSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), member) {
                        ("properties" | "dependentSchemas" | "dependencies" | "dependentRequired", Value::Object(own)) => {
                            names.extend(own.keys().map(|name| name.as_str().into()));
                        }
                        ("required", Value::Array(own)) => {
                            names.extend(own.iter().filter_map(Value::as_str).map(Box::from));
                        }
                        _ => (),
                    }
                    open.push(member);
                }
            }
            Value::Array(items) => open.extend(items),
            _ => (),
        }
    }
    names
}

/// The value of a node that is a string.
fn text(node: &Node) -> Option<&str> {
    match &node.value {
        document::Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
