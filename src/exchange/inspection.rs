//! Inspection of a request: its head once its caller may ask, its body in the one pass that checks it.
//!
//! What reaches the threshold is refused, and the record names the rules that held. In `report` mode, and in shadow mode,
//! it is recorded and goes on. What cannot be inspected, or only with more work than it may take, is refused too; in
//! `report` mode it goes on.

use std::rc::Rc;

use super::Exchange;
use super::body::{Content, Layout};
use super::reason::{Reason, Rule};
use super::request::Judged;
use super::route::Route;
use crate::http::Headers;
use crate::inspect::{Inspection, Mode, Unjudged, judge_head};

/// What inspection says of a part of a request.
pub(super) struct Findings {
    rules: Vec<Rc<str>>,
    is_over: bool,
    unjudged: Option<Unjudged>,
}

impl Findings {
    pub(super) fn of(inspection: &Inspection<'_>, judged: Result<(), Unjudged>) -> Self {
        let mut rules: Vec<Rc<str>> = Vec::new();
        for finding in inspection.findings() {
            if !rules.contains(&finding.rule) {
                rules.push(Rc::clone(&finding.rule));
            }
        }
        Self { rules, is_over: inspection.is_over(), unjudged: judged.err() }
    }
}

impl Exchange {
    /// Inspects a head.
    pub(super) fn inspect_head(&mut self, judged: &Judged, head: &Headers) -> Result<(), Reason> {
        let Some(settings) = &judged.route.inspect else { return Ok(()) };
        let mut inspection = Inspection::new(settings, head.byte_len());
        let verdict = judge_head(&mut inspection, head);
        let heeded = self.heed(&judged.route, Findings::of(&inspection, verdict));
        told!(self, inspected_head(settings, head, heeded.err()));
        heeded
    }

    /// Records what was found, and refuses where that is enforced.
    pub(super) fn heed(&mut self, route: &Route, findings: Findings) -> Result<(), Reason> {
        let Findings { rules, is_over, unjudged } = findings;
        if is_over {
            self.record.inspected.extend(rules);
        }
        if route.inspect.as_ref().is_none_or(|settings| settings.mode() == Mode::Report) {
            return Ok(());
        }
        match unjudged {
            _ if is_over => Err(Rule::InjectionFound.into()),
            Some(Unjudged::OverBudget(_)) => Err(Rule::InspectionBudget.into()),
            Some(Unjudged::Unreadable) => Err(Rule::MalformedQuery.into()),
            None => Ok(()),
        }
    }
}

/// Whether what nobody can look into is refused.
pub(super) fn reads_all(route: &Route) -> bool {
    route.inspect.as_ref().is_some_and(|settings| settings.mode() == Mode::Enforce)
}

/// Refuses a body that nobody can look into, where that is asked for.
pub(super) fn require_readable(content: Content, route: &Route) -> Result<(), Reason> {
    match content.layout {
        Layout::Opaque if reads_all(route) => Err(Rule::UnsupportedMediaType.into()),
        // Of parts each is asked, once they are here.
        Layout::Opaque | Layout::Json | Layout::JsonLines | Layout::Form | Layout::Parts(_) => Ok(()),
    }
}
