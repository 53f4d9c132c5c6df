//! Claims that a token must have, and what they must be.
//!
//! The tests are those of access rules, by the same names and with the same meaning. A claim that is absent or `null` is
//! missing, one of another type than it is compared with is malformed, and one that differs is not accepted.

use serde_json::{Map, Value};

use crate::identity::compile::check_pointer;
use crate::identity::principal::claim;
use crate::identity::{OtherType, Refusal, Scalar};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{RequiredClaim, RequiredClaimTest};

/// The tests that can be named.
const TESTS: &[&str] = &["equals", "one_of", "contains"];

/// A claim that a token must have.
#[derive(Debug)]
pub(super) struct Required {
    pointer: String,
    relation: Relation,
}

#[derive(Debug)]
enum Relation {
    Present,
    OneOf(Vec<Scalar>),
    Contains(Scalar),
}

impl Required {
    /// Compiles one that stands at `at`.
    pub(super) fn compile(model: &RequiredClaim, at: &Node, report: &mut Report) -> Option<Self> {
        let test = match model {
            RequiredClaim::Present(pointer) => {
                check_pointer(pointer, at, report);
                return Some(Self { pointer: pointer.clone(), relation: Relation::Present });
            }
            RequiredClaim::Test(test) => test,
        };
        let RequiredClaimTest { claim, equals, one_of, contains } = test;
        check_pointer(claim, at.key("claim"), report);
        let relation = match (equals, one_of, contains) {
            (Some(value), None, None) => {
                Scalar::compile(value, TESTS, at.key("equals"), report).map(|one| Relation::OneOf(vec![one]))
            }
            (None, Some(values), None) => {
                Some(Relation::OneOf(Scalar::compile_all(values, TESTS, at.key("one_of"), report)))
            }
            (None, None, Some(value)) => Scalar::compile(value, TESTS, at.key("contains"), report).map(Relation::Contains),
            _ => {
                report
                    .error(at, Code::InvalidValue, "a required claim has one test")
                    .help("write one of `equals`, `one_of`, `contains`, or the JSON Pointer alone");
                None
            }
        };
        Some(Self { pointer: claim.clone(), relation: relation? })
    }

    /// Judges a token's claims.
    pub(super) fn judge(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let found = claim(claims, &self.pointer).filter(|value| !value.is_null()).ok_or(Refusal::MissingClaim)?;
        let holds = match &self.relation {
            Relation::Present => Ok(true),
            Relation::OneOf(wanted) => Scalar::any_equals(wanted, found),
            Relation::Contains(wanted) => wanted.is_in(found),
        };
        match holds {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::ClaimNotAccepted),
            Err(OtherType) => Err(Refusal::MalformedClaim),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Required {
    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What the claim must be, for people.
    pub(super) fn wanted(&self) -> String {
        match &self.relation {
            Relation::Present => "there".to_owned(),
            Relation::OneOf(wanted) => wanted.iter().map(said).collect::<Vec<_>>().join(" or "),
            Relation::Contains(wanted) => format!("an array with {}", said(wanted)),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn said(scalar: &Scalar) -> String {
    match scalar {
        Scalar::String(text) => format!("`{text}`"),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(truth) => truth.to_string(),
    }
}
