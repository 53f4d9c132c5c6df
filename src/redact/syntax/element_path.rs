//! Element paths, read with the tables of R4: every name has to be one that they know.

use super::FaultKind::{Invalid, NotSupported, UnknownType};
use super::{Anchor, Fault, Selector, Step, fault};
use crate::fhir::ResourceType;
use crate::fhir::elements::{Kind, Type};
use crate::policy::diagnostic::nearest;

/// Types that nothing has itself: what others are made from.
const ABSTRACT: &[&str] = &["Resource", "DomainResource", "BackboneElement"];

/// Reads `Patient.identifier.value`.
pub(super) fn of_resource(text: &str) -> Result<Selector, Fault> {
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let known = ResourceType::parse(first).and_then(|kind| Some((kind, Type::of_resource(kind)?)));
    let Some((kind, of)) = known else {
        let help = match (Type::named(first), nearest(first, ResourceType::names().iter().copied())) {
            _ if ABSTRACT.contains(&first) => {
                "name a type that resources have, as in `Patient.name`; for all of them write `type` or `key`".to_owned()
            }
            (Some(_), _) => {
                format!("for all elements of that datatype write `\"type\": \"{first}\"`, with `child` for what is in it")
            }
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => "begin with a resource type, as in `Patient.name`".to_owned(),
        };
        return Err(fault(UnknownType, format!("R4 has no resource type `{first}`"), help));
    };
    let ways = rest.map_or_else(|| Ok(vec![Vec::new()]), |rest| ways(of, rest))?;
    Ok(Selector::new(Anchor::Resource(kind), ways))
}

/// Reads `Address` and `line`, or `QuestionnaireResponse.item.answer` and an element of that, which R4 has at every depth.
/// What stands beside a primitive, in its twin, is an `Element`.
pub(super) fn of_datatype(name: &str, child: Option<&str>) -> Result<Selector, Fault> {
    let of = Type::named(name).filter(|of| !ABSTRACT.contains(&of.name()));
    let Some(of) = of else {
        let all = Type::all().filter(|of| matches!(of.kind(), Kind::Primitive | Kind::Complex));
        let near = nearest(name, all.map(Type::name).filter(|name| !ABSTRACT.contains(name)));
        let help = match (name, near) {
            ("SimpleQuantity" | "MoneyQuantity", _) => "it is a `Quantity` wherever R4 has it".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (_, None) => "name a datatype, as `HumanName` or `date`".to_owned(),
        };
        return Err(fault(UnknownType, format!("R4 has no datatype `{name}`"), help));
    };
    if !matches!(of.kind(), Kind::Primitive | Kind::Complex | Kind::Backbone) {
        let help = format!("write `\"path\": \"{name}\"`");
        return Err(fault(Invalid, format!("`{name}` is no datatype"), help));
    }
    let ways = child.map_or_else(|| Ok(vec![Vec::new()]), |child| ways(of, child))?;
    Ok(Selector::new(Anchor::Type(of), ways))
}

/// The ways that names lead from a type, one for each type of a choice.
fn ways(from: Type, names: &str) -> Result<Vec<Vec<Step>>, Fault> {
    let mut ways: Vec<(Vec<Step>, Type)> = vec![(Vec::new(), from)];
    for (index, name) in names.split('.').enumerate() {
        if let Some((_, of)) = ways.iter().find(|(_, of)| of.kind() == Kind::AnyResource) {
            let inside = names.split('.').skip(index).collect::<Vec<_>>().join(".");
            let help = format!("begin at that resource's type, as in `Patient.{inside}`");
            debug_assert_eq!(of.kind(), Kind::AnyResource);
            return Err(fault(Invalid, "the path goes on inside another resource, where it cannot match", help));
        }
        let on: Vec<(Vec<Step>, Type)> = ways
            .iter()
            .flat_map(|(steps, of)| {
                members(*of, name).map(|(name, of)| ([steps.as_slice(), &[Step::Member(name.into())]].concat(), of))
            })
            .collect();
        if on.is_empty() {
            let of = ways.first().map_or(from, |(_, of)| *of);
            return Err(unknown(of, name));
        }
        ways = on;
    }
    Ok(ways.into_iter().map(|(steps, _)| steps).collect())
}

/// The members of a type that a name stands for.
fn members(of: Type, name: &str) -> impl Iterator<Item = (String, Type)> {
    let choice = name.strip_suffix("[x]").unwrap_or(name);
    let one = member(of, name).map(|(found, _)| (name.to_owned(), found));
    let many = of.choice(choice).map(|element| (element.name().to_owned(), element.of()));
    let many: Vec<_> = if one.is_some() { Vec::new() } else { many.collect() };
    one.into_iter().chain(many)
}

/// The type of the member `name` of a value of this type, and whether it is a twin. The elements of a primitive stand in
/// its twin.
pub(super) fn member(of: Type, name: &str) -> Option<(Type, bool)> {
    if let Some(element) = of.element(name) {
        return Some((element.of(), false));
    }
    match (of.kind(), name.strip_prefix('_')) {
        (Kind::Primitive, _) => Some((Type::twin()?.element(name)?.of(), false)),
        (_, Some(name)) => {
            of.element(name).filter(|element| element.of().kind() == Kind::Primitive).and(Type::twin()).map(|of| (of, true))
        }
        _ => None,
    }
}

