//! Tags by which a resource says that it is not all there, so that nobody writes it over the whole.
//!
//! They are codes of v3-ObservationValue: what redaction leaves ([`crate::redact`]) and `SUBSETTED`, by which a server
//! marks the answer to `_summary` and `_elements` and which it should not take back in an update (FHIR R4 sections
//! 3.1.0.5 and 3.1.1.5.8). Redaction tags stand in `meta.security`, `SUBSETTED` in `meta.tag`; both are looked for in
//! both. The system counts under the names it has had; a coding without one is taken for ours.

const SYSTEMS: &[&str] = &[
    "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "http://hl7.org/fhir/v3/ObservationValue",
    "urn:oid:2.16.840.1.113883.5.1063",
];

const CODES: &[&str] = &["REDACTED", "MASKED", "PSEUDED", "ABSTRED", "SUBSETTED"];

/// A coding in `meta.security` or `meta.tag`, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Coding {
    has_other_system: bool,
    has_code: bool,
}

impl Coding {
    /// Whether what stands at this place, the keys from the root on, is such a coding. Elements have no key.
    pub(super) fn is_at(path: &[Option<Box<str>>]) -> bool {
        let key = |step: &Option<Box<str>>, names: &[&str]| step.as_deref().is_some_and(|key| names.contains(&key));
        match path {
            [.., meta, list, None] | [.., meta, list] => key(meta, &["meta"]) && key(list, &["security", "tag"]),
            _ => false,
        }
    }

    /// Reads one of its members.
    pub(super) fn read(&mut self, key: &str, text: &str) {
        match key {
            "system" => self.has_other_system = !SYSTEMS.contains(&text),
            "code" => self.has_code = CODES.contains(&text),
            _ => (),
        }
    }

    /// Whether it says that the resource is not all there.
    pub(super) fn says_partial(&self) -> bool {
        self.has_code && !self.has_other_system
    }
}
