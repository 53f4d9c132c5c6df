//! The program that holds the narratives of answers to what may be shown: stored script harms whoever reads it next.
//!
//! It runs behind the program of the profile, on what that lets out, so that a narrative which a profile scans, keeps or
//! writes is judged like one that came as it is. All else stays as it was, byte for byte.

use super::{Action, Draft, Program, Selector, Sources, build};
use crate::redact::action::Narrative;
use crate::redact::program::NO_RULE;

impl Program {
    /// The program that judges each `Narrative.div` (R4, narrative.html) and leaves all else. Nothing where it cannot be
    /// built.
    #[must_use]
    pub fn narratives(narrative: Narrative) -> Option<Self> {
        let mut draft = Draft::default();
        let selector = Selector::datatype("Narrative", Some("div")).ok()?;
        draft.push("narrative", selector, Action::Narrative(narrative), &[], &[]);
        let Draft { conditions, rules, sources } = draft;
        let mut automaton = build(&Sources { sources: &sources, rules: &rules, unknown: None }).ok()?;
        automaton.resources.iter_mut().for_each(|resource| resource.tags = Default::default());
        let (rules, conditions) = (rules.into(), conditions.into());
        Some(Self {
            name: "narrative".into(),
            rules,
            conditions,
            automaton,
            needs_fhir: true,
            shifts: false,
            written: 1,
            rest: NO_RULE,
            unknown: NO_RULE,
        })
    }
}
