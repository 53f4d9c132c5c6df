//! What of a rule's part about FHIR does not fit a request. Not part of the module for Envoy.
//!
//! The same predicates as in [`Scope::allows`], [`Scope::denies`] and [`Scope::describes`], each asked for itself.

use super::{Purpose, Scope};
use crate::fhir::{Act, Features, Interaction, InteractionKind, ResourceType, Touched, TypeSet};
use crate::policy::unmet::{Unmet, listed};

impl Scope {
    /// What does not fit, of a rule or condition that is for this. A deny rule whose `types` alone do not fit still takes
    /// them from the answer.
    pub(in crate::access) fn unmet(&self, purpose: Purpose, interaction: &Interaction) -> Vec<Unmet> {
        let Self { interactions: _, operations: _, types, features } = self;
        let touched = interaction.touched();
        let (act, fitting, met) = match purpose {
            Purpose::Allow => (
                self.allows_act(interaction.act()),
                self.allows_types(interaction, &touched),
                features.unwrap_or_default().covers(interaction.features()),
            ),
            Purpose::Deny => (
                self.names_act(interaction.act()),
                types.is_none_or(|types| touched.any || types.meets(&touched.types)),
                self.meets_features(interaction),
            ),
            Purpose::Describe => (self.names_act(interaction.act()), self.describes_types(&touched), true),
        };
        let mut unmet = Vec::new();
        if !act {
            unmet.push(self.unmet_act(purpose, interaction.act()));
        }
        if !fitting {
            unmet.push(Unmet::new("types", types_in_words(purpose, types.as_ref(), &touched)));
        }
        if !met {
            unmet.push(Unmet::new("features", features_in_words(purpose, *features, interaction.features())));
        }
        unmet
    }

    fn unmet_act(&self, purpose: Purpose, act: &Act) -> Unmet {
        let kinds = || match (purpose, self.interactions) {
            (Purpose::Allow, _) => self.allowed_kinds(),
            (Purpose::Deny | Purpose::Describe, kinds) => kinds.unwrap_or_default(),
        };
        let implied = if purpose == Purpose::Allow && self.interactions.is_none() { " (it names none)" } else { "" };
        match act {
            Act::Rest(kind) => {
                let named = listed(kinds().iter().map(InteractionKind::as_str));
                Unmet::new("interactions", format!("this is a `{}`; the rule is about {named}{implied}", kind.as_str()))
            }
            Act::Operation(name) => {
                let named = listed(self.operations.iter().flatten());
                Unmet::new("operations", format!("this is the operation `{name}`; the rule names {named}"))
            }
            Act::UnreadBundle => Unmet::new("interactions", "the Bundle does not say what it is"),
        }
    }
}

fn names(types: &TypeSet) -> String {
    listed(ResourceType::each().filter(|kind| types.contains(*kind)).map(ResourceType::name))
}

fn types_in_words(purpose: Purpose, types: Option<&TypeSet>, touched: &Touched) -> String {
    let Some(types) = types else {
        return "`Subscription` is written, which a rule has to name".to_owned();
    };
    let reached = match touched {
        Touched { any: true, .. } => "the request may reach types that it does not name".to_owned(),
        Touched { open: true, .. } if purpose == Purpose::Describe => "the answer may hold other types".to_owned(),
        Touched { types: reached, .. } if purpose == Purpose::Deny => format!("the request reaches {}", names(reached)),
        Touched { types: reached, .. } => format!("the request reaches {}", names(&reached.without(types))),
    };
    format!("{reached}; the rule is about {}", names(types))
}

fn features_in_words(purpose: Purpose, own: Option<Features>, used: Features) -> String {
    let own = own.unwrap_or_default();
    let names = |features: Features| listed(features.iter().map(|feature| feature.as_str()));
    match purpose {
        Purpose::Allow => {
            let missing = used.iter().filter(|feature| !own.contains(*feature)).collect();
            format!("the request uses {}, which the rule does not name", names(missing))
        }
        Purpose::Deny | Purpose::Describe => format!("the request uses {}; the rule is about {}", names(used), names(own)),
    }
}
