//! Random answers, and profiles that are about what is in them.

pub(crate) mod fhir;
pub(crate) mod json;
mod rules;

use std::rc::Rc;

use carewarden::redact::{Format, Program};
use serde_json::json;

use crate::random::Random;
use crate::reference::{Node, Profile};
use crate::support::programs;

/// An answer, and the profile that it runs under.
pub(crate) struct Case {
    pub(crate) profile: Profile,
    pub(crate) program: Rc<Program>,
    pub(crate) root: Node,
    pub(crate) format: Format,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { profile, program: _, root, format } = self;
        write!(f, "{format:?}\n{}\n{}", profile.written(), root.compact())
    }
}

impl Case {
    /// A case; none where a profile came out that cannot be loaded, since a rule of it could never count.
    pub(crate) fn random(random: &mut Random<'_>) -> Option<Self> {
        let format = random.of(&[Format::Json, Format::FhirJson, Format::FhirJson, Format::FhirJson]);
        let root = root(random, format);
        let profile = rules::profile(random, &root, format.is_fhir());
        let program = programs(&json!({"p": profile.written()})).ok()?.remove("p")?;
        Some(Self { profile, program, root, format })
    }

    /// Another answer under the same profile.
    pub(crate) fn another(&self, random: &mut Random<'_>) -> Self {
        let root = root(random, self.format);
        Self { profile: self.profile.clone(), program: Rc::clone(&self.program), root, format: self.format }
    }
}

fn root(random: &mut Random<'_>, format: Format) -> Node {
    let mut count = 0;
    if format.is_fhir() { fhir::root(random, &mut count) } else { json::root(random, &mut count) }
}
