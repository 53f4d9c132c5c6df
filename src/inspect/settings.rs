//! How a route is inspected: the policy's part, compiled.

use std::rc::Rc;

use super::judge::Place;
use super::pack::Pack;
use super::path::JsonPath;
use super::rule::Target;
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::model;
pub use crate::policy::model::{InspectMode as Mode, RuleLevel as Level};

/// The score from which on a request is refused, where the policy does not say.
fn threshold_of(level: Level) -> u32 {
    match level {
        Level::Standard => 5,
        Level::Strict => 3,
    }
}

/// How a route is inspected.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) pack: Rc<Pack>,
    pub(super) level: Level,
    pub(super) mode: Mode,
    pub(super) threshold: u32,
    pub(super) exemptions: Vec<Exemption>,
}

/// One rule that does not judge one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    pub(super) rule: String,
    pub(super) place: Exempt,
}

/// The place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exempt {
    /// A parameter of a query or a form.
    Parameter(String),
    Header(String),
    Cookie(String),
    Json(JsonPath),
}

impl Settings {
    /// The rules of a level, enforced at its threshold.
    #[must_use]
    pub fn of_level(level: Level, pack: Rc<Pack>) -> Self {
        Self { pack, level, mode: Mode::Enforce, threshold: threshold_of(level), exemptions: Vec::new() }
    }

    /// What follows from a score at the threshold.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The score from which on a request is refused.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Which rules judge.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The same without exemptions, where there are some.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn without_exemptions(&self) -> Option<Self> {
        let all = || Self { exemptions: Vec::new(), ..self.clone() };
        (!self.exemptions.is_empty()).then(all)
    }

    /// Compiles the policy's part. `None` is no inspection.
    pub fn compile(written: &model::Inspect, pack: &Rc<Pack>, at: &Node, report: &mut Report) -> Option<Self> {
        let options = match written {
            model::Inspect::Level(model::InspectLevel::Off) => return None,
            model::Inspect::Level(model::InspectLevel::Standard) => {
                return Some(Self::of_level(Level::Standard, pack.clone()));
            }
            model::Inspect::Level(model::InspectLevel::Strict) => return Some(Self::of_level(Level::Strict, pack.clone())),
            model::Inspect::Options(options) => options,
        };
        let model::InspectOptions { level, mode, threshold, exempt } = options;
        if *threshold == Some(0) {
            let hint = report.error(at.key("threshold"), Code::InvalidValue, "every request would be refused");
            hint.help("write the least score that is refused; 5 at `standard` and 3 at `strict` when left out");
        }
        let mut exemptions = Vec::new();
        for (index, exemption) in exempt.iter().enumerate() {
            let at = at.key("exempt").item(index);
            exemptions.extend(Exemption::compile(exemption, pack, at, report));
        }
        Some(Self {
            pack: Rc::clone(pack),
            level: *level,
            mode: *mode,
            threshold: threshold.unwrap_or(threshold_of(*level)),
            exemptions,
        })
    }
}

impl Exemption {
    fn compile(written: &model::InspectExemption, pack: &Pack, at: &Node, report: &mut Report) -> Option<Self> {
        let model::InspectExemption { rule, parameter, header, cookie, json_path } = written;
        if !pack.rules().any(|known| known.id == *rule) {
            let message = format!("there is no inspection rule `{rule}`");
            let hint = report.error(at.key("rule"), Code::MissingReference, message);
            let near = nearest(rule, pack.rules().map(|known| known.id.as_str()));
            hint.help(near.map_or_else(
                || "`carewarden rules` lists them".to_owned(),
                |near| format!("did you mean `{near}`? `carewarden rules` lists them all"),
            ));
        }
        let place = match (parameter, header, cookie, json_path) {
            (Some(name), None, None, None) => Exempt::Parameter(name.clone()),
            (None, Some(name), None, None) => Exempt::Header(name.to_ascii_lowercase()),
            (None, None, Some(name), None) => Exempt::Cookie(name.clone()),
            (None, None, None, Some(path)) => match JsonPath::parse(path) {
                Some(path) => Exempt::Json(path),
                None => {
                    let message = format!("`{path}` is no path that an exemption can have");
                    let hint = report.error(at.key("json_path"), Code::InvalidValue, message);
                    hint.help("write keys and `[*]` from the root on: `$.note[*].text`");
                    return None;
                }
            },
            _ => {
                report
                    .error(at, Code::InvalidValue, "an exemption is for one place")
                    .help("write one of `parameter`, `header`, `cookie`, `json_path`");
                return None;
            }
        };
        Some(Self { rule: rule.clone(), place })
    }

    pub(super) fn covers(&self, target: Target, place: Place<'_>) -> bool {
        match (&self.place, target, place) {
            (Exempt::Parameter(name), Target::Query | Target::Form, Place::Named(own))
            | (Exempt::Header(name), Target::Header, Place::Named(own))
            | (Exempt::Cookie(name), Target::Cookie, Place::Named(own)) => name == own,
            (Exempt::Json(path), Target::Json, Place::Json(own)) => own.is_at(path),
            _ => false,
        }
    }
}
