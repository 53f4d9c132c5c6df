//! What a request has to be like, beside who may make it: the glue between an exchange and [`crate::validate`].
//!
//! Queries and headers are checked when the head is here and the rules have allowed what they can allow by then; bodies
//! when they are whole and the rules have had the last word. So who may do nothing learns nothing of what is described.

#[cfg(not(target_family = "wasm"))]
mod explain;

use super::Exchange;
use super::body::{Content, Layout};
use super::outgoing::Body;
use super::reason::{Reason, Rule};
use super::request::Judged;
use crate::fhir::{Act, Interaction, InteractionKind};
use crate::http::{Headers, Method, query};
use crate::policy::Loaded;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;
use crate::validate::shape::Shaped;
use crate::validate::{
    FhirLimits, Fields, Origins, Parameters, Place, Schemas, Shape, Violation, schema, wants_other_format,
};

/// The most ranges that a request may ask for: many small ones, or overlapping ones, cost an upstream much more than they
/// cost a client.
const MAX_RANGES: usize = 16;

/// Headers that ask for parts; the second is an old name that some servers still take.
const RANGES: &[&str] = &["range", "request-range"];

/// What a route's requests are checked by.
#[derive(Debug)]
pub(super) struct Checks {
    query: Option<Parameters>,
    form: Option<Parameters>,
    headers: Fields,
    schemas: Option<Schemas>,
    shape: model::Shape,
    limits: Option<FhirLimits>,
    /// Whose pages may write with cookies, where any cookie asks for that; where it is not said, only one that is the
    /// caller's credential does, and then the pages of the host itself may.
    origins: Option<Origins>,
}

/// Why a request is refused, and what exactly does not fit.
#[derive(Debug)]
pub(super) struct Misfit {
    reason: Reason,
    violation: Option<Violation>,
}

impl Misfit {
    pub(super) fn new(rule: Rule, violation: Violation) -> Self {
        Self { reason: rule.into(), violation: Some(violation) }
    }
}

impl From<Rule> for Misfit {
    fn from(rule: Rule) -> Self {
        Self { reason: rule.into(), violation: None }
    }
}

impl From<Reason> for Misfit {
    fn from(reason: Reason) -> Self {
        Self { reason, violation: None }
    }
}

impl Checks {
    /// Compiles what a route says at `at`.
    pub(super) fn compile(
        route: &model::Route,
        schemas: &schema::Compiled,
        loaded: &Loaded,
        at: &Node,
        report: &mut Report,
    ) -> Self {
        let request = &route.request;
        let is_fhir = route.fhir.is_some();
        let at = at.key("request");
        let parameters = |written: &Option<model::ParameterList>, key: &str, report: &mut Report| {
            written.as_ref().map(|written| Parameters::compile(written, is_fhir, at.key(key), report))
        };
        // One in `defaults` is meant for the others.
        if !is_fhir && at.get("shape").is_some_and(|shape| shape.pointer.starts_with("/routes/")) {
            let hint = report.error(at.key("shape"), Code::InvalidValue, "only a `fhir` route has documents of R4");
            hint.help("take it out, or say `fhir`");
        }
        for (index, listed) in request.content_types.iter().flatten().enumerate() {
            if listed.to_ascii_lowercase().starts_with("multipart/") {
                let at = at.key("content_types").item(index);
                let hint = report.error(at, Code::NotSupported, "bodies in several parts are not let in by their type");
                hint.help("take it out; `multipart` lets in `multipart/form-data`, and no other is taken");
            }
        }
        let compile_schemas = |choice: &model::SchemaChoice, report: &mut Report| {
            Schemas::compile(choice, is_fhir, schemas, loaded, at.key("schema"), report)
        };
        Self {
            query: parameters(&request.query, "query", report),
            form: parameters(&request.form, "form", report),
            headers: Fields::compile(&request.headers, at.key("headers"), report),
            schemas: request.schema.as_ref().and_then(|choice| compile_schemas(choice, report)),
            shape: if is_fhir { request.shape.unwrap_or_default() } else { model::Shape::Off },
            limits: route.fhir.as_ref().map(|fhir| FhirLimits::new(&fhir.limits)),
            origins: request.origins.as_ref().map(|written| Origins::compile(written, at.key("origins"), report)),
        }
    }

