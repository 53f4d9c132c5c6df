//! Bodies in parts, `multipart/form-data`: refused unless a route's `multipart` lets them in.
//!
//! [`crate::http::multipart`] says what parts there are. A part is a text, which is a field unless it names a file; JSON,
//! which is checked like a body of its own; or opaque, where the route lists its type. Texts and JSON are inspected where
//! the route inspects, names in any case; what is opaque is refused there. A field that `form` describes has to be a text:
//! in another form it would get around what is said of it.

use std::borrow::Cow;

use super::body::{Checked, Content, Layout};
use super::forward::METHOD_PARAMETER;
use super::reason::Rule;
use super::validation::Misfit;
use crate::http::multipart::{self, Boundary, Fault, Malformed, Part};
use crate::http::{JsonLayout, MediaType};
use crate::inspect::{Inspection, Mode, Unjudged, judge_part};
use crate::json;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;
use crate::validate::{Parameters, Place, Violation};

/// Types of parts that a route takes where it does not say.
const CONTENT_TYPES: &[&str] = &["text/plain", "application/json", "application/fhir+json"];

/// The most parts where the policy does not say.
const MAX_PARTS: usize = 10;

/// Which bodies in parts a route takes.
#[derive(Debug)]
pub(super) struct PartRules {
    limits: multipart::Limits,
    content_types: Vec<String>,
    names: Option<Vec<String>>,
    files: bool,
}

/// How a part is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json(JsonLayout),
    Opaque,
}

impl PartRules {
    /// Compiles what a route says at `at`; none where it takes no such bodies.
    pub(super) fn compile(route: &model::Route, max_body: usize, at: &Node, report: &mut Report) -> Option<Self> {
        let model::Route { fhir, request, .. } = route;
        let written = request.multipart.as_ref()?;
        let at = at.key("request").key("multipart");
        let hindrance = match request {
            _ if fhir.is_some() => Some("FHIR has no bodies in parts"),
            _ if request.schema.is_some() => Some("a schema says nothing of a body in parts"),
            _ if request.redact.is_some() => Some("a body in parts cannot be redacted"),
            _ => None,
        };
        if let Some(why) = hindrance {
            // One in `defaults` is meant for the others.
            if at.pointer.starts_with("/routes/") {
                report.error(at, Code::InvalidValue, why).help("take it out: this route refuses such bodies");
            }
            return None;
        }
        let model::Multipart { max_parts, max_part, content_types, names, files } = written;
        if *max_parts == Some(0) {
            let hint = report.error(at.key("max_parts"), Code::InvalidValue, "a body in parts has at least one");
            hint.help("leave `multipart` out to refuse such bodies");
        }
        let reads_all = request.inspect.as_ref().is_some_and(inspects);
        for (index, listed) in content_types.iter().flatten().enumerate() {
            check_type(listed, reads_all, at.key("content_types").item(index), report);
        }
        let size = max_part.map(|model::Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX));
        let own = || CONTENT_TYPES.iter().map(|own| (*own).to_owned()).collect();
        let types = |listed: &Vec<String>| listed.iter().map(|listed| listed.to_ascii_lowercase()).collect();
        Some(Self {
            limits: multipart::Limits { max_parts: max_parts.unwrap_or(MAX_PARTS), max_part: size.unwrap_or(max_body) },
            content_types: content_types.as_ref().map_or_else(own, types),
            names: names.clone(),
            files: *files,
        })
    }

    /// Checks a body and the JSON in it, and has inspected what can be; where `reads_all`, what cannot be is refused.
    pub(super) fn inspect(
        &self,
        boundary: &Boundary,
        body: &[u8],
        limits: &json::Limits,
        mut inspection: Option<&mut Inspection<'_>>,
        reads_all: bool,
    ) -> Result<Checked, Misfit> {
        let mut inspected = Ok(());
        for (index, (part, kind)) in self.read(boundary, body)?.into_iter().enumerate() {
            if reads_all && kind == Kind::Opaque {
                return Err(refusal(index, Rule::UnsupportedMediaType, "inspect"));
            }
            if let Some(inspection) = inspection.as_deref_mut() {
                inspected = inspected.and(judge_part(inspection, &part, kind == Kind::Text).map_err(Unjudged::from));
            }
            let Kind::Json(layout) = kind else { continue };
            let layout = if layout == JsonLayout::Lines { Layout::JsonLines } else { Layout::Json };
            let content = Content::part(layout);
            let checked = content.inspect(part.content, limits, None, "", None, inspection.as_deref_mut())?;
            inspected = inspected.and(checked.inspected);
        }
        Ok(Checked::inspected(inspected))
    }

    /// Checks the fields by what is described of forms.
    pub(super) fn check_form(&self, boundary: &Boundary, body: &[u8], form: &Parameters) -> Result<(), Misfit> {
        let mut fields = Vec::new();
        for (part, kind) in self.read(boundary, body)? {
            if kind == Kind::Text && part.file_name.is_none() {
                let value = std::str::from_utf8(part.content).map_err(drop);
                fields.push(value.map(|value| (Cow::Borrowed(part.name), Cow::Borrowed(value))));
            } else if let Some(name) = form.known_name(part.name) {
                return Err(Misfit::new(Rule::ParameterViolation, Violation::new(Place::Parameter, name, "type")));
            }
        }
        form.check_pairs(&mut fields.into_iter()).map_err(|found| match found {
            Some(found) => Misfit::new(Rule::ParameterViolation, found),
            None => Rule::MalformedMultipart.into(),
        })
    }

    /// The parts of a body, all of which the route takes.
    #[inline(never)]
    fn read<'b>(&self, boundary: &Boundary, body: &'b [u8]) -> Result<Vec<(Part<'b>, Kind)>, Misfit> {
        let parts = multipart::read(body, boundary, &self.limits).map_err(|Malformed { part, fault }| {
            let rule = match fault {
                Fault::TooManyParts | Fault::LongPart => Rule::MultipartLimit,
                _ => Rule::MalformedMultipart,
            };
            Misfit::new(rule, Violation::new(Place::Part, part.to_string(), fault.as_str()))
        })?;
        let mut judged = Vec::with_capacity(parts.len());
        for (index, part) in parts.into_iter().enumerate() {
            let kind = self.judge(&part).map_err(|(rule, why)| refusal(index, rule, why))?;
            judged.push((part, kind));
        }
        Ok(judged)
    }

    fn judge(&self, part: &Part<'_>) -> Result<Kind, (Rule, &'static str)> {
        if part.name.eq_ignore_ascii_case(METHOD_PARAMETER) {
            return Err((Rule::MethodOverride, "name"));
        }
        if part.file_name.is_some() && !self.files {
            return Err((Rule::PartRefused, "files"));
        }
        if self.names.as_ref().is_some_and(|names| !names.iter().any(|name| name == part.name)) {
            return Err((Rule::PartRefused, "names"));
        }
        let is_of = |listed: &str| part.media_type.eq_ignore_ascii_case(listed);
        if !self.content_types.iter().any(|listed| is_of(listed)) {
            return Err((Rule::UnsupportedMediaType, "content_types"));
        }
        match part.json {
            Some(layout) => Ok(Kind::Json(layout)),
            None if is_of("text/plain") => match std::str::from_utf8(part.content) {
                Ok(text) if !text.contains('\0') => Ok(Kind::Text),
                _ => Err((Rule::MalformedMultipart, "text")),
            },
            None => Ok(Kind::Opaque),
        }
    }
}

