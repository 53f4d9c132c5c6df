//! Where a rule looks, as it is written: `path`, `type`, `json_path` and `key`.
//!
//! - `path` is a resource type of R4 and element names: `Patient.identifier.value`. It begins at the nearest resource
//!   around a value and goes through arrays by itself. A choice is all its types (`Observation.value[x]`, or `value` as
//!   FHIRPath says) or one (`valueQuantity`). FHIRPath's functions and indexers are not part of it.
//! - `type` is a datatype of R4, wherever an element has it, and `child` an element of that: `Address` and `line`. It is
//!   that type alone and none that R4 derives from it, so that a profile can keep `code` and remove `string`. The twin
//!   `_name` of a primitive is an `Element`.
//! - `json_path` is a part of RFC 9535, from the root: `.name`, `['name']`, `.*`, `[*]`, the same after `..`, indices and
//!   slices that count from the front, and at the end, or before a last name, `[?@.name=='value']`. As there, nothing
//!   goes through an array by itself.
//! - `key` is every member of that name, wherever it stands.

mod element_path;
mod json_path;

use serde_json::Value;

use crate::fhir::ResourceType;
use crate::fhir::elements::{Kind, Type};

/// Where a rule looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) anchor: Anchor,
    /// The ways to go, one for each type of a choice.
    pub(super) ways: Vec<Vec<Step>>,
    /// What members beside the value have to be.
    pub(super) siblings: Vec<(String, Value)>,
    /// What members of the value have to be.
    pub(super) having: Vec<(String, Value)>,
}

/// Where a selector begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// At the nearest resource, of this type.
    Resource(ResourceType),
    /// At every value of this datatype.
    Type(Type),
    /// At the root.
    Root,
}

/// From a value to one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of this name.
    Member(Box<str>),
    /// Every member or element.
    Each,
    /// The members of this name, in the value and all that it holds.
    Deep(Box<str>),
    /// All that the value holds.
    DeepEach,
    /// The elements from the first of these on and before the second.
    Elements(usize, usize),
}

/// What is wrong with a selector, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) message: String,
    pub(super) help: String,
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Invalid,
    UnknownType,
    NotSupported,
}

fn fault(kind: FaultKind, message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault { kind, message: message.into(), help: help.into() }
}

impl Selector {
    fn new(anchor: Anchor, ways: Vec<Vec<Step>>) -> Self {
        Self { anchor, ways, siblings: Vec::new(), having: Vec::new() }
    }

    /// Reads a `path`.
    pub(super) fn path(text: &str) -> Result<Self, Fault> {
        element_path::of_resource(text)
    }

    /// Reads a `type` and the `child` in it.
    pub(super) fn datatype(name: &str, child: Option<&str>) -> Result<Self, Fault> {
        element_path::of_datatype(name, child)
    }

    /// Reads a `json_path`.
    pub(super) fn json_path(text: &str) -> Result<Self, Fault> {
        json_path::read(text)
    }

    /// Reads a `key`.
    pub(super) fn key(name: &str) -> Self {
        Self::new(Anchor::Root, vec![vec![Step::Deep(name.into())]])
    }

    /// The whole answer.
    pub(super) fn root() -> Self {
        Self::new(Anchor::Root, vec![Vec::new()])
    }

    /// Whether a member that it names has a name longer than this.
    pub(super) fn has_longer_name(&self, length: usize) -> bool {
        self.ways.iter().flatten().filter_map(Step::name).any(|name| name.len() > length)
    }