    /// What reads the shape of a body, where that is looked for.
    pub(super) fn reader(&self, content: &Content, interaction: Option<&Interaction>) -> Option<Shape> {
        let holds_resource = interaction.is_some_and(|interaction| match interaction.act() {
            Act::Operation(name) => &**name != "$graphql",
            // A patch by FHIRPath is a resource, any other is not.
            Act::Rest(InteractionKind::Patch) => content.is_fhir,
            Act::Rest(_) | Act::UnreadBundle => true,
        });
        let looks = self.shape != model::Shape::Off && content.layout == Layout::Json && !content.is_patch;
        (looks && holds_resource).then(Shape::default)
    }

    /// Checks a query and the head's fields. `by_cookie` says whether the caller's credential was a cookie.
    fn check_head(&self, judged: &Judged, head: &Headers, by_cookie: bool) -> Result<(), Misfit> {
        let Judged { method, target, route, .. } = judged;
        // Of `_format`, which counts before `Accept` (R4, http.html#mime-type), only JSON has come this far.
        let is_told = |raw: &[u8]| query::pairs(raw).flatten().any(|(name, _)| name == "_format");
        let raw = target.query().unwrap_or_default().as_bytes();
        if route.fhir.is_some() && !is_told(raw) && wants_other_format(head, &route.unredacted) {
            return Err(Rule::NotAcceptable.into());
        }
        if head.first("cookie").is_some() && (by_cookie || self.origins.is_some()) {
            let own = Origins::default();
            self.origins.as_ref().unwrap_or(&own).check(method, head).map_err(|_| Rule::CrossOrigin)?;
        }
        self.headers.check(head).map_err(|found| Misfit::new(Rule::HeaderViolation, found))?;
        self.check_search(raw)?;
        if let Some(condition) = head.first("if-none-exist") {
            self.check_search(condition)?;
            check_parameters(self.query.as_ref(), condition)?;
        }
        check_parameters(self.query.as_ref(), raw)
    }

    fn check_search(&self, raw: &[u8]) -> Result<(), Misfit> {
        let limits = self.limits.as_ref().filter(|_| !raw.is_empty());
        limits.map_or(Ok(()), |limits| limits.check_search(raw)).map_err(|found| Misfit::new(Rule::FhirLimit, found))
    }

    /// Whether a request needs a body to be judged by a schema, and has none.
    fn misses_body(&self, method: &Method, interaction: Option<&Interaction>) -> bool {
        let writes = matches!(method, Method::Post | Method::Put | Method::Patch);
        let by_form =
            interaction.is_some_and(|interaction| matches!(interaction.act(), Act::Rest(InteractionKind::Search)));
        matches!(self.schemas, Some(Schemas::One(_))) && writes && !by_form
    }

    /// Checks a whole body.
    fn check_body(&self, judged: &Judged, body: &Body) -> Result<Option<Violation>, Misfit> {
        let Body { content, bytes, shaped, searches, entries, .. } = body;
        if content.layout == Layout::Form {
            self.check_form(judged, bytes)?;
        }
        if let (Layout::Parts(boundary), Some(form), Some(parts)) = (&content.layout, &self.form, &judged.route.parts) {
            parts.check_form(boundary, bytes, form)?;
        }
        if let (Some(interaction), Some(limits)) = (&judged.interaction, &self.limits) {
            let refuse = |found| Misfit::new(Rule::FhirLimit, found);
            limits.check_entries(interaction.entries().len().max(*entries)).map_err(refuse)?;
            let of_entries = interaction.entries().iter().flat_map(|entry| &entry.searches);
            searches.iter().chain(of_entries).try_for_each(|search| self.check_search(search.as_bytes()))?;
        }
        // A search is described whichever way it is asked for.
        for search in judged.interaction.iter().flat_map(Interaction::entries).flat_map(|entry| &entry.searches) {
            check_parameters(self.query.as_ref(), search.as_bytes())?;
        }
        let reported = match shaped.as_ref().map(|shaped| fits(shaped, judged)) {
            Some(Err(found)) if self.shape == model::Shape::Strict => return Err(Misfit::new(Rule::NotFhirShape, found)),
            Some(Err(found)) => Some(found),
            Some(Ok(())) | None => None,
        };
        self.check_schema(judged, content, bytes)?;
        Ok(reported)
    }

