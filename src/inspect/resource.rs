//! JSON bodies, judged string by string and key by key as the lexer meets them; in FHIR by what the R4 tables say.
//!
//! What an element is depends on its resource's type, which may stand behind it: nothing orders members. Something found
//! where the type was not known yet is judged again when all types are: the body is walked a second time, with the types
//! that the first walk met. That is charged to the same budget, and no body without findings needs it.

use std::cell::Cell;
use std::ops::Range;

use super::judge::{Inspection, JsonPlace, Nature, OverBudget, Place};
use super::path::JsonPath;
use super::rule::Target;
use crate::fhir::ResourceType;
use crate::fhir::elements::{Kind, Type};
use crate::json::{Event, Value};

/// Elements that hold expressions (`FHIRPath`, `XPath`, a mapping language) by definition, where R4 has them.
const CODE: &[&str] = &["expression", "xpath", "path", "condition", "check", "contextInvariant", "map"];

/// An open container.
#[derive(Clone)]
struct Frame {
    /// Its key's place in the names; none for the root and elements of arrays.
    key: Option<Range<usize>>,
    /// What its `resourceType` says, once that was read.
    resource: Option<Type>,
    /// Counts the containers of the body.
    number: usize,
    /// Of an operation of a patch, what stands at its `path`, once that was read.
    patched: Option<Type>,
}

/// The inspection of a JSON body, or of one line.
pub struct BodyInspection<'i, 's> {
    inspection: &'i mut Inspection<'s>,
    /// What was found before.
    before: (u32, usize),
    is_fhir: bool,
    /// The type of the root, where that is known without its saying so.
    root: Option<Type>,
    /// Whether the body is a list of operations on that (RFC 6902).
    is_patch: bool,
    frames: Vec<Frame>,
    names: String,
    over: Option<OverBudget>,
    /// How many containers have begun.
    begun: usize,
    /// The types of resources, by the number of their container.
    types: Vec<(usize, Type)>,
    /// Whether `types` are those of the whole body.
    knows_types: bool,
    /// Whether something was found where a type was not known.
    is_unsettled: bool,
}

impl<'i, 's> BodyInspection<'i, 's> {
    /// Goes on with an inspection; `is_fhir` where the body's elements are those of R4.
    #[must_use]
    pub fn new(inspection: &'i mut Inspection<'s>, is_fhir: bool) -> Self {
        let before = inspection.found();
        Self {
            inspection,
            before,
            is_fhir,
            root: None,
            is_patch: false,
            frames: Vec::new(),
            names: String::new(),
            over: None,
            begun: 0,
            types: Vec::new(),
            knows_types: false,
            is_unsettled: false,
        }
    }

    /// The same of a body whose root is of this type, though it need not say so.
    #[must_use]
    pub fn of(self, root: Option<ResourceType>) -> Self {
        Self { root: root.and_then(|root| Type::named(root.name())), ..self }
    }

    /// The same of a JSON Patch (RFC 6902) of a resource of this type: what an operation's `value` is by R4 says its `path`,
    /// where that stands before it.
    #[must_use]
    pub fn patching(self, resource: Option<ResourceType>) -> Self {
        Self { is_patch: resource.is_some(), ..self.of(resource) }
    }

    /// Whether to walk the same body with it once more, since that could change what was found.
    #[must_use]
    pub fn again(&mut self) -> bool {
        if !self.is_unsettled || self.knows_types || self.over.is_some() {
            return false;
        }
        self.inspection.return_to(self.before);
        self.types.sort_unstable();
        (self.begun, self.knows_types, self.is_unsettled) = (0, true, false);
        true
    }

    /// Judges what the lexer met.
    pub fn visit(&mut self, event: Event<'_>) {
        if self.over.is_none() {
            self.over = self.judge(event).err();
        }
    }

    /// Ends. What was found counts only when the body was valid to its end.
    pub fn finish(self) -> Result<(), OverBudget> {
        self.over.map_or(Ok(()), Err)
    }

    fn judge(&mut self, event: Event<'_>) -> Result<(), OverBudget> {
        if event.value == Value::End {
            let key = self.frames.pop().and_then(|frame| frame.key);
            key.into_iter().for_each(|key| self.names.truncate(key.start));
            return Ok(());
        }
        if let Some(key) = event.key
            && !self.inspection.is_decided()
        {
            let place = At { frames: &self.frames, names: &self.names, key: Some(key) };
            self.inspection.value(Target::JsonKey, Place::Json(&place), key.as_bytes())?;
        }
        match event.value {
            Value::Object | Value::Array => {
                let key = event.key.map(|key| {
                    let start = self.names.len();
                    self.names.push_str(key);
                    start..self.names.len()
                });
                let number = self.begun;
                self.begun += 1;
                let known =
                    self.types.binary_search_by_key(&number, |(number, _)| *number).ok().filter(|_| self.knows_types);
                let resource = known.and_then(|known| self.types.get(known)).map(|(_, of)| *of);
                let is_root = self.frames.is_empty() && !self.is_patch;
                let resource = resource.or(self.root.filter(|_| is_root));
                self.frames.push(Frame { key, resource, number, patched: None });
                Ok(())
            }
            Value::String(text) => self.string(event.key, text),
            Value::Number(_) | Value::Bool(_) | Value::Null | Value::End => Ok(()),
        }
    }

