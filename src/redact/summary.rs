//! What was done to an answer, in numbers.

use super::action::Action;
use super::program::{Program, RuleId, Verdict};

/// How many values each rule and each action took. It holds nothing of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Values by rule, in the order of [`Program::rules`].
    pub rules: Vec<u64>,
    /// Values removed, also by an action they did not fit.
    pub removed: u64,
    /// Values kept from later rules.
    pub kept: u64,
    /// Values replaced.
    pub replaced: u64,
    /// Strings masked.
    pub masked: u64,
    /// Strings hashed.
    pub hashed: u64,
    /// Values made less exact: a year of a date, an area of a ZIP code, "over 89" of an age.
    pub generalized: u64,
    /// Dates moved.
    pub shifted: u64,
    /// Texts in which detectors found something.
    pub scanned: u64,
}

/// What a rule came to on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Remove,
    Keep,
    Replace,
    Mask,
    Hash,
    Generalize,
    Shift,
    Scan,
}

impl Summary {
    pub(super) fn new(program: &Program) -> Self {
        Self { rules: vec![0; program.written], ..Self::default() }
    }

    /// Values that do not leave as they came.
    #[must_use]
    pub fn changed(&self) -> u64 {
        let Self { rules: _, removed, kept: _, replaced, masked, hashed, generalized, shifted, scanned } = self;
        [removed, replaced, masked, hashed, generalized, shifted, scanned]
            .into_iter()
            .fold(0, |all, count| all.saturating_add(*count))
    }

    /// How many values each action took, by its name.
    #[must_use]
    pub fn actions(&self) -> [(&'static str, u64); 8] {
        let Self { rules: _, removed, kept, replaced, masked, hashed, generalized, shifted, scanned } = self;
        [
            (Deed::Remove, removed),
            (Deed::Keep, kept),
            (Deed::Replace, replaced),
            (Deed::Mask, masked),
            (Deed::Hash, hashed),
            (Deed::Generalize, generalized),
            (Deed::Shift, shifted),
            (Deed::Scan, scanned),
        ]
        .map(|(deed, count)| (deed.name(), *count))
    }

    pub(super) fn count(&mut self, rule: RuleId, deed: Deed) {
        let total = match deed {
            Deed::Remove => &mut self.removed,
            Deed::Keep => &mut self.kept,
            Deed::Replace => &mut self.replaced,
            Deed::Mask => &mut self.masked,
            Deed::Hash => &mut self.hashed,
            Deed::Generalize => &mut self.generalized,
            Deed::Shift => &mut self.shifted,
            Deed::Scan => &mut self.scanned,
        };
        *total = total.saturating_add(1);
        if let Some(count) = self.rules.get_mut(rule as usize) {
            *count = count.saturating_add(1);
        }
    }
}

impl Deed {
    /// What [`Summary`] calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Remove => "removed",
            Self::Keep => "kept",
            Self::Replace => "replaced",
            Self::Mask => "masked",
            Self::Hash => "hashed",
            Self::Generalize => "generalized",
            Self::Shift => "shifted",
            Self::Scan => "scanned",
        }
    }

    /// What a verdict asks for, on a value that is a string or not.
    pub(super) fn of(verdict: Verdict, action: &Action, is_string: bool) -> Self {
        match action {
            Action::Keep => Self::Keep,
            Action::Remove => Self::Remove,
            _ if verdict.twin => Self::Remove,
            Action::Replace(_) => Self::Replace,
            Action::AgeCap => Self::Generalize,
            _ if !is_string => Self::Remove,
            Action::Mask(_) => Self::Mask,
            Action::Hash(_) => Self::Hash,
            Action::Year | Action::Zip3(_) => Self::Generalize,
            Action::Shift(_) => Self::Shift,
            Action::Scan(_) | Action::Narrative(_) => Self::Scan,
        }
    }
}
