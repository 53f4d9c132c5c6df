//! What a rule can name: interactions, and features of requests that are refused unless named.

use super::named::named;

named! {
    /// A kind of interaction (<http://hl7.org/fhir/R4/http.html>). Operations have names of their own.
    InteractionKind,
    /// A set of kinds.
    InteractionKinds:
    /// The current state of a resource.
    Read = "read",
    /// One version of a resource.
    VRead = "vread",
    /// The versions of a resource, of a type or of everything.
    History = "history",
    /// A search in a type or in everything.
    Search = "search",
    /// A new resource, its id chosen by the server.
    Create = "create",
    /// A resource put in place of another, or created under an id.
    Update = "update",
    /// A change of a resource.
    Patch = "patch",
    /// The removal of a resource.
    Delete = "delete",
    /// What the server can do: `metadata`, `.well-known/smart-configuration`.
    Capabilities = "capabilities",
    /// Several requests in one, each for itself.
    Batch = "batch",
    /// Several requests in one, all or none.
    Transaction = "transaction",
    /// A search in what belongs to a patient, an encounter, a practitioner, a related person or a device.
    CompartmentSearch = "compartment-search",
}

impl InteractionKinds {
    /// What a rule grants that names no interactions.
    pub const PLAIN: Self = Self::of(&[
        InteractionKind::Read,
        InteractionKind::VRead,
        InteractionKind::History,
        InteractionKind::Search,
        InteractionKind::Create,
        InteractionKind::Update,
        InteractionKind::Patch,
        InteractionKind::Delete,
        InteractionKind::Capabilities,
    ]);

    /// What changes resources.
    pub const WRITES: Self =
        Self::of(&[InteractionKind::Create, InteractionKind::Update, InteractionKind::Patch, InteractionKind::Delete]);
}

named! {
    /// Something in a request that reaches beyond the resource it is for.
    Feature,
    /// A set of features.
    Features:
    /// Resources that those found refer to.
    Include = "_include",
    /// Resources that refer to those found.
    RevInclude = "_revinclude",
    /// A search by what refers to a resource.
    Has = "_has",
    /// A search in an expression language.
    Filter = "_filter",
    /// A search that the server defines.
    Query = "_query",
    /// A search by what a resource refers to: `subject.name`, also as `_sort` and inside `_filter`.
    Chained = "chained",
    /// A reference in a body that the server resolves by a search.
    ConditionalReference = "conditional-reference",
    /// A creation that depends on a search (`If-None-Exist`).
    ConditionalCreate = "conditional-create",
    /// An update of what a search finds.
    ConditionalUpdate = "conditional-update",
    /// A patch of what a search finds.
    ConditionalPatch = "conditional-patch",
    /// A removal of what a search finds.
    ConditionalDelete = "conditional-delete",
    /// An answer that is fetched later, from another path (`Prefer: respond-async`).
    RespondAsync = "respond-async",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Features::of(&[Feature::Include, Feature::RespondAsync]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Feature::Include, Feature::RespondAsync]);
        assert!(set.covers(Features::of(&[Feature::Include])) && !Features::of(&[Feature::Include]).covers(set));
        assert!(set.meets(Features::of(&[Feature::RespondAsync, Feature::Has])) && !set.contains(Feature::Has));
        assert!(Feature::ALL.iter().all(|feature| Feature::parse(feature.as_str()) == Some(*feature)));
        assert!(InteractionKind::ALL.iter().all(|kind| InteractionKind::parse(kind.as_str()) == Some(*kind)));
    }
}
