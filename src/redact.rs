//! Redaction of answers. Not here yet: a profile is refused, and so is every answer that has to be looked into.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::fhir::TypeSet;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::{Env, model};

/// Compiled rules.
#[derive(Debug)]
pub struct Program(());

/// How a body is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub enum Format {
    /// Any JSON document.
    #[default]
    Json,
    /// One FHIR resource.
    FhirJson,
    /// One FHIR resource a line.
    FhirNdjson,
}

/// What an answer has to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How it is laid out.
    pub format: Format,
    /// The types that it may hold.
    pub granted: Option<TypeSet>,
}

/// Reads an answer.
#[derive(Debug)]
pub struct Redactor(());

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("redaction is not supported by this version")]
pub struct Error(());

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is not what it says.
    Malformed,
    /// It is over a limit.
    Limit,
    /// It holds a type that is not granted.
    NotGranted,
    /// It holds no resource where one has to be.
    NotFhir,
}

/// Compiles the profiles of a policy.
pub fn compile(
    profiles: &BTreeMap<String, model::Profile>,
    at: &Node,
    _: Env<'_>,
    report: &mut Report,
) -> BTreeMap<String, Rc<Program>> {
    for name in profiles.keys() {
        report.error(at.key(name), Code::NotSupported, "redaction is not supported by this version").help("remove it");
    }
    BTreeMap::new()
}

impl Program {
    /// A program without rules.
    #[must_use]
    pub fn pass() -> Rc<Self> {
        Rc::new(Self(()))
    }

    /// How many rules there are.
    #[must_use]
    pub fn rules(&self) -> usize {
        0
    }

    /// Whether a rule touches the ids of this type.
    #[must_use]
    pub fn touches_id(&self, _: &str) -> bool {
        true
    }
}

impl Redactor {
    /// A redactor for one answer.
    #[must_use]
    pub fn new(_: Rc<Program>, _: Options) -> Self {
        Self(())
    }

    /// Reads a part.
    pub fn write(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error(()))
    }

    /// Ends the answer.
    pub fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error(()))
    }

    /// Bytes held back.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        0
    }

    /// Values redacted.
    #[must_use]
    pub fn redacted(&self) -> u64 {
        0
    }

    /// How often each rule was used.
    #[must_use]
    pub fn uses(&self) -> &[u64] {
        &[]
    }
}

impl Error {
    /// Which kind.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        ErrorKind::Malformed
    }
}
