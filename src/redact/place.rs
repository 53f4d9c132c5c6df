//! Where R4 allows a resource (<http://hl7.org/fhir/R4/resource.html>): at the root, in `Bundle.entry.resource` and
//! `Bundle.entry.response.outcome`, in `contained`, and in a parameter's `resource`, however deep in `part`.
//!
//! A `resourceType` anywhere else is refused: a reader that took it at its word would see a resource that no rule has.
//! The one element of R4 that has this name, `ExampleScenario.instance.resourceType`, is let be.

use crate::fhir::{ResourceType, TypeSet};

/// The key that makes an object a resource.
pub(super) const RESOURCE_TYPE: &[u8] = b"resourceType";

/// Where a value stands, as far as resources are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No resource may stand here or below.
    Elsewhere,
    /// A resource has to stand here. A contained one needs no grant of its own.
    Slot {
        contained: bool,
    },
    /// Inside a resource of this type.
    Resource(ResourceType),
    /// An array of contained resources.
    Contained,
    /// The `meta` of a resource that is tagged, and `security` in it.
    Meta,
    Security,
    /// One of those in `security`, and what it is named by.
    Label,
    LabelSystem,
    LabelCode,
    /// `Bundle.entry`, and one of them.
    Entries,
    Entry,
    /// `Bundle.entry.response`
    Response,
    /// `Parameters.parameter` or a `part`, and one of them.
    Parameters,
    Parameter,
    /// `ExampleScenario.instance`, and one of them.
    Instances,
    Instance,
}

impl Place {
    /// The place of the member `key`.
    pub(super) fn member(self, key: &[u8]) -> Self {
        match (key, self) {
            (_, Self::Elsewhere) => Self::Elsewhere,
            (b"meta", Self::Resource(_)) => Self::Meta,
            (b"security", Self::Meta) => Self::Security,
            (b"system", Self::Label) => Self::LabelSystem,
            (b"code", Self::Label) => Self::LabelCode,
            (b"entry", Self::Resource(kind)) if kind.name() == "Bundle" => Self::Entries,
            (b"parameter", Self::Resource(kind)) if kind.name() == "Parameters" => Self::Parameters,
            (b"instance", Self::Resource(kind)) if kind.name() == "ExampleScenario" => Self::Instances,
            // These three are no DomainResource.
            (b"contained", Self::Resource(kind)) if !matches!(kind.name(), "Bundle" | "Parameters" | "Binary") => {
                Self::Contained
            }
            (b"resource", Self::Entry | Self::Parameter) | (b"outcome", Self::Response) => Self::Slot { contained: false },
            (b"response", Self::Entry) => Self::Response,
            (b"part", Self::Parameter) => Self::Parameters,
            _ => Self::Elsewhere,
        }
    }

    /// The place of an element.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Contained => Self::Slot { contained: true },
            Self::Entries => Self::Entry,
            Self::Parameters => Self::Parameter,
            Self::Instances => Self::Instance,
            Self::Security => Self::Label,
            _ => Self::Elsewhere,
        }
    }

    /// Whether a tag is written into what stands here: the object `meta`, the array `security`. Anything else there goes,
    /// or the tag would stand beside it under the same name.
    pub(super) fn has_room_for_tag(self) -> bool {
        matches!(self, Self::Meta | Self::Security)
    }

    /// Whether it tells which label this is.
    pub(super) fn names_label(self) -> bool {
        matches!(self, Self::LabelSystem | Self::LabelCode)
    }

    /// Whether an object here may have a `resourceType`.
    pub(super) fn may_name_type(self) -> bool {
        matches!(self, Self::Resource(_) | Self::Instance)
    }
}

/// Whether the member of this name may stand in a place of its own, other than in a label, or says of what type a resource
/// is.
pub(super) fn may_have_place(key: &str) -> bool {
    let places =
        ["meta", "security", "entry", "parameter", "instance", "contained", "resource", "outcome", "response", "part"];
    places.contains(&key) || key.as_bytes() == RESOURCE_TYPE
}

/// Whether a resource of this type may leave when `granted` are. What carries others, and what says why not, may.
pub(super) fn is_granted(kind: ResourceType, granted: Option<&TypeSet>) -> bool {
    granted.is_none_or(|granted| granted.contains(kind)) || matches!(kind.name(), "Bundle" | "OperationOutcome")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::elements::Type;

    #[test]
    fn the_names_that_may_have_a_place_are_all_that_have_one() {
        let mut places: Vec<Place> = ResourceType::each().map(Place::Resource).collect();
        places.extend([Place::Contained, Place::Meta, Place::Security, Place::Entries, Place::Entry, Place::Response]);
        places.extend([Place::Parameters, Place::Parameter, Place::Instances, Place::Instance, Place::Elsewhere]);
        places.extend([Place::Slot { contained: true }, Place::LabelSystem, Place::LabelCode]);
        for element in Type::all().flat_map(|of| of.elements()) {
            let name = element.name();
            for place in &places {
                let has_place = place.member(name.as_bytes()) != Place::Elsewhere;
                assert!(!has_place || may_have_place(name), "{name} in {place:?}");
            }
        }
    }
}
