//! Conditions under which an entry of `redact` applies.
//!
//! The same conditions as in a rule, judged before the request is sent on. On `fhir` routes `types` holds only where
//! nothing else can be in the answer ([`super::scope`]).

#[cfg(not(target_family = "wasm"))]
mod explain;

use super::conditions::Conditions;
use super::scope::{Purpose, Scope};
use super::search::Granted;
use super::{Caller, Facts, NotJudgeable, Setting};
use crate::fhir::Awaits;
use crate::policy::diagnostic::Report;
use crate::policy::document::Node;
use crate::policy::model;

/// Compiled conditions of an entry of `redact`.
#[derive(Clone, Debug)]
pub struct When {
    conditions: Conditions,
    scope: Scope,
}

impl When {
    /// Compiles `when`. `at` is `when`, or the entry that does not have it.
    pub fn compile(written: &model::Conditions, setting: Setting<'_>, at: &Node, report: &mut Report) -> Self {
        let conditions = Conditions::compile(written, setting, at, report);
        Granted::compile(written, Purpose::Describe, setting, at, report);
        Self { conditions, scope: Scope::compile(written, Purpose::Describe, setting, at, report) }
    }

    /// Whether the entry applies. What cannot be judged has to refuse the request.
    pub fn holds(&self, caller: &dyn Caller, facts: &Facts<'_>) -> Result<bool, NotJudgeable> {
        let described = match facts.interaction {
            Some(interaction) if interaction.awaits() != Awaits::Nothing => return Err(NotJudgeable),
            Some(interaction) => self.scope.describes(interaction),
            None => self.scope.is_empty(),
        };
        if described { self.conditions.hold(caller, facts) } else { Ok(false) }
    }

    /// Whether it applies wherever these conditions hold.
    pub(super) fn covers(&self, conditions: &Conditions) -> bool {
        self.scope.is_empty() && self.conditions.cover(conditions)
    }

    /// Whether it applies to every request.
    #[must_use]
    pub fn always_holds(&self) -> bool {
        self.scope.is_empty() && self.conditions.cover(&Conditions::default())
    }
}