    /// Whether it selects the resource or the answer itself.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self.anchor, Anchor::Type(_)) && self.ways.iter().any(Vec::is_empty)
    }

    /// Whether it selects members by name, so that they have siblings.
    pub(super) fn ends_in_member(&self) -> bool {
        self.ways.iter().all(|steps| match steps.last() {
            Some(step) => matches!(step, Step::Member(_) | Step::Deep(_)),
            None => matches!(self.anchor, Anchor::Type(_)),
        })
    }

    /// Whether all that `other` selects is selected by this, or lies inside what is.
    pub(super) fn is_around(&self, other: &Self) -> bool {
        self.anchor == other.anchor
            && other.ways.iter().all(|inner| self.ways.iter().any(|around| inner.starts_with(around)))
    }

    /// The types that R4 gives to what it selects; none where no table is asked.
    pub(super) fn targets(&self) -> Vec<Type> {
        let start = match self.anchor {
            Anchor::Root => return Vec::new(),
            Anchor::Resource(kind) => Type::of_resource(kind),
            Anchor::Type(of) => Some(of),
        };
        let target = |steps: &Vec<Step>| {
            steps
                .iter()
                .filter_map(Step::name)
                .try_fold(start?, |of, name| element_path::member(of, name).map(|(of, _)| of))
        };
        self.ways.iter().filter_map(target).collect()
    }

    /// The types that R4 gives to what holds that; none where no table is asked.
    pub(super) fn containers(&self) -> Vec<Type> {
        if let (Anchor::Type(of), true) = (self.anchor, self.ways.iter().all(Vec::is_empty)) {
            return Type::all().filter(|around| around.elements().iter().any(|element| element.of() == of)).collect();
        }
        let outer = |steps: &Vec<Step>| steps.split_last().map(|(_, outer)| outer.to_vec());
        let ways = self.ways.iter().filter_map(outer).collect();
        Self { ways, ..self.clone() }.targets()
    }

    /// Whether every way leads through a value of this type.
    pub(super) fn passes_through(&self, of: Type) -> bool {
        let leads_through = |steps: &Vec<Step>| {
            (1..=steps.len()).any(|count| {
                let ways = steps.get(..count).map(<[Step]>::to_vec).into_iter().collect();
                Self { ways, ..self.clone() }.targets().contains(&of)
            })
        };
        !self.ways.is_empty() && self.ways.iter().all(leads_through)
    }

    /// Whether it goes to the member `name` first.
    pub(super) fn begins_with(&self, name: &str) -> bool {
        self.ways.iter().any(|steps| steps.first().and_then(Step::name) == Some(name))
    }

    /// Whether it selects modifiers that are direct elements of a resource, or a `modifierExtension` of anything.
    pub(super) fn selects_modifier(&self) -> bool {
        let of = match self.anchor {
            Anchor::Resource(kind) => Type::of_resource(kind),
            Anchor::Type(_) | Anchor::Root => None,
        };
        let is_modifier = |name: &str| of.and_then(|of| of.element(name)).is_some_and(|element| element.is_modifier());
        self.ways.iter().any(|steps| match steps.as_slice() {
            [Step::Member(name)] if is_modifier(name) => true,
            steps => steps.last().and_then(Step::name) == Some("modifierExtension"),
        })
    }

    /// Whether it selects a datatype that some resource has a modifier of.
    pub(super) fn selects_type_of_modifiers(&self) -> bool {
        let Anchor::Type(own) = self.anchor else { return false };
        let mut elements = Type::all().filter(|of| of.kind() == Kind::Resource).flat_map(Type::elements);
        self.ways.iter().any(Vec::is_empty) && elements.any(|element| element.is_modifier() && element.of() == own)
    }
}

impl Step {
    /// The member name that the step asks for.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Member(name) | Self::Deep(name) => Some(name),
            Self::Each | Self::DeepEach | Self::Elements(..) => None,
        }
    }
}

#[cfg(test)]
pub(super) fn written(selector: Result<Selector, Fault>) -> String {
    let step = |step: &Step| match step {
        Step::Member(name) => format!(".{name}"),
        Step::Each => ".*".to_owned(),
        Step::Deep(name) => format!("..{name}"),
        Step::DeepEach => "..*".to_owned(),
        Step::Elements(from, usize::MAX) => format!("[{from}:]"),
        Step::Elements(from, to) => format!("[{from}:{to}]"),
    };
    match selector {
        Ok(selector) => {
            let ways: Vec<String> = selector.ways.iter().map(|steps| steps.iter().map(step).collect()).collect();
            let conditions = [("where", &selector.siblings), ("having", &selector.having)];
            let conditions =
                conditions.iter().flat_map(|(what, all)| all.iter().map(move |(k, v)| format!(" {what} {k}={v}")));
            ways.join(" ") + &conditions.collect::<String>()
        }
        Err(fault) => format!("{:?}: {} ({})", fault.kind, fault.message, fault.help),
    }
}