fn unknown(of: Type, name: &str) -> Fault {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name == "resourceType" {
        let help = "name another element, or the resource itself";
        return fault(Invalid, "`resourceType` says what a resource is and is never redacted", help);
    }
    if name.is_empty() {
        return fault(Invalid, "an element name is empty", "write names with one dot between them");
    }
    if !is_name && name.trim_end_matches(']').ends_with(|c: char| c.is_ascii_digit()) && name.contains('[') {
        let help = "leave the brackets out: a path goes through arrays by itself";
        return fault(Invalid, format!("`{name}` is not an element name"), help);
    }
    if !is_name && !name.ends_with("[x]") {
        let help = "write element names with dots between them; other conditions go into `where`";
        return fault(NotSupported, format!("`{name}` is not an element name"), help);
    }
    let elements = of.elements().iter().map(|element| element.choice().unwrap_or(element.name()));
    let help = match nearest(name, of.elements().iter().map(crate::fhir::elements::Element::name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if of.elements().is_empty() => format!("`{}` has no elements but `id` and `extension`", of.name()),
        None => {
            let mut known: Vec<&str> = elements.collect();
            known.dedup();
            format!("`{}` has {}", of.name(), known.join(", "))
        }
    };
    fault(Invalid, format!("R4 has no element `{name}` in `{}`", of.name()), help)
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn a_path_is_a_type_and_names_that_r4_knows() {
        for (text, expected) in [
            ("Patient.identifier.value", ".identifier.value"),
            ("Patient", ""),
            ("Patient.contact.name.family", ".contact.name.family"),
            ("Patient.birthDate.extension.valueDateTime", ".birthDate.extension.valueDateTime"),
            ("Patient._birthDate", "._birthDate"),
            ("Patient.deceased[x]", ".deceasedBoolean .deceasedDateTime"),
            ("Patient.multipleBirth", ".multipleBirthBoolean .multipleBirthInteger"),
            ("Observation.value[x].coding.display", ".valueCodeableConcept.coding.display"),
            ("Questionnaire.item.item.item.text", ".item.item.item.text"),
            ("Bundle.entry.resource", ".entry.resource"),
            ("patient.name", "UnknownType: R4 has no resource type `patient` (did you mean `Patient`?)"),
            (
                "HumanName.family",
                "UnknownType: R4 has no resource type `HumanName` (for all elements of that datatype write `\"type\": \"HumanName\"`, with `child` for what is in it)",
            ),
            (
                "DomainResource.text",
                "UnknownType: R4 has no resource type `DomainResource` (name a type that resources have, as in `Patient.name`; for all of them write `type` or `key`)",
            ),
            ("Patient..name", "Invalid: an element name is empty (write names with one dot between them)"),
            ("Patient.nmae", "Invalid: R4 has no element `nmae` in `Patient` (did you mean `name`?)"),
            (
                "Patient.name.xyz",
                "Invalid: R4 has no element `xyz` in `HumanName` (`HumanName` has extension, family, given, id, period, prefix, suffix, text, use)",
            ),
            (
                "Patient.birthDate.day",
                "Invalid: R4 has no element `day` in `date` (`date` has no elements but `id` and `extension`)",
            ),
            (
                "HealthcareService.notAvaliable.description",
                "Invalid: R4 has no element `notAvaliable` in `HealthcareService` (did you mean `notAvailable`?)",
            ),
            (
                "Patient.name[0]",
                "Invalid: `name[0]` is not an element name (leave the brackets out: a path goes through arrays by itself)",
            ),
            (
                "Bundle.entry.resource.name.family",
                "Invalid: the path goes on inside another resource, where it cannot match (begin at that resource's type, as in `Patient.name.family`)",
            ),
        ] {
            assert_eq!(written(of_resource(text)), expected, "{text}");
        }
        for text in [
            "Patient.name.where(use='x')",
            "Patient.*",
            "Patient.Name",
            "Patient.resourceType",
            "Patient._name",
            "Patient.value[x]",
            "Parameters.parameter.part.part.resource.id",
        ] {
            assert!(of_resource(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_type_is_a_datatype_and_a_child_an_element_of_it() {
        for (name, child, expected) in [
            ("HumanName", None, ""),
            ("date", None, ""),
            ("Address", Some("line"), ".line"),
            ("Timing", Some("repeat.bounds[x]"), ".repeat.boundsDuration .repeat.boundsPeriod .repeat.boundsRange"),
            ("Humanname", None, "UnknownType: R4 has no datatype `Humanname` (did you mean `HumanName`?)"),
            (
                "SimpleQuantity",
                None,
                "UnknownType: R4 has no datatype `SimpleQuantity` (it is a `Quantity` wherever R4 has it)",
            ),
            ("Resource", None, "UnknownType: R4 has no datatype `Resource` (name a datatype, as `HumanName` or `date`)"),
            ("QuestionnaireResponse.item.answer", Some("valueInteger"), ".valueInteger"),
            ("Patient", None, "Invalid: `Patient` is no datatype (write `\"path\": \"Patient\"`)"),
            ("Address", Some("lines"), "Invalid: R4 has no element `lines` in `Address` (did you mean `line`?)"),
        ] {
            assert_eq!(written(of_datatype(name, child)), expected, "{name}");
        }
        assert!(of_datatype("BackboneElement", None).is_err() && of_datatype("Resource", None).is_err());
    }
}