    /// Checks a form: that of a search together with the query beside it, since a server takes both for one.
    fn check_form(&self, judged: &Judged, bytes: &[u8]) -> Result<(), Misfit> {
        let described = self.form.as_ref().or(self.query.as_ref().filter(|_| judged.interaction.is_some()));
        match judged.target.query().filter(|query| judged.interaction.is_some() && !query.is_empty()) {
            None => {
                self.check_search(bytes)?;
                check_parameters(described, bytes)
            }
            Some(query) => {
                let both = [query.as_bytes(), b"&", bytes].concat();
                self.check_search(&both)?;
                check_parameters(described, if self.form.is_some() { bytes } else { &both })?;
                if described.is_some() { check_parted(query.as_bytes(), bytes) } else { Ok(()) }
            }
        }
    }

    fn check_schema(&self, judged: &Judged, content: &Content, bytes: &[u8]) -> Result<(), Misfit> {
        let Some(schemas) = &self.schemas else { return Ok(()) };
        let refuse = |found: Option<Violation>| match found {
            Some(found) => Misfit::new(Rule::SchemaViolation, found),
            None => Rule::JsonLimit.into(),
        };
        match (content.layout, schemas) {
            // A patch of a resource that has a schema says nothing that the schema could judge.
            (Layout::Json, Schemas::ByType(_))
                if content.is_patch || judged.interaction.as_ref().is_some_and(Interaction::patches) =>
            {
                match judged.interaction.as_ref() {
                    Some(interaction) if interaction.resource().is_some_and(|kind| !schemas.names(kind)) => Ok(()),
                    _ => Err(Rule::UnsupportedMediaType.into()),
                }
            }
            (Layout::Json, Schemas::ByType(_)) if changes_described(judged, schemas) => {
                Err(Rule::UnsupportedMediaType.into())
            }
            (Layout::Json, _) => schemas.check(bytes).map_err(refuse),
            (Layout::JsonLines, _) => {
                let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                lines.try_for_each(|line| schemas.check(line)).map_err(refuse)
            }
            // The form of a search is described by `form`.
            (Layout::Form, _) if judged.interaction.is_some() => Ok(()),
            (Layout::Form | Layout::Parts(_) | Layout::Opaque, _) => Err(Rule::UnsupportedMediaType.into()),
        }
    }
}

/// Whether an entry of a Bundle is a patch of something that a schema is about.
fn changes_described(judged: &Judged, schemas: &Schemas) -> bool {
    judged
        .interaction
        .iter()
        .flat_map(Interaction::entries)
        .any(|entry| entry.interaction.patches() && entry.interaction.resource().is_none_or(|kind| schemas.names(kind)))
}

/// Refuses a name that stands in a query and in the form beside it.
fn check_parted(raw: &[u8], form: &[u8]) -> Result<(), Misfit> {
    let names: Vec<_> = query::pairs(raw).flatten().map(|(name, _)| name).collect();
    let twice = query::pairs(form).flatten().find(|(name, _)| names.contains(name));
    let refuse = |_| Misfit::new(Rule::ParameterViolation, Violation::new(Place::Parameter, "", "max_count"));
    twice.map_or(Ok(()), |twice| Err(refuse(twice)))
}

fn check_parameters(described: Option<&Parameters>, raw: &[u8]) -> Result<(), Misfit> {
    let Some(described) = described else { return Ok(()) };
    described.check(raw).map_err(|found| match found {
        Some(found) => Misfit::new(Rule::ParameterViolation, found),
        None => Rule::MalformedQuery.into(),
    })
}

