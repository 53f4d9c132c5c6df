//! `search`: by which parameters a rule lets a caller search where a redaction profile applies to the answer.
//!
//! A parameter is granted in the form in which it asks ([`Interaction::asked`]). A rule without the list grants none;
//! what asks about nothing, the size of pages say, needs no grant. The list decides nothing about whether the rule holds:
//! the rule that does is the one whose list counts.

use std::collections::BTreeSet;

use super::Setting;
use super::scope::Purpose;
use crate::fhir::Interaction;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

/// Parameters by which the answer is chosen or cut in ways that no list of elements describes, and what each does.
const OPEN: &[(&str, &str)] = &[
    ("_filter", "it asks about any element"),
    ("_query", "the server says what it asks about"),
    ("_text", "it finds text that redaction may take out"),
    ("_content", "it finds text that redaction may take out"),
    ("_elements", "it leaves out members that a rule with `where` or `having` may look at"),
    ("_summary", "it leaves out members that a rule with `where` or `having` may look at, and counts what is found"),
];

/// The parameters that a rule grants.
#[derive(Clone, Debug, Default)]
pub(super) struct Granted {
    /// Whether the policy says which.
    pub(super) is_written: bool,
    forms: BTreeSet<Box<str>>,
}

impl Granted {
    /// Compiles the list of a rule. `at` is what holds the rule's conditions.
    pub(super) fn compile(
        written: &model::Conditions,
        purpose: Purpose,
        setting: Setting<'_>,
        at: &Node,
        report: &mut Report,
    ) -> Self {
        let Some(names) = &written.search else { return Self::default() };
        let at = at.key("search");
        if setting.route.fhir.is_none() || purpose != Purpose::Allow {
            let hint = report.error(at, Code::InvalidValue, "`search` belongs to an `allow` rule of a `fhir` route");
            hint.help("take it out");
            return Self::default();
        }
        let mut forms = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let at = at.item(index);
            match Interaction::asked_form(name) {
                None => {
                    report
                        .error(at, Code::InvalidValue, format!("`{name}` is no search parameter"))
                        .help("write a name, a chain or a `_has`, as in `identifier`, `name:exact`, `subject.name`");
                }
                Some(form) if form == "_sort" || form.starts_with("_sort:") => {
                    report
                        .error(at, Code::InvalidValue, "`_sort` asks about what it sorts by")
                        .help("list the parameters that answers may be sorted by");
                }
                Some(form) => {
                    if let Some((_, why)) = OPEN.iter().find(|(open, _)| *open == form) {
                        let hint =
                            report.warning(at, Code::Risky, format!("`{form}` may tell what redaction hides: {why}"));
                        hint.help("take it out unless the callers of this rule may know");
                    }
                    forms.insert(form.into());
                }
            }
        }
        Self { is_written: true, forms }
    }

    /// What an interaction asks about and is not granted.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn missing<'i>(&self, interaction: &'i Interaction) -> Vec<&'i str> {
        interaction.asked().filter(|form| !self.forms.contains(*form)).collect()
    }

    /// Whether everything that an interaction asks about is granted.
    pub(super) fn covers(&self, interaction: &Interaction) -> bool {
        interaction.asked().all(|form| self.forms.contains(form))
    }
}
