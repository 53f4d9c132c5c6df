//! Where a rule looks, as it is written: `path`, `json_path` and `key`.
//!
//! - `path` is a resource type of R4 and element names: `Patient.identifier.value`. It begins at the nearest resource
//!   around a value and goes through arrays by itself. FHIRPath's functions and indexers are not part of it.
//! - `json_path` is a part of RFC 9535, from the root: `.name`, `['name']`, `.*`, `[*]`, and the same after `..`. As
//!   there, nothing goes through an array by itself.
//! - `key` is every member of that name, wherever it stands.

use crate::fhir::ResourceType;

/// Where a rule looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) anchor: Anchor,
    pub(super) steps: Vec<Step>,
}

/// Where a selector begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// At the nearest resource, of this type.
    Resource(ResourceType),
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
}

/// What is wrong with a selector, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) help: String,
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    UnknownType,
    NotSupported,
}

fn fault(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault { kind, message: message.into(), help: help.into() }
}

impl Selector {
    /// Reads a `path`.
    pub(super) fn path(text: &str) -> Result<Self, Fault> {
        let mut names = text.split('.');
        let first = names.next().unwrap_or_default();
        let Some(root) = ResourceType::parse(first) else {
            let near = crate::policy::diagnostic::nearest(first, ResourceType::names().iter().copied());
            let help = near.map_or_else(
                || "begin with a resource type, as in `Patient.name`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(fault(Kind::UnknownType, format!("R4 has no resource type `{first}`"), help));
        };
        let steps = names.map(element).collect::<Result<Vec<_>, _>>()?;
        let selector = Self { anchor: Anchor::Resource(root), steps };
        selector.stays_in_its_resource(root)?;
        Ok(selector)
    }

    /// Reads a `json_path`.
    pub(super) fn json_path(text: &str) -> Result<Self, Fault> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err(fault(Kind::Invalid, "a JSONPath begins with `$`", format!("write `$.{text}`")));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = json_step(rest)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { anchor: Anchor::Root, steps })
    }

    /// Reads a `key`.
    pub(super) fn key(name: &str) -> Self {
        Self { anchor: Anchor::Root, steps: vec![Step::Deep(name.into())] }
    }

    /// Whether it selects members by name, so that they have siblings.
    pub(super) fn ends_in_member(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Member(_) | Step::Deep(_)))
    }

    /// Whether it selects members of this name.
    pub(super) fn ends_in(&self, name: &str) -> bool {
        self.steps.last().and_then(Step::name) == Some(name)
    }

    /// Whether all that `other` selects is selected by this, or lies inside what is.
    pub(super) fn is_around(&self, other: &Self) -> bool {
        self.anchor == other.anchor && other.steps.starts_with(&self.steps)
    }

    /// A path ends where another resource begins: from there on that one is the nearest.
    fn stays_in_its_resource(&self, root: ResourceType) -> Result<(), Fault> {
        let names: Vec<&str> = self.steps.iter().filter_map(Step::name).collect();
        if names.last() == Some(&"resourceType") {
            let help = "name another element, or the resource itself";
            return Err(fault(Kind::Invalid, "`resourceType` says what a resource is and is never redacted", help));
        }
        let inside = match (root.name(), names.as_slice()) {
            ("Bundle", ["entry", "resource", inside @ ..])
            | ("Bundle", ["entry", "response", "outcome", inside @ ..])
            | (_, ["contained", inside @ ..]) => inside,
            ("Parameters", ["parameter", rest @ ..]) => {
                let parts = rest.iter().take_while(|name| **name == "part").count();
                match rest.get(parts..) {
                    Some(["resource", inside @ ..]) => inside,
                    _ => &[],
                }
            }
            _ => &[],
        };
        match inside {
            [] => Ok(()),
            _ => Err(fault(
                Kind::Invalid,
                "the path goes on inside another resource, where it cannot match",
                format!("begin at that resource's type, as in `Patient.{}`", inside.join(".")),
            )),
        }
    }
}

impl Step {
    /// The member name that the step asks for.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Member(name) | Self::Deep(name) => Some(name),
            Self::Each | Self::DeepEach => None,
        }
    }
}

fn element(name: &str) -> Result<Step, Fault> {
    let plain = |name: &str| {
        let letters = name.strip_prefix('_').unwrap_or(name);
        letters.starts_with(|first: char| first.is_ascii_lowercase()) && letters.chars().all(|c| c.is_ascii_alphanumeric())
    };
    if plain(name) {
        return Ok(Step::Member(name.into()));
    }
    if name.is_empty() {
        return Err(fault(Kind::Invalid, "an element name is empty", "write names with one dot between them"));
    }
    if let Some(choice) = name.strip_suffix("[x]") {
        let help = format!("write the names that stand in JSON, as in `{choice}String`, one rule each");
        return Err(fault(Kind::NotSupported, format!("`{name}` is not supported by this version"), help));
    }
    if name.contains('[') {
        let help = "leave the brackets out: a path goes through arrays by itself";
        return Err(fault(Kind::Invalid, format!("`{name}` is not an element name"), help));
    }
    let help = "write element names with dots between them; other conditions go into `where`";
    Err(fault(Kind::Invalid, format!("`{name}` is not an element name"), help))
}

