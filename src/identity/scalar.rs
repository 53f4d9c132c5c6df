//! What a claim is compared with.
//!
//! A claim is compared with a value of its own type. A claim of another type can be neither equal nor different: a token
//! that says `"suspended": "true"` where the policy says `true` is neither suspended nor not.

use serde_json::{Number, Value};

use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;

/// A string, a number or a truth value.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    String(Box<str>),
    Number(Number),
    Bool(bool),
}

/// The claim has another type than what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherType;

#[cfg(not(target_family = "wasm"))]
impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Number(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

impl Scalar {
    /// Reads a scalar; `tests` are the names of what could have been meant by an object.
    pub(crate) fn compile(value: &Value, tests: &[&str], at: &Node, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::String(text.as_str().into())),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::Bool(truth) => Some(Self::Bool(*truth)),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let hint =
                    report.error(at, Code::InvalidValue, "a claim is compared with a string, a number or a truth value");
                let key = value.as_object().and_then(|object| object.keys().next());
                match key.and_then(|key| nearest(key, tests.iter().copied())) {
                    Some(near) => hint.help(format!("did you mean the test `{near}`?")),
                    None => hint.help(format!("or write one of the tests `{}`", tests.join("`, `"))),
                }
                None
            }
        }
    }

    /// Reads a list of scalars, which has to have one.
    pub(crate) fn compile_all(values: &[Value], tests: &[&str], at: &Node, report: &mut Report) -> Vec<Self> {
        if values.is_empty() {
            report.error(at, Code::InvalidValue, "an empty list never holds").help("name a value, or leave the claim out");
        }
        let compile = |(index, value)| Self::compile(value, tests, at.item(index), report);
        values.iter().enumerate().filter_map(compile).collect()
    }

    /// Whether the claim is this.
    pub(crate) fn equals(&self, claim: &Value) -> Result<bool, OtherType> {
        match (self, claim) {
            (Self::String(own), Value::String(claim)) => Ok(**own == **claim),
            (Self::Number(own), Value::Number(claim)) => Ok(same_number(own, claim)),
            (Self::Bool(own), Value::Bool(claim)) => Ok(own == claim),
            _ => Err(OtherType),
        }
    }

    /// Whether the claim is one of these. It has to have the type of one of them.
    pub(crate) fn any_equals(wanted: &[Self], claim: &Value) -> Result<bool, OtherType> {
        let judged: Vec<_> = wanted.iter().filter_map(|wanted| wanted.equals(claim).ok()).collect();
        if judged.is_empty() { Err(OtherType) } else { Ok(judged.contains(&true)) }
    }

    /// Whether the claim is an array that holds this.
    pub(crate) fn is_in(&self, claim: &Value) -> Result<bool, OtherType> {
        let items = claim.as_array().ok_or(OtherType)?;
        let judged: Vec<_> = items.iter().map(|item| self.equals(item)).collect();
        // Found is found; only when nothing is, does it matter what could not be compared.
        if judged.contains(&Ok(true)) { Ok(true) } else { judged.into_iter().collect::<Result<Vec<_>, _>>().map(|_| false) }
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
