//! What is open while a document's shape is read: objects of a type, and arrays of elements.

use super::shown;
use crate::fhir::elements::{Element, Kind, Type};
use crate::json::Value;
use crate::validate::value::is_id;

/// The most elements that a type of R4 has: a test counts.
const MOST_ELEMENTS: usize = 256;

/// An open container.
#[derive(Debug)]
pub(super) enum Frame {
    Object(Object),
    Array(Array),
}

/// An open object.
#[derive(Debug)]
pub(super) struct Object {
    /// Its number among the document's objects.
    pub(super) number: u32,
    /// Its type, once that is known.
    pub(super) of: Option<Type>,
    /// Whether a resource has to stand here.
    pub(super) is_resource: bool,
    /// Whether it said its type.
    pub(super) has_type: bool,
    /// Whether it is inside of something whose type came late.
    pub(super) is_unjudged: bool,
    /// Whether its own type came late.
    pub(super) is_late: bool,
    /// The element that it stands under; nothing for one of an array.
    pub(super) name: &'static str,
    pub(super) members: usize,
    /// The elements that were there, by their place in the type.
    pub(super) seen: [u64; MOST_ELEMENTS / 64],
}

/// An open array.
#[derive(Debug)]
pub(super) struct Array {
    /// The type of its elements; none where it is not judged.
    of: Option<Type>,
    is_twin: bool,
    /// The element that it is.
    pub(super) name: &'static str,
    pub(super) count: usize,
}

/// What has to stand in a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// A value of a type, or an array of such values.
    Judged { of: Type, is_array: bool, is_twin: bool, name: &'static str },
    /// Anything, in this reading.
    Unjudged,
}

/// What an object's member is.
pub(super) enum Member {
    Element(Slot),
    /// R4 has no such element.
    Unknown,
    /// Another type of the same choice is there.
    Second(&'static str),
    /// The object has not said its type.
    Pending,
    Unjudged,
}

impl Frame {
    pub(super) fn array(of: Type, is_twin: bool, name: &'static str) -> Self {
        Self::Array(Array { of: Some(of), is_twin, name, count: 0 })
    }

    pub(super) fn unjudged_array() -> Self {
        Self::Array(Array { of: None, is_twin: false, name: "", count: 0 })
    }
}

impl Slot {
    /// Where a resource has to stand.
    pub(super) fn any_resource() -> Self {
        let judged = |of| Self::Judged { of, is_array: false, is_twin: false, name: "" };
        Type::named("Resource").map_or(Self::Unjudged, judged)
    }
}

impl Array {
    /// What its next element has to be.
    pub(super) fn next(&mut self) -> Slot {
        self.count = self.count.saturating_add(1);
        let judged = |of| Slot::Judged { of, is_array: false, is_twin: self.is_twin, name: "" };
        self.of.map_or(Slot::Unjudged, judged)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_some() && self.count == 0
    }
}

impl Object {
    pub(super) fn new(number: u32, name: &'static str) -> Self {
        Self {
            number,
            of: None,
            is_resource: false,
            has_type: false,
            is_unjudged: false,
            is_late: false,
            name,
            members: 0,
            seen: [0; MOST_ELEMENTS / 64],
        }
    }

    /// Counts a member. Whether it is the first.
    pub(super) fn count(&mut self) -> bool {
        self.members = self.members.saturating_add(1);
        self.members == 1
    }

    /// Whether `resourceType` may be one of its members: no other type of R4 has such an element.
    pub(super) fn may_be_resource(&self) -> bool {
        self.is_resource || self.is_unjudged
    }

    pub(super) fn is_a(&self, name: &str) -> bool {
        self.of.is_some_and(|of| of.name() == name)
    }

    /// What a member of this name has to be.
    pub(super) fn member(&mut self, key: &str) -> Member {
        let Some(of) = self.of else {
            return if self.is_unjudged || self.is_late { Member::Unjudged } else { Member::Pending };
        };
        let (name, is_twin) = key.strip_prefix('_').map_or((key, false), |name| (name, true));
        let Some((index, element)) = of.indexed_element(name) else { return Member::Unknown };
        if is_twin && element.of().kind() != Kind::Primitive {
            return Member::Unknown;
        }
        if let Some(choice) = element.choice()
            && self.has_other(of, choice, index)
        {
            return Member::Second(choice);
        }
        if let Some(word) = self.seen.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
        let type_of = if is_twin { Type::twin() } else { Some(element.of()) };
        let judged = |of| Slot::Judged { of, is_array: element.is_array(), is_twin, name: element.name() };
        Member::Element(type_of.map_or(Slot::Unjudged, judged))
    }

    /// What is wrong at its end: a required element that is missing, or something about the object itself.
    pub(super) fn end(&self) -> Option<(Option<&'static str>, &'static str)> {
        if self.is_unjudged {
            return None;
        }
        let Some(of) = self.of else {
            return (!self.has_type).then_some((None, "missing-resource-type"));
        };
        if self.members == 0 {
            return Some((None, "empty"));
        }
        let elements = || of.elements().iter().enumerate();
        let is_there = |index: usize, element: &Element| match element.choice() {
            None => self.has(index),
            Some(choice) => elements().any(|(index, other)| self.has(index) && other.choice() == Some(choice)),
        };
        let missing = elements().find(|(index, element)| element.is_required() && !is_there(*index, element));
        missing.map(|(_, element)| (Some(shown(element)), "missing-element"))
    }

    fn has(&self, index: usize) -> bool {
        self.seen.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Whether another element of the same choice is there.
    fn has_other(&self, of: Type, choice: &str, own: usize) -> bool {
        let mut elements = of.elements().iter().enumerate();
        elements.any(|(index, element)| index != own && self.has(index) && element.choice() == Some(choice))
    }
}

/// Why a scalar is no value of a primitive type (R4, json.html#primitive).
pub(super) fn misfit(of: Type, scalar: Value<'_>) -> Option<&'static str> {
    let is_whole = |text: &str| !text.contains(['.', 'e', 'E']);
    match (of.name(), scalar) {
        ("boolean", Value::Bool(_)) | ("decimal", Value::Number(_)) => None,
        ("boolean", _) => Some("not-a-boolean"),
        ("integer" | "positiveInt" | "unsignedInt", Value::Number(text)) => (!is_whole(text)).then_some("not-an-integer"),
        ("decimal" | "integer" | "positiveInt" | "unsignedInt", _) => Some("not-a-number"),
        ("id", Value::String(text)) => (!is_id(text)).then_some("id-grammar"),
        (_, Value::String(_)) => None,
        _ => Some("not-a-string"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_fits() {
        assert!(Type::all().all(|of| of.elements().len() <= MOST_ELEMENTS));
        assert!(matches!(Slot::any_resource(), Slot::Judged { of, .. } if of.kind() == Kind::AnyResource));
        assert!(Type::twin().is_some());
    }
}
