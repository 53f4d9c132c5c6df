//! Conditions on claims.
//!
//! A claim is found by JSON Pointer and compared with a value of its own type. Three outcomes are told apart: it passes,
//! it does not (absent claims do not), or it cannot be judged, because it has another type than the test: a token that
//! says `"suspended": "true"` where the policy says `true` is neither suspended nor not.

use serde_json::{Number, Value};

use super::{Caller, Facts, NotJudgeable, Setting};
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

/// A string, a number or a truth value.
#[derive(Clone, Debug)]
enum Scalar {
    String(Box<str>),
    Number(Number),
    Bool(bool),
}

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

impl Relation {
    fn compile(test: &ClaimTest, setting: Setting<'_>, at: &Node, report: &mut Report) -> Option<Self> {
        let relation = match test {
            ClaimTest::Equals(value) => return Scalar::compile(value, at, report).map(|scalar| Self::OneOf(vec![scalar])),
            ClaimTest::Test(relation) => relation,
        };
        match relation {
            ClaimRelation::OneOf(values) => {
                let at = at.key("one_of");
                if values.is_empty() {
                    report
                        .error(at, Code::InvalidValue, "an empty list never holds")
                        .help("name a value, or leave the claim out");
                }
                let compile = |(index, value)| Scalar::compile(value, at.item(index), report);
                Some(Self::OneOf(values.iter().enumerate().filter_map(compile).collect()))
            }
            ClaimRelation::Contains(value) => Scalar::compile(value, at.key("contains"), report).map(Self::Contains),
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
            Self::OneOf(wanted) => equals_any(wanted, claim),
            Self::Contains(wanted) => {
                let items = claim.as_array().ok_or(NotJudgeable)?;
                let judged: Vec<_> = items.iter().map(|item| wanted.equals(item)).collect();
                // Found is found; only when nothing is, does it matter what could not be compared.
                if judged.contains(&Ok(true)) {
                    Ok(true)
                } else {
                    judged.into_iter().collect::<Result<Vec<_>, _>>().map(|_| false)
                }
            }
            // Without the capture there is nothing to compare with.
            Self::Capture(name) => Ok(facts.captures.named(name).ok_or(NotJudgeable)? == text()?),
            Self::Host => Ok(facts.host.as_str().eq_ignore_ascii_case(text()?)),
        }
    }
}

/// Whether the claim is one of these. It has to have the type of one of them.
fn equals_any(wanted: &[Scalar], claim: &Value) -> Result<bool, NotJudgeable> {
    let judged: Vec<_> = wanted.iter().filter_map(|wanted| wanted.equals(claim).ok()).collect();
    if judged.is_empty() { Err(NotJudgeable) } else { Ok(judged.contains(&true)) }
}

impl Scalar {
    fn compile(value: &Value, at: &Node, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::String(text.as_str().into())),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::Bool(truth) => Some(Self::Bool(*truth)),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let hint =
                    report.error(at, Code::InvalidValue, "a claim is compared with a string, a number or a truth value");
                let key = value.as_object().and_then(|object| object.keys().next());
                let tests = ["one_of", "contains", "capture", "host"];
                match key.and_then(|key| nearest(key, tests)) {
                    Some(near) => hint.help(format!("did you mean the test `{near}`?")),
                    None => hint.help("or write one of the tests `one_of`, `contains`, `capture`, `host`"),
                }
                None
            }
        }
    }

    fn equals(&self, claim: &Value) -> Result<bool, NotJudgeable> {
        match (self, claim) {
            (Self::String(own), Value::String(claim)) => Ok(**own == **claim),
            (Self::Number(own), Value::Number(claim)) => Ok(same_number(own, claim)),
            (Self::Bool(own), Value::Bool(claim)) => Ok(own == claim),
            _ => Err(NotJudgeable),
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(own), Self::String(other)) => own == other,
            (Self::Number(own), Self::Number(other)) => same_number(own, other),
            (Self::Bool(own), Self::Bool(other)) => own == other,
            _ => false,
        }
    }
}

/// Whether two numbers are the same, however they are written. An integer past 2^53 equals no fraction: a floating point
/// number no longer says which one it means.
fn same_number(one: &Number, other: &Number) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !one.is_f64() && !other.is_f64() {
        return one == other;
    }
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other && one.abs() < EXACT,
        _ => false,
    }
}

/// RFC 6901, but not the empty pointer, which is no claim.
fn is_pointer(text: &str) -> bool {
    let escapes_hold = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.len() > 1 && text.starts_with('/') && escapes_hold
}
