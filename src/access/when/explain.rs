//! Why an entry of `redact` does not apply. Not part of the module for Envoy.

use super::When;
use crate::access::Facts;
use crate::access::scope::Purpose;
use crate::identity::Principal;
use crate::policy::unmet::Unmet;

impl When {
    /// What of it does not hold.
    pub fn unmet(&self, caller: &Principal, facts: &Facts<'_>) -> Vec<Unmet> {
        let Self { conditions, scope } = self;
        let mut unmet = match facts.interaction {
            Some(interaction) => scope.unmet(Purpose::Describe, interaction),
            None => Vec::new(),
        };
        unmet.extend(conditions.unmet(caller, facts));
        unmet
    }
}
