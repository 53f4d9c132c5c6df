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
}

/// What a rule came to on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Remove,
    Keep,
    Replace,
    Mask,
    Hash,
}

impl Summary {
    pub(super) fn new(program: &Program) -> Self {
        Self { rules: vec![0; program.rules.len()], ..Self::default() }
    }

    /// Values that do not leave as they came.
    #[must_use]
    pub fn changed(&self) -> u64 {
        let Self { rules: _, removed, kept: _, replaced, masked, hashed } = self;
        removed.saturating_add(*replaced).saturating_add(*masked).saturating_add(*hashed)
    }

    pub(super) fn count(&mut self, rule: RuleId, deed: Deed) {
        let total = match deed {
            Deed::Remove => &mut self.removed,
            Deed::Keep => &mut self.kept,
            Deed::Replace => &mut self.replaced,
            Deed::Mask => &mut self.masked,
            Deed::Hash => &mut self.hashed,
        };
        *total = total.saturating_add(1);
        if let Some(count) = self.rules.get_mut(rule as usize) {
            *count = count.saturating_add(1);
        }
    }
}

impl Deed {
    /// What a verdict asks for, on a value that is a string or not.
    pub(super) fn of(verdict: Verdict, action: &Action, is_string: bool) -> Self {
        match action {
            Action::Keep => Self::Keep,
            Action::Remove => Self::Remove,
            _ if verdict.twin => Self::Remove,
            Action::Replace(_) => Self::Replace,
            Action::Mask(_) if is_string => Self::Mask,
            Action::Hash(_) if is_string => Self::Hash,
            Action::Mask(_) | Action::Hash(_) => Self::Remove,
        }
    }
}
