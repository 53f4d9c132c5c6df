//! The part of a rule that speaks of FHIR: `interactions`, `types`, `operations`, `features`.
//!
//! **What a rule allows.** Interactions: those it names; when it names none, the plain ones
//! ([`InteractionKinds::PLAIN`]). Operations: those it names, in any case beside the interactions (an empty list of
//! interactions leaves the operations alone). Types: everything that a request names must be named by the rule, and a
//! request that may reach types it does not name (a search in everything without `_type`, a chain that does not say where
//! it leads, an operation on the server) is not allowed by a rule with `types`; a rule without `types` allows all, but
//! does not let Subscriptions be written, which make the server send data elsewhere. Features: those it names.
//!
//! **What a rule denies.** Whatever has one of the interactions or operations, reaches one of the types (or may reach
//! any), and uses one of the features, as far as each is named. An answer can bring types along that the request does not
//! name (`_include`, `$everything`); what a rule denies of them is taken from what is granted.
//!
//! **What a condition of `redact` describes.** A request whose interaction or operation is named and that reaches the
//! types named and certainly no other: what is shown to whom hangs on it.

#[cfg(not(target_family = "wasm"))]
mod explain;

use super::Setting;
use crate::fhir::{Act, Feature, Features, Interaction, InteractionKind, InteractionKinds, ResourceType, Touched, TypeSet};
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::model;

/// What a condition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Allow,
    Deny,
    Describe,
}

/// The compiled part of a rule that speaks of FHIR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    interactions: Option<InteractionKinds>,
    operations: Option<Vec<Box<str>>>,
    types: Option<TypeSet>,
    features: Option<Features>,
}

/// Whether a deny rule is about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is not.
    Not,
    /// It is.
    Request,
    /// Not about the request, but about these types in the answer.
    Answer(TypeSet),
}

impl Scope {
    pub(super) fn compile(
        written: &model::Conditions,
        purpose: Purpose,
        setting: Setting<'_>,
        at: &Node,
        report: &mut Report,
    ) -> Self {
        let model::Conditions { interactions, types, operations, features, .. } = written;
        if setting.route.fhir.is_none() {
            for key in ["interactions", "types", "operations", "features"] {
                if let Some(at) = at.get(key) {
                    let hint =
                        report.error(at, Code::InvalidValue, format!("`{key}` needs a route that leads to a FHIR API"));
                    hint.help("set `fhir` on the route, or judge by `methods` and `paths`");
                }
            }
            return Self::default();
        }
        if purpose == Purpose::Describe && features.is_some() {
            let hint = report.error(at.key("features"), Code::InvalidValue, "`features` says nothing about an answer");
            hint.help("judge them in `authorize`");
        }
        let only_operations = operations.as_ref().is_some_and(|operations| !operations.is_empty());
        let mut named = |key, names: &Option<Vec<String>>| {
            let may_be_empty = key == "interactions" && only_operations;
            if names.as_ref().is_some_and(Vec::is_empty) && !may_be_empty {
                report
                    .error(at.key(key), Code::InvalidValue, "an empty list never holds")
                    .help("name one, or leave the key out");
            }
        };
        named("interactions", interactions);
        named("types", types);
        named("operations", operations);
        named("features", features);
        Self {
            interactions: interactions.as_ref().map(|names| each(names, at.key("interactions"), report, interaction)),
            types: types.as_ref().map(|names| each(names, at.key("types"), report, resource_type)),
            operations: operations.as_ref().map(|names| each(names, at.key("operations"), report, operation)),
            features: features.as_ref().map(|names| each(names, at.key("features"), report, feature)),
        }
    }

    /// Whether it allows the interaction.
    pub(super) fn allows(&self, interaction: &Interaction, touched: &Touched) -> bool {
        self.allows_act(interaction.act())
            && self.allows_types(interaction, touched)
            && self.features.unwrap_or_default().covers(interaction.features())
    }

    fn allows_act(&self, act: &Act) -> bool {
        match act {
            Act::Rest(kind) => self.allowed_kinds().contains(*kind),
            Act::Operation(name) => self.names_operation(name),
            Act::UnreadBundle => false,
        }
    }

    fn allows_types(&self, interaction: &Interaction, touched: &Touched) -> bool {
        match &self.types {
            Some(types) => !touched.any && types.covers(&touched.types),
            None => !subscription().is_some_and(|subscription| interaction.writes(subscription)),
        }
    }

    /// Whether it allows searches.
    pub(super) fn allows_searches(&self) -> bool {
        let kinds = self.allowed_kinds();
        kinds.contains(InteractionKind::Search) || kinds.contains(InteractionKind::CompartmentSearch)
    }

