//! What is judged, as a table: each rule has a stable code, says why what it finds matters, and what to do about it.

mod certificates;
mod chain;
mod clusters;
mod listener;
mod manager;
mod metrics;
mod plugin;
mod routes;
mod seen;

use super::document::At;
use super::scene::Scene;
use crate::cli::problem::Problem;
use crate::policy::diagnostic::{Code, Severity};

pub(in crate::cli) use plugin::SECRET_IN_CONFIGURATION;

/// One rule.
pub(super) struct Rule {
    /// Its stable name.
    pub(super) code: &'static str,
    /// Whether what it finds refuses the configuration.
    severity: Severity,
    /// Why: what becomes possible.
    why: &'static str,
    /// What to do.
    help: &'static str,
    find: for<'d> fn(&Scene<'d>, &mut Found<'d>),
}

/// What is found, each with its place.
pub(super) struct Found<'d> {
    rule: &'static Rule,
    problems: Vec<(At<'d>, Problem)>,
}

impl<'d> Found<'d> {
    /// Something that the rule is about.
    fn report(&mut self, at: At<'d>, what: impl AsRef<str>) {
        self.push(at, self.rule.severity, what.as_ref());
    }

    /// The same, where it is worth a look and no more.
    fn warn(&mut self, at: At<'d>, what: impl AsRef<str>) {
        self.push(at, Severity::Warning, what.as_ref());
    }

    fn push(&mut self, at: At<'d>, severity: Severity, what: &str) {
        let Rule { code, why, help, .. } = self.rule;
        let (line, column) = at.position();
        let message = if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
        let help = Some((*help).to_owned());
        let problem = Problem { severity, code, pointer: at.pointer(), line, column, message, help };
        // What several chains share is wrong once.
        let is_same = |(known, other): &(At<'_>, Problem)| known.is_same(at) && other.message == problem.message;
        if !self.problems.iter().any(is_same) {
            self.problems.push((at, problem));
        }
    }
}

/// Settings of Envoy that a policy warns of and that rules here judge.
const SETTLED: &[&str] = &["use_remote_address", "require_client_certificate"];

/// All rules.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    let tables = [
        chain::RULES,
        plugin::RULES,
        listener::RULES,
        certificates::RULES,
        manager::RULES,
        routes::RULES,
        seen::RULES,
        clusters::RULES,
    ];
    tables.into_iter().flatten()
}

/// Everything that is wrong, the policies' own problems among it.
pub(super) fn judge<'d>(scene: &Scene<'d>) -> Vec<(At<'d>, Problem)> {
    let policies = scene.plugins.iter().flat_map(|plugin| {
        let at = plugin.policy.unwrap_or(plugin.at);
        plugin.problems.iter().map(move |problem| (at, problem.clone()))
    });
    // Where Envoy is seen, rules of our own say whether it does what the policy only asks for.
    let is_seen = scene.guards().next().is_some();
    let is_settled = |problem: &Problem| {
        let help = problem.help.as_deref().unwrap_or_default();
        is_seen && problem.code == Code::Risky.as_str() && SETTLED.iter().any(|setting| help.contains(setting))
    };
    let mut problems: Vec<_> = policies.filter(|(_, problem)| !is_settled(problem)).collect();
    for rule in all() {
        let mut found = Found { rule, problems: Vec::new() };
        (rule.find)(scene, &mut found);
        problems.append(&mut found.problems);
    }
    problems
}
