//! Whether a FHIR document has the shape that R4 gives it, read as the lexer shows it, without a tree.
//!
//! 1. What stands where a resource has to be is an object with a `resourceType` that R4 has.
//! 2. An object has the elements of its type, each an array or not as R4 says, a primitive written as the JSON that it
//!    has (`boolean` is no string), and none that R4 does not have. Beside a primitive its twin `_name` may stand.
//! 3. Required elements are there; of a choice (`value[x]`) one. A twin counts: it says why the value is absent.
//! 4. Of a choice no two types are there, in one Extension too.
//! 5. An `id` of a resource, and whatever else R4 calls one, fits the grammar of ids. Nothing is empty but strings.
//!
//! Codes, dates and texts are not looked at, nor are profiles: extensions may say anything that R4 lets them.
//!
//! Members come in any order, and `resourceType` may be the last. A first reading judges as it goes, and notes the type of
//! each object that has one; only where a type came late a second one is needed, which knows them all.
//!
//! A [`Violation`] shows the path of elements from the resource on. An element that R4 does not have is one by its parent
//! alone, since its name is the client's.

mod frame;

use super::{Place, Violation};
use crate::fhir::ResourceType;
use crate::fhir::elements::{Element, Kind, Type};
use crate::json::{self, Event, Value};
use frame::{Frame, Member, Object, Slot};

/// Reads the events of one document.
#[derive(Debug, Default)]
pub struct Shape {
    frames: Vec<Frame>,
    /// How many objects have begun.
    objects: u32,
    /// The types that objects say they have, by the number of the object. `None` is none of R4's.
    types: Vec<(u32, Option<ResourceType>)>,
    /// Whether the types are known from a reading before.
    knows_types: bool,
    /// Whether a resource said its type after something else.
    is_late: bool,
    violation: Option<Violation>,
    ids: Ids,
}

/// The ids of the resources that a request may name in its path.
#[derive(Debug, Default)]
struct Ids {
    root: Option<String>,
    /// By the number of the Bundle's entry.
    entries: Vec<(usize, String)>,
}

/// What a document is, as far as its path has to know.
#[derive(Debug, Default)]
pub struct Shaped {
    /// What does not fit.
    pub violation: Option<Violation>,
    ids: Ids,
}

impl Shape {
    /// Reads a document that was checked, or is being checked: what is found counts only when it is JSON within limits.
    pub fn visit(&mut self, event: Event<'_>) {
        if self.violation.is_some() {
            return;
        }
        let read = match event.value {
            Value::End => self.close(),
            _ => self.value(event),
        };
        self.violation = read.err();
    }

    /// Ends the first reading. `body` is read once more where that is needed.
    #[must_use]
    pub fn finish(mut self, body: &[u8], limits: &json::Limits) -> Shaped {
        if self.is_late && self.violation.is_none() {
            let mut types = self.types;
            types.sort_unstable_by_key(|(object, _)| *object);
            self = Self { types, knows_types: true, ..Self::default() };
            if json::walk(body, limits, |event| self.visit(event)).is_err() {
                // The reading before went through.
                self.violation.get_or_insert_with(|| Violation::new(Place::Element, "", "changed"));
            }
        }
        Shaped { violation: self.violation, ids: self.ids }
    }

    /// Checks a whole document.
    pub fn check(body: &[u8], limits: &json::Limits) -> Result<Shaped, json::Error> {
        let mut shape = Self::default();
        json::walk(body, limits, |event| shape.visit(event))?;
        Ok(shape.finish(body, limits))
    }

    /// A value begins, or is there whole.
    fn value(&mut self, event: Event<'_>) -> Result<(), Violation> {
        let slot = self.slot(event)?;
        let Slot::Judged { of, is_array, is_twin, name } = slot else {
            self.unjudged(event);
            return Ok(());
        };
        match event.value {
            Value::Array if is_array => {
                self.frames.push(Frame::array(of, is_twin, name));
                Ok(())
            }
            Value::Array => Err(self.at(name, "array")),
            _ if is_array => Err(self.at(name, "not-an-array")),
            Value::Object => self.open(of, name),
            _ if of.kind() != Kind::Primitive => match event.value {
                // In an array beside the values of which some have none.
                Value::Null if is_twin && self.is_in_array() => Ok(()),
                _ => Err(self.at(name, "not-an-object")),
            },
            Value::Null if self.is_in_array() => Ok(()),
            scalar => match frame::misfit(of, scalar) {
                Some(rule) => Err(self.at(name, rule)),
                None => {
                    self.note_id(event);
                    Ok(())
                }
            },
        }
    }

    /// What has to stand where an event is.
    fn slot(&mut self, event: Event<'_>) -> Result<Slot, Violation> {
        let slot = match self.frames.last_mut() {
            None => Slot::any_resource(),
            Some(Frame::Array(array)) => array.next(),
            Some(Frame::Object(_)) => return self.member(event.key.unwrap_or_default(), event.value),
        };
        Ok(slot)
    }

    /// What has to stand under a key of the innermost object.
    fn member(&mut self, key: &str, value: Value<'_>) -> Result<Slot, Violation> {
        let Some(Frame::Object(object)) = self.frames.last_mut() else { return Ok(Slot::Unjudged) };
        let is_first = object.count();
        if key == "resourceType" && object.may_be_resource() {
            return self.resource_type(is_first, value);
        }
        match object.member(key) {
            Member::Element(slot) => Ok(slot),
            Member::Unknown => Err(self.here("unknown-element")),
            Member::Second(choice) => Err(self.at(choice, "two-of-a-choice")),
            Member::Pending if self.knows_types => Err(self.here("missing-resource-type")),
            Member::Pending => {
                object.is_late = true;
                self.is_late = true;
                Ok(Slot::Unjudged)
            }
            Member::Unjudged => Ok(Slot::Unjudged),
        }
    }