    fn string(&mut self, key: Option<&str>, text: &str) -> Result<(), OverBudget> {
        if key == Some("resourceType")
            && let Some(frame) = self.frames.last_mut()
        {
            frame.resource = Type::named(text).filter(|of| of.kind() == Kind::Resource);
            if !self.knows_types {
                self.types.extend(frame.resource.map(|of| (frame.number, of)));
            }
        }
        if let (true, Some("path"), [_, operation]) = (self.is_patch, key, self.frames.as_mut_slice()) {
            operation.patched = self.root.and_then(|root| at_pointer(root, text));
        }
        // What was found before a type was known is judged again, and then so is all behind it.
        if self.inspection.is_decided() {
            return Ok(());
        }
        let at = At { frames: &self.frames, names: &self.names, key };
        let may_be_div = key == Some("div") || (self.is_patch && key == Some("value"));
        if self.is_fhir && may_be_div && at.is_narrative(self.knows_types) {
            // It may be none once all types are known.
            self.is_unsettled |= at.element().is_none();
            return self.inspection.narrative(Place::Json(&at), text);
        }
        let found = self.inspection.score();
        let (known, is_fhir) = (Cell::new(None), self.is_fhir);
        let nature = || match known.get() {
            Some(nature) => nature,
            None => {
                let nature = if is_fhir { at.nature() } else { Nature::Text };
                known.set(Some(nature));
                nature
            }
        };
        self.inspection.judge(Target::Json, Place::Json(&at), text.as_bytes(), &nature)?;
        self.is_unsettled |= is_fhir && self.inspection.score() > found && at.element().is_none();
        Ok(())
    }
}

/// A member or an element of the innermost container.
#[derive(Clone, Copy)]
struct At<'a> {
    frames: &'a [Frame],
    names: &'a str,
    key: Option<&'a str>,
}

impl<'a> At<'a> {
    fn keys(self) -> impl Iterator<Item = Option<&'a str>> {
        let outer = self
            .frames
            .iter()
            .skip(1)
            .map(move |frame| frame.key.clone().map(|key| self.names.get(key).unwrap_or_default()));
        outer.chain(std::iter::once(self.key))
    }

    /// The type of the element, if R4 has it. Only what stands where R4 has resources is one, whatever it says.
    fn element(self) -> Option<Type> {
        let patched = self.frames.get(1).and_then(|operation| operation.patched);
        if let Some(patched) = patched {
            // Behind the operation and its `value`.
            let is_value = self.keys().nth(1) == Some(Some("value"));
            let value = self.frames.get(2).and_then(|value| value.resource).filter(|_| patched.kind() == Kind::AnyResource);
            return if is_value { self.element_from(value.unwrap_or(patched), 2) } else { None };
        }
        self.element_from(self.frames.first()?.resource?, 0)
    }

    /// The same, where what the first keys lead to is known.
    fn element_from(self, known: Type, keys: usize) -> Option<Type> {
        let mut of = known;
        let resources = self.frames.iter().skip(1).map(|frame| frame.resource).chain(std::iter::once(None));
        for (key, resource) in self.keys().zip(resources).skip(keys) {
            if let Some(key) = key {
                of = match key.strip_prefix('_') {
                    Some(key) if of.element(key).is_some_and(|element| element.of().kind() == Kind::Primitive) => {
                        Type::twin()?
                    }
                    _ => of.element(key)?.of(),
                };
            }
            if of.kind() == Kind::AnyResource
                && let Some(resource) = resource
            {
                of = resource;
            }
        }
        Some(of)
    }

    fn nature(self) -> Nature {
        // Of an element of an array it is the array's.
        let key = self.key.or_else(|| {
            let frame = self.frames.last()?;
            self.names.get(frame.key.clone()?)
        });
        match (self.element(), key) {
            (Some(of), _) if of.name() == "base64Binary" => Nature::Base64,
            (Some(_), Some(key)) if CODE.contains(&key) => Nature::Code,
            _ => Nature::Text,
        }
    }

    /// Whether this is the markup of a narrative. Where a resource's type was not read yet, `text` is its narrative all the
    /// same: R4 has it in every resource that can have one.
    fn is_narrative(self, knows_types: bool) -> bool {
        match self.element() {
            Some(of) => of.name() == "xhtml",
            None if knows_types => false,
            None => {
                let [.., resource, text] = self.frames else { return false };
                let is_text = text.key.clone().and_then(|key| self.names.get(key)) == Some("text");
                is_text && resource.resource.is_none()
            }
        }
    }
}

/// The type of what a JSON Pointer (RFC 6901) leads to from a value of this type, if R4 has it.
fn at_pointer(root: Type, pointer: &str) -> Option<Type> {
    let steps = pointer.strip_prefix('/').into_iter().flat_map(|steps| steps.split('/'));
    // Of an array it is what its elements are.
    let is_index = |step: &str| step == "-" || step.bytes().all(|byte| byte.is_ascii_digit());
    steps.filter(|step| !is_index(step)).try_fold(root, |of, step| Some(of.element(step)?.of()))
}

impl JsonPlace for At<'_> {
    fn is_at(&self, path: &JsonPath) -> bool {
        path.leads_to(self.keys())
    }

    fn written(&self) -> String {
        let step = |key: Option<&str>| key.map_or_else(|| "[*]".to_owned(), |key| format!(".{key}"));
        std::iter::once("$".to_owned()).chain(self.keys().map(step)).collect()
    }
}
