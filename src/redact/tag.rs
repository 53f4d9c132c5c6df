//! What a redacted resource is tagged with: codes of v3-ObservationValue in `meta.security`
//! (<http://terminology.hl7.org/CodeSystem/v3-ObservationValue>, FHIR R4 section 6.1.1.1), so that nobody takes it for the
//! whole and writes it back.

use std::sync::LazyLock;

use super::action::Action;

/// The code system of the tags.
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The codes, each with its bit.
const CODES: [(u8, &str); 4] = [(1, "REDACTED"), (2, "MASKED"), (4, "PSEUDED"), (8, "ABSTRED")];

/// A set of tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags(u8);

impl Tags {
    /// What an action makes of a resource: REDACTED where something goes, MASKED where something is put out of sight or
    /// altered, PSEUDED where a pseudonym stands in its place, ABSTRED where only something more general is left.
    pub(super) fn of(action: &Action) -> Self {
        Self(match action {
            Action::Keep => 0,
            Action::Remove | Action::Scan(_) => 1,
            Action::Replace(_) | Action::Mask(_) | Action::Shift(_) => 2,
            Action::Hash(_) => 4,
            // What does not fit goes.
            Action::Year | Action::Zip3(_) | Action::AgeCap => 8 | 1,
        })
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The Codings, with commas between them.
    pub(super) fn codings(self) -> &'static str {
        static ALL: LazyLock<Vec<String>> = LazyLock::new(|| (0..1 << CODES.len()).map(written).collect());
        ALL.get(usize::from(self.0)).map_or("", String::as_str)
    }
}

fn written(tags: u8) -> String {
    let own = CODES.iter().filter(|(bit, _)| tags & bit != 0);
    own.map(|(_, code)| format!(r#"{{"system":"{SYSTEM}","code":"{code}"}}"#)).collect::<Vec<_>>().join(",")
}