/// One step of a JSONPath, and what follows it.
fn json_step(text: &str) -> Result<(Step, &str), Fault> {
    let malformed = || {
        let help = "write `.name`, `['name']`, `[*]` or `..name`";
        fault(Kind::Invalid, format!("`{text}` is not a step of a JSONPath"), help)
    };
    let (deep, rest) = match (text.strip_prefix(".."), text.strip_prefix('.')) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) if !rest.starts_with('[') => (false, rest),
        (None, None) if text.starts_with('[') => (false, text),
        _ => return Err(malformed()),
    };
    let (name, rest) = if let Some(rest) = rest.strip_prefix('*').or_else(|| rest.strip_prefix("[*]")) {
        (None, rest)
    } else if let Some(inside) = rest.strip_prefix('[') {
        let (name, rest) = quoted(inside)?;
        (Some(name), rest)
    } else {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let (name, after) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(malformed());
        }
        (Some(name), after)
    };
    Ok((
        match (name, deep) {
            (Some(name), false) => Step::Member(name.into()),
            (Some(name), true) => Step::Deep(name.into()),
            (None, false) => Step::Each,
            (None, true) => Step::DeepEach,
        },
        rest,
    ))
}

/// `'name']` with either quote; escapes are left for names that nobody has.
fn quoted(text: &str) -> Result<(&str, &str), Fault> {
    let help = "use a name in quotes or `*`; to choose among elements, use `where`";
    let not_supported = || fault(Kind::NotSupported, format!("`[{text}` is not supported by this version"), help);
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or_else(not_supported)?;
    let (name, rest) = text.strip_prefix(quote).and_then(|text| text.split_once(quote)).ok_or_else(not_supported)?;
    let rest = rest.strip_prefix(']').ok_or_else(not_supported)?;
    if name.contains('\\') { Err(not_supported()) } else { Ok((name, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(selector: Result<Selector, Fault>) -> String {
        let written = |step: &Step| match step {
            Step::Member(name) => format!(".{name}"),
            Step::Each => ".*".to_owned(),
            Step::Deep(name) => format!("..{name}"),
            Step::DeepEach => "..*".to_owned(),
        };
        match selector {
            Ok(selector) => selector.steps.iter().map(written).collect(),
            Err(fault) => format!("{:?}: {} ({})", fault.kind, fault.message, fault.help),
        }
    }

    #[test]
    fn a_json_path_is_read_step_by_step() {
        for (text, expected) in [
            ("$", ""),
            ("$.members[*].ssn", ".members.*.ssn"),
            ("$..ssn", "..ssn"),
            ("$['a b'][\"c'd\"]..['é'].é_1", ".a b.c'd..é.é_1"),
            ("$..*", "..*"),
            ("$..[*].*", "..*.*"),
        ] {
            assert_eq!(steps(Selector::json_path(text)), expected, "{text}");
        }
        for text in
            ["", "a", "$a", "$.", "$.1", "$.a.", "$..", "$[a]", "$[0]", "$[1:2]", "$[?@.a]", "$['a','b']", "$['a'", "$.a b"]
        {
            assert!(Selector::json_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_a_type_and_element_names() {
        assert_eq!(steps(Selector::path("Patient.identifier.value")), ".identifier.value");
        assert_eq!(steps(Selector::path("Patient")), "");
        for (text, expected) in [
            ("patient.name", "UnknownType: R4 has no resource type `patient` (did you mean `Patient`?)"),
            ("Patient..name", "Invalid: an element name is empty (write names with one dot between them)"),
            (
                "Patient.name[0]",
                "Invalid: `name[0]` is not an element name (leave the brackets out: a path goes through arrays by itself)",
            ),
            (
                "Bundle.entry.resource.name.family",
                "Invalid: the path goes on inside another resource, where it cannot match (begin at that resource's type, as in `Patient.name.family`)",
            ),
            (
                "Observation.value[x]",
                "NotSupported: `value[x]` is not supported by this version (write the names that stand in JSON, as in `valueString`, one rule each)",
            ),
        ] {
            assert_eq!(steps(Selector::path(text)), expected, "{text}");
        }
        for text in [
            "Patient.name.where(use='x')",
            "Patient.*",
            "Patient.Name",
            "Patient.resourceType",
            "Parameters.parameter.part.part.resource.id",
        ] {
            assert!(Selector::path(text).is_err(), "{text}");
        }
    }
}
