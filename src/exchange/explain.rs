//! What an exchange tried, step by step, for whoever asks why it ended as it did. Not part of the module for Envoy.
//!
//! An [`Exchange`] that is explained is the exchange itself: as it goes, it tells its trail what came of each step, so
//! order and outcome are those of the decision. Why a part of the policy did or did not hold say the functions of the part
//! that decided. What refuses is told to the trail too, so the last step that refuses is the reason of the record; where no
//! step said it, one is added that does.
//!
//! Steps repeat what a request and the claims of a token say, but never a credential and nothing of an answer. They are for
//! a desk, never for a log.

mod answer;
mod request;
mod rules;

use super::reason::Reason;
use super::{Engine, Exchange};
use crate::policy::unmet::Unmet;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried.
    pub part: Part,
    /// Which of several, as in the name of a route.
    pub name: String,
    /// Where the policy says it: a JSON Pointer as if `defaults` stood in the route.
    pub pointer: Option<String>,
    /// What came of it.
    pub found: Found,
    /// The same in words.
    pub says: String,
    /// More about it.
    pub details: Vec<Detail>,
}

/// What a step is about, in the order of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Method, path and host in one form.
    Request,
    /// A route.
    Route,
    /// The size of the head, and what it must not hold.
    Head,
    /// TLS.
    Tls,
    /// Where the request comes from.
    Addresses,
    /// A provider.
    Provider,
    /// Who asks.
    Caller,
    /// What is asked of a FHIR API.
    Interaction,
    /// An access rule.
    Rule,
    /// A check of what is described.
    Check,
    /// Inspection for injection.
    Inspection,
    /// The body.
    Body,
    /// An entry of `redact`.
    View,
    /// The answer.
    Answer,
    /// What redaction did.
    Redaction,
    /// Anything else.
    Other,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It holds: the check passed, the route takes the request, the rule decides.
    Holds,
    /// It refuses the exchange.
    Refuses(Reason),
    /// It does not hold, and the next is tried.
    DoesNotHold,
    /// It was not tried, since one before it decided.
    NotTried,
    /// There was nothing to decide.
    Noted,
}

/// More about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What it is about: a key of the policy, a check of a token, an inspection rule.
    pub name: String,
    /// Whether it speaks for or against.
    pub mark: Mark,
    /// What there is to say.
    pub says: String,
}

/// Whether something speaks for or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// For.
    Good,
    /// Against.
    Bad,
    /// Neither.
    Neutral,
}

impl Part {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Route => "route",
            Self::Head => "head",
            Self::Tls => "tls",
            Self::Addresses => "addresses",
            Self::Provider => "provider",
            Self::Caller => "caller",
            Self::Interaction => "interaction",
            Self::Rule => "rule",
            Self::Check => "check",
            Self::Inspection => "inspection",
            Self::Body => "body",
            Self::View => "redact",
            Self::Answer => "answer",
            Self::Redaction => "redaction",
            Self::Other => "other",
        }
    }
}

impl Found {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Refuses(_) => "refuses",
            Self::DoesNotHold => "does_not_hold",
            Self::NotTried => "not_tried",
            Self::Noted => "noted",
        }
    }

    /// A check that passed or refuses.
    pub(super) fn of<T, R: Copy + Into<Reason>>(outcome: &Result<T, R>) -> Self {
        outcome.as_ref().map_or_else(|reason| Self::Refuses((*reason).into()), |_| Self::Holds)
    }
}

impl Detail {
    pub(super) fn new(name: impl Into<String>, mark: Mark, says: impl Into<String>) -> Self {
        Self { name: name.into(), mark, says: says.into() }
    }

    fn unmet(Unmet { key, says }: Unmet) -> Self {
        Self { name: key, mark: Mark::Bad, says }
    }
}

impl Step {
    pub(super) fn new(part: Part, name: impl Into<String>, found: Found, says: impl Into<String>) -> Self {
        Self { part, name: name.into(), pointer: None, found, says: says.into(), details: Vec::new() }
    }

    pub(super) fn at(self, pointer: Option<String>) -> Self {
        Self { pointer, ..self }
    }

    pub(super) fn with(self, details: Vec<Detail>) -> Self {
        Self { details, ..self }
    }
}

/// What an exchange has tried so far.
#[derive(Default)]
pub(super) struct Trail {
    steps: Vec<Step>,
    /// The place of the route in the policy.
    route: Option<usize>,
    /// The interaction as the head alone says it.
    asked: Option<crate::fhir::Interaction>,
}

impl Trail {
    pub(super) fn add(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Where the route says it.
    pub(super) fn place(&self, key: &str) -> Option<String> {
        self.route.map(|route| format!("/routes/{route}{key}"))
    }

    /// The exchange is refused.
    pub(super) fn refused(&mut self, reason: Reason) {
        let said = self.steps.iter().any(|step| step.found == Found::Refuses(reason));
        if !said {
            self.add(Step::new(Part::Other, "", Found::Refuses(reason), reason.text()));
        }
    }
}

impl Exchange {
    /// The same exchange, which keeps what it tries: see [`Exchange::steps`].
    #[must_use]
    pub fn explained(self) -> Self {
        Self { trail: Some(Box::default()), ..self }
    }

    /// What it has tried so far, where it is [`Exchange::explained`].
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.trail.as_ref().map(|trail| trail.steps.as_slice()).unwrap_or_default()
    }
}

impl Engine {
    fn route_name(&self, index: usize) -> String {
        self.route(index).map(|route| route.name.to_string()).unwrap_or_default()
    }
}
