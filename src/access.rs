//! May they: where a request comes from ([`addresses`]) and what its caller may do ([`Rules`]).
//!
//! Both are compiled once from their part of the policy. A request is judged against [`Facts`] about it and a
//! [`Caller`]; the answer is a [`Decision`], which says by which rule and, on `fhir` routes, which types the answer to
//! the request may hold.

pub mod addresses;
mod claims;
mod conditions;
mod rules;
mod scope;
mod search;
mod when;

use serde_json::Value;

use crate::fhir::{Interaction, ResourceType, TypeSet};
use crate::http::{Captures, Host, Method, Template};
use crate::identity::Principal;
use crate::policy::{Loaded, model};

pub use addresses::AddressRules;
pub use rules::Rules;
#[cfg(not(target_family = "wasm"))]
pub use rules::{Holds, RuleTried, Tried};
pub use when::When;

/// Who asks, as far as rules look.
pub trait Caller {
    /// Whether this provider vouched for the caller.
    fn has_provider(&self, name: &str) -> bool;
    /// Whether the caller has this role.
    fn has_role(&self, name: &str) -> bool;
    /// Whether the caller is this client.
    fn is_client(&self, name: &str) -> bool;
    /// The claim at this JSON Pointer (RFC 6901), if there is one.
    fn claim(&self, pointer: &str) -> Option<&Value>;
}

impl Caller for Principal {
    fn has_provider(&self, name: &str) -> bool {
        self.providers.iter().any(|own| **own == *name)
    }

    fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|own| **own == *name)
    }

    fn is_client(&self, name: &str) -> bool {
        self.client.as_deref() == Some(name)
    }

    fn claim(&self, pointer: &str) -> Option<&Value> {
        self.claim(pointer)
    }
}

/// What rules look at in a request. It has no `Debug`: paths name patients.
#[derive(Clone, Copy)]
pub struct Facts<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its path, normalised.
    pub path: &'r str,
    /// Its host.
    pub host: &'r Host,
    /// What the route's template took from the path.
    pub captures: &'r Captures,
    /// What it asks, on a `fhir` route.
    pub interaction: Option<&'r Interaction>,
}

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow(Grant),
    /// It may not.
    Deny(Denial),
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The place of the rule in `authorize`.
    pub rule: usize,
    /// The resource types that the answer may hold, those that every answer may hold among them; any when absent.
    pub types: Option<TypeSet>,
    /// Whether all that the request asks by search parameters is granted. Where it is not, the answer may be the full view
    /// only: of a redacted one it would tell what is hidden.
    pub search: bool,
}

impl Grant {
    /// Whether the answer may hold a resource of this type.
    #[must_use]
    pub fn includes(&self, resource: ResourceType) -> bool {
        self.types.is_none_or(|types| types.contains(resource))
    }
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The place in `authorize` of the rule that decided, if one did.
    pub rule: Option<usize>,
    /// Why.
    pub reason: DenialReason,
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// A rule refuses it.
    DeniedByRule,
    /// No rule lets it pass.
    NoRuleAllows,
    /// A claim has another type than a rule compares it with.
    ClaimNotJudgeable,
    /// Its body, which says what it asks, was not read.
    BodyNotRead,
}

impl DenialReason {
    /// A stable name for records and replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeniedByRule => "denied_by_rule",
            Self::NoRuleAllows => "no_rule_allows",
            Self::ClaimNotJudgeable => "claim_not_judgeable",
            Self::BodyNotRead => "body_not_read",
        }
    }
}

/// A condition that can be neither held nor failed: the claim has another type than the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJudgeable;

/// What conditions are compiled against: the route that they stand in and the policy around it.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'p> {
    /// The policy.
    pub loaded: &'p Loaded,
    /// The route.
    pub route: &'p model::Route,
    /// The route's path templates, compiled.
    pub templates: &'p [Template],
}
