//! Why a token is accepted or refused, check by check, for whoever has it in hand. Not part of the module for Envoy.
//!
//! The verdict is the engine's: the same functions, called in the same order. The steps say what it rests on. They go on
//! where the engine stops, since who asks wants to know all that is wrong; a token is accepted exactly if no step failed,
//! and it is refused for a reason that one of the steps has (a test holds all vectors against that).
//!
//! Steps repeat claims. They are for the one who holds the token, never for a log.

mod request;

use std::rc::Rc;

pub use request::{Made, ProviderTried, describe};
use serde_json::{Map, Value};

use super::credential::MAX_LENGTH;
use super::jwt::{Jwt, Token, read_leniently};
use super::{Context, Halt, Kind, Principal, Providers, Refusal};

/// All that there is to say of a token.
pub struct Explanation {
    /// The header, where it can be read.
    pub header: Option<Map<String, Value>>,
    /// The payload, where it can be read: an object of claims, or a text.
    pub payload: Option<Value>,
    /// The provider whose rules were held against it.
    pub provider: Option<Rc<str>>,
    /// The key that was used.
    pub key: Option<KeyUsed>,
    /// What became of the signature.
    pub signature: SignatureFound,
    /// Each check, in order.
    pub steps: Vec<Step>,
    /// What the engine says; nobody where only a signature was to be checked.
    pub verdict: Result<Option<Rc<Principal>>, Refusal>,
}

/// A key that a signature was held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsed {
    /// Its `kid`.
    pub kid: Option<String>,
    /// What it is.
    pub kind: &'static str,
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFound {
    /// It is the key's.
    Good,
    /// It is not.
    Bad,
    /// There was nothing to check, or no key to check it with.
    NotChecked,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was looked at, for example a claim.
    pub check: String,
    /// What came of it.
    pub finding: Finding,
    /// The same in words.
    pub says: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It passed.
    Passed,
    /// It refuses the token.
    Failed(Refusal),
    /// There was nothing to judge, or nothing to judge it by.
    NotJudged,
}

/// Why a token cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExplained {
    /// No provider has this name.
    #[error("no provider is named `{0}`")]
    NoSuchProvider(String),
    /// The provider takes no tokens.
    #[error("`{0}` takes no tokens")]
    NotForTokens(String),
    /// There are no providers of tokens.
    #[error("no provider of the policy takes tokens")]
    NoProvider,
    /// Several providers take tokens of this issuer, from different places.
    #[error("`{0}` and `{1}` both take tokens of this issuer; say which is meant")]
    Several(String, String),
}

impl Step {
    pub(super) fn passed(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { check: check.into(), finding: Finding::Passed, says: says.into() }
    }

    pub(super) fn failed(check: impl Into<String>, refusal: Refusal, says: impl Into<String>) -> Self {
        Self { check: check.into(), finding: Finding::Failed(refusal), says: says.into() }
    }

    pub(super) fn not_judged(check: impl Into<String>, says: impl Into<String>) -> Self {
        Self { check: check.into(), finding: Finding::NotJudged, says: says.into() }
    }
}

impl Providers {
    /// Explains what this policy makes of a token: of the named provider, or the one that its issuer chooses.
    pub fn explain(&self, text: &str, named: Option<&str>, context: &Context<'_>) -> Result<Explanation, NotExplained> {
        Self::explain_by(&self.candidates(named)?, text, context)
    }