/// Whether a document has the shape that R4 gives it, and the ids of the paths that it is written to.
fn fits(shaped: &Shaped, judged: &Judged) -> Result<(), Violation> {
    if let Some(found) = &shaped.violation {
        return Err(found.clone());
    }
    let updated = |interaction: &Interaction| match interaction.act() {
        Act::Rest(InteractionKind::Update) => interaction.id().map(str::to_owned),
        _ => None,
    };
    let Some(interaction) = &judged.interaction else { return Ok(()) };
    if let Some(id) = updated(interaction) {
        shaped.check_id(&id)?;
    }
    for (index, entry) in interaction.entries().iter().enumerate() {
        if let Some(id) = updated(&entry.interaction) {
            shaped.check_entry_id(index, &id)?;
        }
    }
    Ok(())
}

/// Refuses a head by which another reader could find another request, or more than one: line ends and NUL in fields, and
/// a length that is said twice or in two ways (RFC 9112 section 6.3). Envoy refuses them too, unless it is told not to.
pub(super) fn check_framing(head: &Headers) -> Result<(), Reason> {
    let breaks = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    if head.iter().any(|(name, value)| breaks(name) || breaks(value)) {
        return Err(Rule::MalformedHeaders.into());
    }
    let [length, coding] = ["content-length", "transfer-encoding"].map(|name| head.single(name));
    match (length.map_err(|_| Rule::MalformedHeaders)?, coding.map_err(|_| Rule::MalformedHeaders)?) {
        (None, None) => Ok(()),
        (Some(length), None) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => Ok(()),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Rule::MalformedHeaders.into()),
    }
}

/// Checks what a request's head may not hold on any route: ranges and cookies beyond measure.
pub(super) fn check_bulk(head: &Headers, cookie_bytes: usize) -> Result<(), Reason> {
    for name in RANGES {
        let ranges: usize = head.all(name).map(|value| value.split(|byte| *byte == b',').count()).sum();
        if ranges > MAX_RANGES {
            return Err(Rule::TooManyRanges.into());
        }
    }
    let cookies: usize = head.all("cookie").map(<[u8]>::len).sum();
    if cookies > cookie_bytes {
        return Err(Rule::HeadersTooLarge.into());
    }
    Ok(())
}

impl Exchange {
    /// Checks what the head says, once the rules have allowed it as far as the head goes.
    pub(super) fn validate_head(&mut self, judged: &Judged, head: &Headers, end: bool) -> Result<(), Reason> {
        let checks = &judged.route.checks;
        let by_cookie = self.engine.providers().vouched_by_cookie(&judged.principal);
        let fits = checks.check_head(judged, head, by_cookie);
        told!(self, head_checks(judged, head, by_cookie, fits.as_ref().err()));
        self.refuse_misfit(fits)?;
        if end { self.validate_empty(judged) } else { Ok(()) }
    }

    /// Checks a request that has no body.
    pub(super) fn validate_empty(&mut self, judged: &Judged) -> Result<(), Reason> {
        let checks = &judged.route.checks;
        if checks.misses_body(&judged.method, judged.interaction.as_ref()) {
            told!(self, misses_body());
            return Err(Rule::BodyNotRead.into());
        }
        // A form without parameters misses those that it has to have.
        let writes = matches!(judged.method, Method::Post | Method::Put | Method::Patch);
        let is_form = writes
            && judged
                .interaction
                .as_ref()
                .is_none_or(|interaction| matches!(interaction.act(), Act::Rest(InteractionKind::Search)));
        let fits = if is_form { check_parameters(checks.form.as_ref(), &[]) } else { Ok(()) };
        told!(self, empty_checks(judged, fits.as_ref().err()));
        self.refuse_misfit(fits)
    }

    /// Checks a whole body, once the rules have allowed it.
    pub(super) fn validate_body(&mut self, judged: &Judged, body: &Body) -> Result<(), Reason> {
        let checked = judged.route.checks.check_body(judged, body);
        told!(self, body_checks(judged, body, &checked));
        let reported = self.refuse_misfit(checked)?;
        self.record.violation = reported.map(|found| found.to_string());
        Ok(())
    }

    /// Keeps what does not fit for the reply and the record.
    pub(super) fn refuse_misfit<T>(&mut self, checked: Result<T, Misfit>) -> Result<T, Reason> {
        checked.map_err(|Misfit { reason, violation }| {
            self.record.violation = violation.as_ref().map(Violation::to_string);
            self.violation = violation;
            reason
        })
    }
}
