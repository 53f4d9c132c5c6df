//! What a filter does with a request, without its routes: everything that inspection looks at.

use std::rc::Rc;

use carewarden::http::{Headers, Target as RequestTarget};
use carewarden::inspect::{
    BodyInspection, Finding, Inspection, Level, Pack, Settings, Target, Unjudged, judge_head, judge_query,
};
use carewarden::json;

thread_local! {
    static PACK: Rc<Pack> = Rc::new(Pack::standard().unwrap());
}

pub(crate) fn settings(level: Level) -> Settings {
    Settings::of_level(level, PACK.with(Rc::clone))
}

/// What came of a part of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passes; what was found is below the threshold.
    Pass,
    /// It is refused for what was found.
    Attack(Vec<String>),
    /// It is refused because it has no one meaning.
    Unreadable,
    /// It is refused because it takes too much work.
    OverBudget,
}

impl Verdict {
    pub(crate) fn is_refusal(&self) -> bool {
        *self != Self::Pass
    }

    fn of(inspection: &Inspection<'_>) -> Self {
        let name = |found: &Finding| format!("{} +{} {:?}", found.rule, found.score, found.place);
        match inspection.is_over() {
            true => Self::Attack(inspection.findings().iter().map(name).collect()),
            false => Self::Pass,
        }
    }
}

/// A head: `:path` and other fields.
pub(crate) fn head(settings: &Settings, path: &str, fields: &[(&str, &[u8])]) -> Verdict {
    if RequestTarget::parse(path.as_bytes()).is_err() {
        return Verdict::Unreadable;
    }
    let pairs = std::iter::once((":path", path.as_bytes())).chain(fields.iter().copied());
    let head = Headers::from_pairs(pairs);
    let mut inspection = Inspection::new(settings, head.byte_len()).telling();
    match judge_head(&mut inspection, &head) {
        Ok(()) => Verdict::of(&inspection),
        Err(Unjudged::Unreadable) => Verdict::Unreadable,
        Err(Unjudged::OverBudget(_)) => Verdict::OverBudget,
    }
}

pub(crate) fn form(settings: &Settings, body: &str) -> Verdict {
    let mut inspection = Inspection::new(settings, body.len()).telling();
    match judge_query(&mut inspection, body.as_bytes(), Target::FormName, Target::Form) {
        Ok(()) => Verdict::of(&inspection),
        Err(Unjudged::Unreadable) => Verdict::Unreadable,
        Err(Unjudged::OverBudget(_)) => Verdict::OverBudget,
    }
}

pub(crate) fn body(settings: &Settings, body: &str, is_fhir: bool) -> Verdict {
    judged(Inspection::new(settings, body.len()).telling(), body, is_fhir).0
}

/// The verdict, and what it cost for each byte, as in the filter.
pub(crate) fn body_with_work(settings: &Settings, body: &str, is_fhir: bool) -> (Verdict, f64) {
    judged(Inspection::new(settings, body.len()), body, is_fhir)
}

fn judged(mut found: Inspection<'_>, body: &str, is_fhir: bool) -> (Verdict, f64) {
    let limits = json::Limits { max_string: 1 << 24, max_depth: 64, max_keys: 1 << 20, ..json::Limits::default() };
    let mut inspection = BodyInspection::new(&mut found, is_fhir);
    if json::walk(body.as_bytes(), &limits, |event| inspection.visit(event)).is_err() {
        return (Verdict::Unreadable, 0.0);
    }
    if inspection.again() {
        json::walk(body.as_bytes(), &limits, |event| inspection.visit(event)).unwrap();
    }
    match inspection.finish() {
        Ok(()) => (Verdict::of(&found), found.work().0 as f64 / body.len() as f64),
        Err(_) => (Verdict::OverBudget, f64::INFINITY),
    }
}

/// Percent-encodes all but unreserved characters, and those in `keep`.
pub(crate) fn encode(text: &str, keep: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte);
    text.bytes().map(|byte| if keeps(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
