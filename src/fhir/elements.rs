//! What R4 says of each element: its datatype, and whether it repeats, is required, or modifies what is around it.
//!
//! A [`Type`] is a resource, a datatype, or the anonymous type of an element that has elements of its own
//! (`Patient.contact`, <http://hl7.org/fhir/R4/backboneelement.html>). The names are those of JSON: of a choice
//! (`value[x]`) each type has its own member, and what refers to the content of another element has that one's type.

mod r4;

use super::ResourceType;

const ARRAY: u8 = 1;
const REQUIRED: u8 = 2;
const MODIFIER: u8 = 4;
const CHOICE: u8 = 8;

/// A type of FHIR R4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(u16);

/// What kind of type it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON scalar, with a twin `_name` for its id and extensions.
    Primitive,
    /// A datatype with elements.
    Complex,
    /// The type of an element that has elements of its own.
    Backbone,
    /// A resource.
    Resource,
    /// Any resource: what `contained` and a Bundle's entries hold.
    AnyResource,
}

/// An element, as it is called in JSON.
#[derive(Debug)]
pub struct Element {
    name: &'static str,
    of: u16,
    flags: u8,
}

struct Row {
    name: &'static str,
    kind: Kind,
    /// In the order of their names.
    elements: &'static [Element],
}

const fn element(name: &'static str, of: u16, flags: u8) -> Element {
    Element { name, of, flags }
}

const fn row(name: &'static str, kind: Kind, elements: &'static [Element]) -> Row {
    Row { name, kind, elements }
}

impl Type {
    /// The type of this name: `Patient`, `HumanName`, `string`, `Patient.contact`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let index = r4::TYPES.binary_search_by(|row| row.name.cmp(name)).ok()?;
        u16::try_from(index).ok().map(Self)
    }

    /// The type of a resource.
    #[must_use]
    pub fn of_resource(kind: ResourceType) -> Option<Self> {
        Self::named(kind.name())
    }

    /// All types, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(r4::TYPES.len()).map(Self)
    }

    fn row(self) -> &'static Row {
        static NONE: Row = row("", Kind::Primitive, &[]);
        r4::TYPES.get(usize::from(self.0)).unwrap_or(&NONE)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What kind of type it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// Whether it is a primitive that JSON writes as a number or a truth value (R4, json.html#primitive).
    #[must_use]
    pub fn is_no_string(self) -> bool {
        matches!(self.name(), "boolean" | "integer" | "decimal" | "positiveInt" | "unsignedInt")
    }

    /// Its elements, in the order of their names. A primitive has none: those of its twin are [`Type::twin`]'s.
    #[must_use]
    pub fn elements(self) -> &'static [Element] {
        self.row().elements
    }

    /// The element of this name, as JSON has it.
    #[must_use]
    pub fn element(self, name: &str) -> Option<&'static Element> {
        self.indexed_element(name).map(|(_, element)| element)
    }

    /// The element of this name and its place among the type's.
    #[must_use]
    pub fn indexed_element(self, name: &str) -> Option<(usize, &'static Element)> {
        let elements = self.elements();
        let index = elements.binary_search_by(|element| element.name.cmp(name)).ok()?;
        elements.get(index).map(|element| (index, element))
    }

    /// The elements that a choice stands for: those of `value[x]`, which FHIRPath calls `value`.
    pub fn choice(self, base: &str) -> impl Iterator<Item = &'static Element> {
        self.elements().iter().filter(move |element| element.choice() == Some(base))
    }

    /// The type of a primitive's twin `_name`: `Element`, with an id and extensions.
    #[must_use]
    pub fn twin() -> Option<Self> {
        Self::named("Element")
    }
}

impl std::fmt::Debug for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Element {
    /// Its name in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its type.
    #[must_use]
    pub fn of(&self) -> Type {
        Type(self.of)
    }

    /// Whether it repeats, and is an array in JSON.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.flags & ARRAY != 0
    }

    /// Whether it has to be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.flags & REQUIRED != 0
    }

    /// Whether it can change the meaning of what it is part of (<http://hl7.org/fhir/R4/conformance-rules.html#isModifier>).
    #[must_use]
    pub fn is_modifier(&self) -> bool {
        self.flags & MODIFIER != 0
    }

    /// The name of the choice that it is one type of: `value` of `valueQuantity`.
    #[must_use]
    pub fn choice(&self) -> Option<&'static str> {
        let base = self.name.len().checked_sub(self.of().name().len()).filter(|_| self.flags & CHOICE != 0)?;
        self.name.get(..base)
    }
}

#[cfg(test)]
mod tests;