    /// Explains what these providers make of a token.
    fn explain_by(candidates: &[(&Rc<str>, &Jwt)], text: &str, context: &Context<'_>) -> Result<Explanation, NotExplained> {
        let (header, payload) = read_leniently(text);
        let mut explanation = Explanation {
            header,
            payload: None,
            provider: None,
            key: None,
            signature: SignatureFound::NotChecked,
            steps: Vec::new(),
            verdict: verdict(candidates, text, context).map(Some),
        };
        if text.len() > MAX_LENGTH {
            let says = format!("{} bytes long; at most {MAX_LENGTH} are accepted", text.len());
            explanation.steps.push(Step::failed("form", Refusal::TooLong, says));
        }
        let issuer = payload.as_ref().and_then(|claims| claims.get("iss"));
        let issuer_step = issuer_step(candidates, issuer, payload.is_some());
        if let Some((name, jwt)) = choose(candidates, issuer)? {
            explanation.provider = Some(Rc::clone(name));
            jwt.explain(text, context.verifier, &mut explanation);
            explanation.steps.extend(issuer_step);
            jwt.explain_claims(payload.as_ref(), context, &mut explanation.steps);
        } else {
            explanation.steps.push(Jwt::explain_form(text));
            explanation.steps.extend(issuer_step);
        }
        explanation.payload = payload.map(Value::Object);
        Ok(explanation)
    }

    fn candidates(&self, named: Option<&str>) -> Result<Vec<(&Rc<str>, &Jwt)>, NotExplained> {
        let tokens = self.list.iter().filter_map(|provider| match &provider.kind {
            Kind::Jwt(jwt) => Some((&provider.name, &**jwt)),
            _ => None,
        });
        let candidates: Vec<_> = tokens.filter(|(name, _)| named.is_none_or(|named| ***name == *named)).collect();
        match (candidates.is_empty(), named) {
            (false, _) => Ok(candidates),
            (true, None) => Err(NotExplained::NoProvider),
            (true, Some(name)) if self.names().any(|own| own == name) => Err(NotExplained::NotForTokens(name.to_owned())),
            (true, Some(name)) => Err(NotExplained::NoSuchProvider(name.to_owned())),
        }
    }
}

/// What [`Providers::authenticate`] says of a token that stands where one of these providers looks.
fn verdict(candidates: &[(&Rc<str>, &Jwt)], text: &str, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
    if text.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    let token = Token::parse(text)?;
    let issuer = token.issuer()?;
    let (_, jwt) = candidates.iter().find(|(_, jwt)| jwt.issuer == issuer).ok_or(Refusal::UnknownIssuer)?;
    let verified = jwt.verify(token, context.moment, context.verifier).map_err(|halt| match halt {
        Halt::Refused(refusal) => refusal,
        // Nobody is asked from a desk.
        Halt::Awaits(_) => Refusal::Unavailable,
    })?;
    verified.judge(context)
}

/// The provider of the token's issuer; where there is none, the only one there is.
fn choose<'p>(
    candidates: &[(&'p Rc<str>, &'p Jwt)],
    issuer: Option<&Value>,
) -> Result<Option<(&'p Rc<str>, &'p Jwt)>, NotExplained> {
    let mut matching = candidates.iter().filter(|(_, jwt)| issuer.and_then(Value::as_str) == Some(&jwt.issuer));
    match (matching.next(), matching.next()) {
        (Some((one, _)), Some((other, _))) => Err(NotExplained::Several(one.to_string(), other.to_string())),
        (Some(only), None) => Ok(Some(*only)),
        (None, _) => Ok(if let [only] = candidates { Some(*only) } else { None }),
    }
}

fn issuer_step(candidates: &[(&Rc<str>, &Jwt)], issuer: Option<&Value>, readable: bool) -> Option<Step> {
    let known = || candidates.iter().map(|(_, jwt)| format!("`{}`", jwt.issuer)).collect::<Vec<_>>().join(", ");
    Some(match issuer {
        // What cannot be read was said already.
        None if !readable => return None,
        None => Step::failed("iss", Refusal::MissingClaim, format!("iss is missing; the policy wants {}", known())),
        Some(Value::String(issuer)) if candidates.iter().any(|(_, jwt)| jwt.issuer == *issuer) => {
            Step::passed("iss", format!("iss is `{issuer}`"))
        }
        Some(Value::String(issuer)) => {
            Step::failed("iss", Refusal::UnknownIssuer, format!("iss is `{issuer}`; the policy wants {}", known()))
        }
        Some(other) => Step::failed("iss", Refusal::MalformedClaim, format!("iss is {other}, which is not a string")),
    })
}
