//! Where a document is not valid, told in bounded time and memory.
//!
//! `anyOf` and `oneOf` that do not hold collect the errors of each branch, and those the errors of theirs: on a nested
//! document that is exponential, whoever wrote the schema. Behind `not` nothing is collected. So what tells the place is
//! compiled from the same schema with each choice behind two of them, which means the same but for what a choice says about
//! unevaluated members. Where a schema has both, only that a document is not valid can be told.

use carewarden_json_schema::Problem;
use serde_json::{Map, Value, json};

const CHOICES: &[&str] = &["anyOf", "oneOf"];

/// Keywords whose values are no schemas: data, and lists of names.
const NO_SCHEMAS: &[&str] = &["const", "enum", "default", "examples", "required", "dependentRequired"];

/// The schema that tells places; `None` where none can.
pub(super) fn without_collections(schema: &Value) -> Option<Value> {
    let mut rewritten = schema.clone();
    let mut seen = Seen::default();
    seen.rewrite(&mut rewritten);
    (!(seen.choices && seen.unevaluated)).then_some(rewritten)
}

/// The keyword that does not hold.
pub(super) fn keyword(problem: &Problem) -> &str {
    let only = |value: &Value, key: &str| value.as_object().filter(|members| members.len() == 1)?.get(key).cloned();
    if let Some(inner) = problem.negated.as_ref().and_then(|schema| only(schema, "not"))
        && let Some(choice) = CHOICES.iter().find(|choice| only(&inner, choice).is_some())
    {
        return choice;
    }
    &problem.keyword
}

#[derive(Default)]
struct Seen {
    choices: bool,
    unevaluated: bool,
}

impl Seen {
    fn rewrite(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            Value::Object(members) => {
                self.unevaluated |= members.keys().any(|key| key.starts_with("unevaluated"));
                let schemas = members.iter_mut().filter(|(key, _)| !NO_SCHEMAS.contains(&key.as_str()));
                schemas.for_each(|(_, member)| self.rewrite(member));
                self.hide_choices(members);
            }
            _ => (),
        }
    }

    /// Puts the choices of a schema behind two `not`.
    fn hide_choices(&mut self, members: &mut Map<String, Value>) {
        for choice in CHOICES {
            if !members.get(*choice).is_some_and(Value::is_array) {
                continue;
            }
            let Some(branches) = members.remove(*choice) else { continue };
            self.choices = true;
            let hidden = json!({ "not": { "not": { *choice: branches } } });
            if let Value::Array(all) = members.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
                all.push(hidden);
            }
        }
    }
}