fn refusal(index: usize, rule: Rule, why: &'static str) -> Misfit {
    Misfit::new(rule, Violation::new(Place::Part, (index + 1).to_string(), why))
}

fn inspects(written: &model::Inspect) -> bool {
    match written {
        model::Inspect::Level(level) => *level != model::InspectLevel::Off,
        model::Inspect::Options(options) => options.mode == Mode::Enforce,
    }
}

/// Finds what is listed and would never be met, or is not what it seems.
fn check_type(listed: &str, reads_all: bool, at: &Node, report: &mut Report) {
    let media_type = MediaType::parse(listed.as_bytes()).ok();
    let media_type = media_type.filter(|own| own.essence().len() == listed.len() && !listed.contains('*'));
    let is_json = media_type.as_ref().is_some_and(|own| own.json().is_some());
    let (code, problem) = match media_type.as_ref().map(MediaType::essence) {
        None => (Code::InvalidValue, "not one media type without parameters and wildcards"),
        Some(essence) if hides_something(essence, is_json) => {
            (Code::NotSupported, "parts of this type are not looked into")
        }
        Some(essence) if reads_all && !is_json && essence != "text/plain" => {
            let hint = report.warning(at, Code::Risky, "parts of this type are refused where requests are inspected");
            hint.help("take it out, or write `\"inspect\": {\"mode\": \"report\"}` or `\"off\"` on this route");
            return;
        }
        Some(_) => return,
    };
    report.error(at, code, problem).help("name a type of text, JSON, or something without parts of its own");
}

/// Whether a part of this type has parts or fields of its own, or is JSON that is not read as such.
fn hides_something(essence: &str, is_json: bool) -> bool {
    let begins = |begin| essence.starts_with(begin);
    begins("multipart/")
        || begins("message/")
        || essence.ends_with("form-urlencoded")
        || (essence.ends_with("json") && !is_json)
}
