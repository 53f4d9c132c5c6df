//! Which routes, rules and redactions the cases reached, and which they did not.

use std::collections::BTreeSet;

use crate::cli::simulation::Outcome;
use crate::exchange::{Inventory, Reachable};

/// What was reached so far, as the lines in which it would be missed.
#[derive(Debug, Default)]
pub(super) struct Reached(BTreeSet<String>);

impl Reached {
    /// Notes what an exchange reached.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        let record = &outcome.record;
        if let Some(name) = &record.route {
            self.0.insert(route(name));
            self.0.extend(record.rule.map(|index| rule(name, index)));
            self.0.extend(record.profile.as_ref().map(|profile| redaction(name, profile)));
            self.0.extend(record.request_profile.as_ref().map(|profile| request_redaction(name, profile)));
        }
        self.0.extend(outcome.used_rules.iter().map(|pointer| redaction_rule(pointer)));
    }

    /// What there is and was not reached.
    pub(super) fn missing(&self, inventory: &Inventory) -> Vec<String> {
        let mut all = Vec::new();
        for Reachable { name, rules, profiles, request_profiles } in &inventory.routes {
            all.push(route(name));
            all.extend((0..*rules).map(|index| rule(name, index)));
            all.extend(profiles.iter().map(|profile| redaction(name, profile)));
            all.extend(request_profiles.iter().map(|profile| request_redaction(name, profile)));
        }
        // Rules of a preset, which begin with its name, are tested where they come from.
        let own = inventory.redaction_rules.iter().filter(|pointer| pointer.starts_with('/'));
        all.extend(own.map(|pointer| redaction_rule(pointer)));
        all.retain(|what| !self.0.contains(what));
        all
    }
}

fn route(name: &str) -> String {
    format!("route {name}")
}

fn rule(route: &str, index: usize) -> String {
    format!("route {route}: authorize rule {index}")
}

fn redaction(route: &str, profile: &str) -> String {
    format!("route {route}: redaction by `{profile}`")
}

fn request_redaction(route: &str, profile: &str) -> String {
    format!("route {route}: redaction of requests by `{profile}`")
}

fn redaction_rule(pointer: &str) -> String {
    format!("redaction rule {pointer}")
}
