//! Conditions on claims.
//!
//! A claim is found by JSON Pointer and compared with a value of its own type. Three outcomes are told apart: it passes,
//! it does not (absent claims do not), or it cannot be judged, because it has another type than the test: a token that
//! says `"suspended": "true"` where the policy says `true` is neither suspended nor not.

use serde_json::Value;

use super::{Caller, Facts, NotJudgeable, Setting};
use crate::identity::{OtherType, Scalar};
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::model::{ClaimRelation, ClaimTest};

/// A compiled condition on a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClaimCondition {
    pointer: Box<str>,
    relation: Relation,
}

#[derive(Clone, Debug, PartialEq)]
enum Relation {
    OneOf(Vec<Scalar>),
    Contains(Scalar),
    Capture(Box<str>),
    Host,
}

/// The tests that can be named.
const TESTS: &[&str] = &["one_of", "contains", "capture", "host"];

impl ClaimCondition {
    pub(super) fn compile(
        pointer: &str,
        test: &ClaimTest,
        setting: Setting<'_>,
        at: &Node,
        report: &mut Report,
    ) -> Option<Self> {
        if !is_pointer(pointer) {
            let hint = report.error(at, Code::InvalidValue, format!("`{pointer}` is no JSON Pointer to a claim"));
            let guess = format!("/{}", pointer.trim_start_matches(['/', '$', '.']).replace('.', "/"));
            match is_pointer(&guess) {
                true => hint.help(format!("write `{guess}`")),
                false => hint.help("write `/` before each step (RFC 6901), as in `/realm_access/roles`"),
            }
            return None;
        }
        let relation = Relation::compile(test, setting, at, report)?;
        Some(Self { pointer: pointer.into(), relation })
    }

    pub(super) fn holds(&self, caller: &dyn Caller, facts: &Facts<'_>) -> Result<bool, NotJudgeable> {
        caller.claim(&self.pointer).map_or(Ok(false), |claim| self.relation.holds(claim, facts))
    }
}

/// The condition in words, and what the caller's claim says.
#[cfg(not(target_family = "wasm"))]
impl ClaimCondition {
    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(super) fn describe(&self, claim: Option<&Value>) -> String {
        let wanted = match &self.relation {
            Relation::OneOf(wanted) => wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
            Relation::Contains(wanted) => format!("a list with {wanted}"),
            Relation::Capture(name) => format!("what the path has for `:{name}`"),
            Relation::Host => "the host".to_owned(),
        };
        match claim {
            None => format!("the caller has no such claim; wanted is {wanted}"),
            Some(claim) => format!("it is {claim}; wanted is {wanted}"),
        }
    }
}

impl From<OtherType> for NotJudgeable {
    fn from(OtherType: OtherType) -> Self {
        Self
    }
}

impl Relation {
    fn compile(test: &ClaimTest, setting: Setting<'_>, at: &Node, report: &mut Report) -> Option<Self> {
        let relation = match test {
            ClaimTest::Equals(value) => {
                return Scalar::compile(value, TESTS, at, report).map(|scalar| Self::OneOf(vec![scalar]));
            }
            ClaimTest::Test(relation) => relation,
        };
        match relation {
            ClaimRelation::OneOf(values) => Some(Self::OneOf(Scalar::compile_all(values, TESTS, at.key("one_of"), report))),
            ClaimRelation::Contains(value) => Scalar::compile(value, TESTS, at.key("contains"), report).map(Self::Contains),
            ClaimRelation::Capture(name) => {
                let captured = setting.templates.iter().all(|template| template.captures().any(|own| own == name));
                if !captured {
                    let message = format!("not every path of the route captures `:{name}`");
                    let names = setting.templates.iter().flat_map(|template| template.captures());
                    let hint = report.error(at.key("capture"), Code::MissingReference, message);
                    match nearest(name, names) {
                        Some(near) if near != name => hint.help(format!("did you mean `{near}`?")),
                        _ => hint.help(format!("write `:{name}` for a segment in each of them")),
                    }
                }
                captured.then(|| Self::Capture(name.as_str().into()))
            }
            ClaimRelation::Host(true) => Some(Self::Host),
            ClaimRelation::Host(false) => {
                let hint = report.error(at.key("host"), Code::InvalidValue, "`host` is compared or not named");
                hint.help("write `true`, or leave the claim out");
                None
            }
        }
    }

    fn holds(&self, claim: &Value, facts: &Facts<'_>) -> Result<bool, NotJudgeable> {
        let text = || claim.as_str().ok_or(NotJudgeable);
        match self {
            Self::OneOf(wanted) => Ok(Scalar::any_equals(wanted, claim)?),
            Self::Contains(wanted) => Ok(wanted.is_in(claim)?),
            // Without the capture there is nothing to compare with.
            Self::Capture(name) => Ok(facts.captures.named(name).ok_or(NotJudgeable)? == text()?),
            Self::Host => Ok(facts.host.as_str().eq_ignore_ascii_case(text()?)),
        }
    }
}

/// RFC 6901, but not the empty pointer, which is no claim.
fn is_pointer(text: &str) -> bool {
    let escapes_hold = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.len() > 1 && text.starts_with('/') && escapes_hold
}