    /// The innermost object says its type.
    fn resource_type(&mut self, is_first: bool, value: Value<'_>) -> Result<Slot, Violation> {
        let Value::String(name) = value else { return Err(self.at("resourceType", "not-a-string")) };
        let kind = ResourceType::parse(name);
        let Some(Frame::Object(object)) = self.frames.last_mut() else { return Ok(Slot::Unjudged) };
        object.has_type = true;
        if !self.knows_types {
            self.types.push((object.number, kind));
        }
        if !object.is_resource {
            return Ok(Slot::Unjudged);
        }
        let of = kind.and_then(Type::of_resource);
        if is_first && !self.knows_types {
            object.of = of;
        }
        if of.is_none() { Err(self.here("unknown-resource-type")) } else { Ok(Slot::Unjudged) }
    }

    /// An object begins that has to be of this type.
    fn open(&mut self, of: Type, name: &'static str) -> Result<(), Violation> {
        let number = self.number();
        let object = match of.kind() {
            Kind::Primitive => return Err(self.at(name, "object")),
            Kind::AnyResource => {
                let known = || self.types.binary_search_by_key(&number, |(object, _)| *object).ok();
                let found = known().and_then(|at| self.types.get(at)).and_then(|(_, kind)| *kind);
                let of = if self.knows_types { found.and_then(Type::of_resource) } else { None };
                Object { of, is_resource: true, ..Object::new(number, name) }
            }
            Kind::Complex | Kind::Backbone | Kind::Resource => Object { of: Some(of), ..Object::new(number, name) },
        };
        self.frames.push(Frame::Object(object));
        Ok(())
    }

    /// Follows what is not judged in this reading.
    fn unjudged(&mut self, event: Event<'_>) {
        match event.value {
            Value::Object => {
                let number = self.number();
                self.frames.push(Frame::Object(Object { is_unjudged: true, ..Object::new(number, "") }));
            }
            Value::Array => self.frames.push(Frame::unjudged_array()),
            _ => (),
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.objects;
        self.objects = number.saturating_add(1);
        number
    }

    fn close(&mut self) -> Result<(), Violation> {
        let misfit = match self.frames.last() {
            Some(Frame::Array(array)) => array.is_empty().then_some((None, "empty")),
            Some(Frame::Object(object)) => object.end(),
            None => None,
        };
        if let Some((missing, rule)) = misfit {
            return Err(missing.map_or_else(|| self.here(rule), |name| self.at(name, rule)));
        }
        self.frames.pop();
        Ok(())
    }

    fn is_in_array(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Array(_)))
    }

    /// Keeps the ids that a path may name.
    fn note_id(&mut self, event: Event<'_>) {
        let (Some("id"), Value::String(id)) = (event.key, event.value) else { return };
        match self.frames.as_slice() {
            [Frame::Object(_)] => self.ids.root = Some(id.to_owned()),
            [Frame::Object(root), Frame::Array(entries), Frame::Object(_), Frame::Object(held)]
                if root.is_a("Bundle") && entries.name == "entry" && held.is_resource =>
            {
                self.ids.entries.push((entries.count.saturating_sub(1), id.to_owned()));
            }
            _ => (),
        }
    }

    /// A violation at a member of the innermost object, or at the element of the innermost array.
    fn at(&self, name: &'static str, rule: &'static str) -> Violation {
        let mut place = self.path();
        if !name.is_empty() && !self.is_in_array() {
            if !place.is_empty() {
                place.push('.');
            }
            place.push_str(name);
        }
        Violation::new(Place::Element, place, rule)
    }

    /// A violation at the innermost container.
    fn here(&self, rule: &'static str) -> Violation {
        Violation::new(Place::Element, self.path(), rule)
    }

    /// The path of the innermost container: names of R4 and indices.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match frame {
                Frame::Object(object) if path.is_empty() => path.push_str(object.of.map_or("Resource", Type::name)),
                // The elements of an array are named by it.
                Frame::Object(object) if object.name.is_empty() => (),
                Frame::Object(Object { name, .. }) => {
                    path.push('.');
                    path.push_str(name);
                }
                Frame::Array(array) => {
                    path.push('.');
                    path.push_str(array.name);
                    if let Some(index) = array.count.checked_sub(1) {
                        path.push_str(&format!("[{index}]"));
                    }
                }
            }
        }
        path
    }
}

impl Shaped {
    /// Checks that the resource has the id of the path that it is written to.
    pub fn check_id(&self, expected: &str) -> Result<(), Violation> {
        match &self.ids.root {
            Some(id) if id == expected => Ok(()),
            _ => Err(Violation::new(Place::Element, "Resource.id", "id-of-path")),
        }
    }

    /// The same for the resource of a Bundle's entry.
    pub fn check_entry_id(&self, entry: usize, expected: &str) -> Result<(), Violation> {
        match self.ids.entries.iter().find(|(index, _)| *index == entry) {
            Some((_, id)) if id == expected => Ok(()),
            _ => Err(Violation::new(Place::Element, format!("Bundle.entry[{entry}].resource.id"), "id-of-path")),
        }
    }
}

/// The name of an element without the type of a choice.
fn shown(element: &'static Element) -> &'static str {
    element.choice().unwrap_or_else(|| element.name())
}

#[cfg(test)]
mod tests;