    /// What it denies of the interaction.
    pub(super) fn denies(&self, interaction: &Interaction, touched: &Touched) -> Reach {
        match &self.types {
            _ if !self.meets_features(interaction) || !self.names_act(interaction.act()) => Reach::Not,
            Some(types) if !touched.any && !types.meets(&touched.types) => Reach::Answer(*types),
            _ => Reach::Request,
        }
    }

    fn meets_features(&self, interaction: &Interaction) -> bool {
        self.features.is_none_or(|features| features.meets(interaction.features()))
    }

    /// Whether it describes the interaction.
    pub(super) fn describes(&self, interaction: &Interaction) -> bool {
        self.names_act(interaction.act()) && self.describes_types(&interaction.touched())
    }

    fn describes_types(&self, touched: &Touched) -> bool {
        let certain = !touched.any && !touched.open;
        self.types.as_ref().is_none_or(|types| certain && types.covers(&touched.types))
    }

    /// The types that an answer to what it allows may hold; any when absent.
    pub(super) fn types(&self) -> Option<TypeSet> {
        self.types
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every request that `other` allows, this one allows.
    pub(super) fn allows_all_of(&self, other: &Self) -> bool {
        let types = match (&self.types, &other.types) {
            (None, None) => true,
            (None, Some(others)) => !subscription().is_some_and(|subscription| others.contains(subscription)),
            (Some(own), Some(others)) => own.covers(others),
            (Some(_), None) => false,
        };
        types
            && self.allowed_kinds().covers(other.allowed_kinds())
            && other.operations.iter().flatten().all(|name| self.names_operation(name))
            && self.features.unwrap_or_default().covers(other.features.unwrap_or_default())
    }

    fn allowed_kinds(&self) -> InteractionKinds {
        self.interactions.unwrap_or(InteractionKinds::PLAIN)
    }

    fn names_operation(&self, name: &str) -> bool {
        self.operations.iter().flatten().any(|own| **own == *name)
    }

    /// Whether the act is named, or none is.
    fn names_act(&self, act: &Act) -> bool {
        if self.interactions.is_none() && self.operations.is_none() {
            return true;
        }
        match act {
            Act::Rest(kind) => self.interactions.is_some_and(|kinds| kinds.contains(*kind)),
            Act::Operation(name) => self.names_operation(name),
            Act::UnreadBundle => false,
        }
    }
}

fn subscription() -> Option<ResourceType> {
    ResourceType::parse("Subscription")
}

fn each<T, C: FromIterator<T>>(
    names: &[String],
    at: &Node,
    report: &mut Report,
    read: fn(&str, &Node, &mut Report) -> Option<T>,
) -> C {
    names.iter().enumerate().filter_map(|(index, name)| read(name, at.item(index), report)).collect()
}

fn interaction(name: &str, at: &Node, report: &mut Report) -> Option<InteractionKind> {
    let found = InteractionKind::parse(name);
    if found.is_none() {
        let known = InteractionKind::ALL.iter().map(|kind| kind.as_str());
        let hint = report.error(at, Code::InvalidValue, format!("there is no interaction `{name}`"));
        match nearest(name, known.clone()) {
            _ if name.starts_with('$') => hint.help("name operations under `operations`"),
            Some(near) => hint.help(format!("did you mean `{near}`?")),
            None => hint.help(format!("known: {}", known.collect::<Vec<_>>().join(", "))),
        }
    }
    found
}

fn resource_type(name: &str, at: &Node, report: &mut Report) -> Option<ResourceType> {
    let found = ResourceType::parse(name);
    if found.is_none() {
        let hint = report.error(at, Code::UnknownType, format!("FHIR R4 has no resource type `{name}`"));
        match nearest(name, ResourceType::names().iter().copied()) {
            Some(near) => hint.help(format!("did you mean `{near}`?")),
            None => hint.help("leave `types` out for all types"),
        }
    }
    found
}

fn operation(name: &str, at: &Node, report: &mut Report) -> Option<Box<str>> {
    let word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let holds = name.strip_prefix('$').is_some_and(|name| (1..=64).contains(&name.len()) && word(name));
    if !holds {
        let hint = report.error(at, Code::InvalidValue, format!("`{name}` is no operation"));
        match name {
            _ if word(name) && !name.is_empty() => hint.help(format!("write `${name}`")),
            _ => hint.help("name each operation with its `$`, as in `$everything`"),
        }
    }
    holds.then(|| name.into())
}

fn feature(name: &str, at: &Node, report: &mut Report) -> Option<Feature> {
    let found = Feature::parse(name);
    if found.is_none() {
        let known = Feature::ALL.iter().map(|feature| feature.as_str());
        let hint = report.error(at, Code::InvalidValue, format!("there is no feature `{name}`"));
        match nearest(name, known.clone()) {
            Some(near) => hint.help(format!("did you mean `{near}`?")),
            None => hint.help(format!("known: {}", known.collect::<Vec<_>>().join(", "))),
        }
    }
    found
}
