//! The request's body: that it is what its content type says, within limits, and what in it the rules have to know.
//!
//! A body is read once, when it is whole, from Envoy's buffer. JSON is checked to the last byte; on `fhir` routes the
//! same pass finds what changes the meaning of the request: a Bundle's type and the requests in it (FHIR R4 section
//! 3.1.0.11), references that are searches, and tags that say a resource is not all there ([`super::partial`]), which
//! must not be written over the whole. A creation may have them: it takes nothing from anybody. A form adds its parameters
//! to a search. Bodies in parts have rules of their own ([`super::parts`]). Everything else is opaque and passes only if the
//! route lists its type.

use super::effect::Change;
use super::forward;
use super::partial::Coding;
use super::reason::{Reason, Rule};
use super::route::Route;
use crate::fhir::{Act, Awaits, BundleKind, EntryRequest, Interaction, ResourceType};
use crate::http::multipart::Boundary;
use crate::http::{Headers, JsonLayout, MediaType, query};
use crate::inspect::{BodyInspection, Inspection, Target, Unjudged, judge_query};
use crate::json::{self, Event, Value};
use crate::validate::Shape;

/// What a body says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) layout: Layout,
    /// Whether its media type is one of FHIR's.
    pub(super) is_fhir: bool,
    /// Whether its media type says that it is a change to something (RFC 6902, RFC 7396).
    pub(super) is_patch: bool,
    /// Whether that is a document like the one it changes, with what it changes alone (RFC 7396).
    is_merge: bool,
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Json,
    JsonLines,
    Form,
    Parts(Boundary),
    Opaque,
}

/// What came of a check.
pub(super) struct Checked {
    /// Whether a resource that says it is not all there would be written over another.
    pub(super) overwrites_by_part: bool,
    /// Whether inspection could judge it.
    pub(super) inspected: Result<(), Unjudged>,
    /// The queries of references that are searches.
    pub(super) searches: Vec<Box<str>>,
    /// The entries of a Bundle, whatever becomes of it.
    pub(super) entries: usize,
}

impl Checked {
    /// Of what was inspected, and holds nothing that the rules have to know.
    pub(super) fn inspected(inspected: Result<(), Unjudged>) -> Self {
        Self { overwrites_by_part: false, inspected, searches: Vec::new(), entries: 0 }
    }
}

/// What in a FHIR body the rules have to know.
#[derive(Debug, Default)]
struct Findings {
    /// The `resourceType` of the root.
    resource_type: Option<String>,
    /// `Bundle.type`, where the body is a Bundle.
    bundle_type: Option<String>,
    /// `Bundle.entry.request` of each entry that has one.
    entries: Vec<Entry>,
    /// Whether a Bundle entry has no request of its own.
    has_bare_entries: bool,
    /// Each `reference` that is a search.
    conditional_references: Vec<String>,
    /// The names of the parameters, where the body is Parameters.
    parameters: Vec<String>,
    /// Whether a resource says that it is not all there.
    is_partial: bool,
}

/// An element of `Bundle.entry`: its `request`, and the type of its `resource`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    has_request: bool,
    method: String,
    url: String,
    if_none_exist: Option<String>,
    resource_type: Option<String>,
    /// Whether its resource, or one in it, says that it is not all there.
    is_partial: bool,
}

impl Content {
    /// How to read the body that a head announces.
    pub(super) fn of(head: &Headers, route: &Route) -> Result<Self, Reason> {
        let is_identity = |value: &[u8]| value.eq_ignore_ascii_case(b"identity");
        let value = head.single("content-type").ok().flatten().ok_or(Rule::UnsupportedMediaType)?;
        let media_type = MediaType::parse(value).map_err(|_| Rule::UnsupportedMediaType)?;
        let essence = media_type.essence();
        let has_parts = route.parts.is_some() && essence == "multipart/form-data";
        let is_listed = has_parts || route.limits.content_types.iter().any(|listed| listed == essence);
        if !is_listed || !head.all("content-encoding").all(is_identity) {
            return Err(Rule::UnsupportedMediaType.into());
        }
        let layout = match media_type.json() {
            Some(JsonLayout::Document) => Layout::Json,
            Some(JsonLayout::Lines) => Layout::JsonLines,
            None if media_type.is_form() => Layout::Form,
            // JSON in another charset must not pass as something that is not looked into.
            None if essence.ends_with("json") => return Err(Rule::UnsupportedMediaType.into()),
            None if has_parts => Layout::Parts(Boundary::of(&media_type).map_err(|_| Rule::MalformedMultipart)?),
            // Nor must another body in parts, each of which may be anything.
            None if essence.starts_with("multipart/") => return Err(Rule::UnsupportedMediaType.into()),
            None => Layout::Opaque,
        };
        let is_merge = essence == "application/merge-patch+json";
        let is_patch = essence.ends_with("patch+json");
        Ok(Self { layout, is_fhir: essence.starts_with("application/fhir+"), is_patch, is_merge })
    }

    /// A part of a body, which is like one that is no change to anything.
    pub(super) fn part(layout: Layout) -> Self {
        Self { layout, is_fhir: false, is_patch: false, is_merge: false }
    }

    /// The content type for who is sent the body, where it said the boundary in a way that some read otherwise.
    pub(super) fn restated(&self, head: &Headers) -> Option<Change> {
        let Layout::Parts(boundary) = &self.layout else { return None };
        let plain = boundary.content_type();
        (head.first("content-type") != Some(&plain)).then(|| Change::Set("content-type".into(), plain))
    }

    /// Checks the body, and completes the interaction with what it says. `path` is the request's. Strings are inspected
    /// as they are met, and `shape` reads along.
    // Once in the module, however many ask: it is large.
    #[inline(never)]
    pub(super) fn inspect(
        self,
        body: &[u8],
        limits: &json::Limits,
        interaction: Option<&mut Interaction>,
        path: &str,
        mut shape: Option<&mut Shape>,
        mut inspection: Option<&mut Inspection<'_>>,
    ) -> Result<Checked, Reason> {
        let mut checked = Checked::inspected(Ok(()));
        match (self.layout, interaction) {
            (Layout::Json, Some(interaction)) => {
                let mut scan = Scan::default();
                let visit = |event: Event<'_>| {
                    scan.visit(event);
                    if let Some(shape) = &mut shape {
                        shape.visit(event);
                    }
                };
                // A patch has the elements of what it changes.
                let root = interaction.resource().filter(|_| self.is_patch);
                let reads = (!self.is_patch || root.is_some()).then_some(root);
                checked.inspected = self.walk(body, limits, reads, inspection.as_deref_mut(), visit)?;
                complete(interaction, &scan.findings, path)?;
                checked.overwrites_by_part = overwrites_by_part(interaction, &scan.findings);
                checked.entries = scan.findings.entries.len();
                let query = |reference: &String| reference.split_once('?').map(|(_, query)| query.into());
                checked.searches = scan.findings.conditional_references.iter().filter_map(query).collect();
                if let Some(inspection) = inspection {
                    let of_entries = interaction.entries().iter().flat_map(|entry| &entry.searches);
                    let searches = checked.searches.iter().chain(of_entries);
                    let judged = judge_searches(inspection, searches);
                    checked.inspected = checked.inspected.and(judged);
                }
            }
            (Layout::Json, None) => checked.inspected = self.walk(body, limits, None, inspection, look_at_nothing)?,
            (Layout::JsonLines, Some(interaction)) if interaction.body_type().is_some() => {
                return Err(Rule::UnsupportedMediaType.into());
            }
            (Layout::JsonLines, interaction) => {
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                let reads = interaction.filter(|_| !self.is_patch).map(|_| None);
                for line in lines {
                    let inspection = inspection.as_deref_mut();
                    let inspected = self.walk(line, limits, reads, inspection, look_at_nothing)?;
                    checked.inspected = checked.inspected.and(inspected);
                }
            }
            // Only a search has a form for a body. A resource sent as one would not be looked into.
            (Layout::Form, Some(interaction)) if interaction.awaits() != Awaits::Form => {
                return Err(Rule::UnsupportedMediaType.into());
            }
            (Layout::Form, interaction) => {
                forward::refuse_method_parameter(std::str::from_utf8(body).unwrap_or_default())?;
                match interaction {
                    Some(interaction) => interaction.read_form(body)?,
                    None if query::pairs(body).any(|pair| pair.is_err()) => return Err(Rule::MalformedQuery.into()),
                    None => (),
                }
                if let Some(inspection) = inspection {
                    checked.inspected = judge_query(inspection, body, Target::FormName, Target::Form);
                }
            }
            // What each may be stands with the route (`super::parts`).
            (Layout::Parts(_), _) => return Err(Rule::UnsupportedMediaType.into()),
            (Layout::Opaque, _) => (),
        }
        Ok(checked)
    }

    /// Checks one JSON text and shows it to `visit`, and to inspection where there is one, which reads it as FHIR where that
    /// is said, and as of a type that it need not name.
    fn walk(
        self,
        text: &[u8],
        limits: &json::Limits,
        reads: Option<Option<ResourceType>>,
        inspection: Option<&mut Inspection<'_>>,
        mut visit: impl FnMut(Event<'_>),
    ) -> Result<Result<(), Unjudged>, Reason> {
        let Some(inspection) = inspection else {
            return json::walk(text, limits, visit).map(|()| Ok(())).map_err(refusal);
        };
        let mut inspected = BodyInspection::new(inspection, reads.is_some());
        let root = reads.flatten();
        inspected = if self.is_patch && !self.is_merge { inspected.patching(root) } else { inspected.of(root) };
        let both = |event: Event<'_>| {
            visit(event);
            inspected.visit(event);
        };
        json::walk(text, limits, both).map_err(refusal)?;
        if inspected.again() {
            walk_again(text, limits, &mut inspected).map_err(refusal)?;
        }
        Ok(inspected.finish().map_err(Unjudged::from))
    }
}

/// Judges searches that a body asks for: what is encoded in them is encoded twice, in JSON and as in a query.
fn judge_searches<'q>(
    inspection: &mut Inspection<'_>,
    mut searches: impl Iterator<Item = &'q Box<str>>,
) -> Result<(), Unjudged> {
    searches.try_for_each(|search| judge_query(inspection, search.as_bytes(), Target::QueryName, Target::Query))
}

/// Has inspection look at a text that was checked. It is seldom asked, so once in the module.
#[inline(never)]
fn walk_again(text: &[u8], limits: &json::Limits, inspected: &mut BodyInspection<'_, '_>) -> Result<(), json::Error> {
    json::walk(text, limits, |event| inspected.visit(event))
}

/// Looks at nothing. One function for all, so that the walk with it is once in the module.
fn look_at_nothing(_: Event<'_>) {}

/// Whether a resource that says it is not all there would be written over another.
fn overwrites_by_part(interaction: &Interaction, findings: &Findings) -> bool {
    let mut entries = findings.entries.iter().zip(interaction.entries());
    let in_entry = entries.any(|(found, entry)| found.is_partial && entry.interaction.overwrites());
    in_entry || (findings.is_partial && interaction.overwrites())
}

/// Adds to an interaction what the body says of it.
fn complete(interaction: &mut Interaction, findings: &Findings, path: &str) -> Result<(), Reason> {
    findings.conditional_references.iter().for_each(|reference| interaction.note_conditional_reference(reference));
    if matches!(interaction.act(), Act::Operation(_)) {
        findings.parameters.iter().for_each(|name| interaction.note_parameter(name));
    }
    let expected = interaction.body_type().map(ResourceType::name);
    if expected.is_some() && findings.resource_type.as_deref() != expected {
        return Err(Rule::MalformedBody.into());
    }
    if interaction.awaits() != Awaits::Bundle {
        return Ok(());
    }
    let kind = findings.bundle_type.as_deref().and_then(BundleKind::parse).ok_or(Rule::MalformedBody)?;
    if findings.has_bare_entries {
        return Err(Rule::MalformedBody.into());
    }
    let requests = findings.entries.iter().map(|entry| {
        let Entry { has_request: _, method, url, if_none_exist, resource_type, is_partial: _ } = entry;
        let (if_none_exist, resource_type) = (if_none_exist.as_deref(), resource_type.as_deref());
        EntryRequest { method, url, if_none_exist, resource_type }
    });
    Ok(interaction.read_bundle(kind, path, requests)?)
}

/// Why JSON of a client's is refused.
pub(super) fn refusal(error: json::Error) -> Reason {
    use json::Error;
    match error {
        Error::Syntax | Error::Encoding | Error::Unfinished | Error::Trailing | Error::RepeatedKey => Rule::MalformedBody,
        Error::TooDeep | Error::TooManyKeys | Error::LongKey | Error::LongString | Error::LongNumber => Rule::JsonLimit,
    }
    .into()
}

/// Reads the events of a FHIR body.
#[derive(Default)]
struct Scan {
    findings: Findings,
    /// The keys of the open containers; `None` for an element of an array.
    path: Vec<Option<Box<str>>>,
    entry: Entry,
    coding: Coding,
}

impl Scan {
    fn visit(&mut self, event: Event<'_>) {
        match event.value {
            Value::Object | Value::Array => {
                self.path.push(event.key.map(Box::from));
                if self.is_at(&["entry", "*"]) {
                    self.entry = Entry::default();
                } else if self.is_at(&["entry", "*", "request"]) {
                    self.entry.has_request = true;
                } else if Coding::is_at(&self.path) {
                    self.coding = Coding::default();
                }
            }
            Value::End => {
                if self.is_at(&["entry", "*"]) {
                    let entry = std::mem::take(&mut self.entry);
                    self.findings.has_bare_entries |= !entry.has_request;
                    self.findings.entries.push(entry);
                } else if Coding::is_at(&self.path) && std::mem::take(&mut self.coding).says_partial() {
                    self.findings.is_partial = true;
                    self.entry.is_partial = true;
                }
                self.path.pop();
            }
            Value::String(text) => self.string(event.key, text),
            Value::Number(_) | Value::Bool(_) | Value::Null => (),
        }
    }

    fn string(&mut self, key: Option<&str>, text: &str) {
        let Some(key) = key else { return };
        let is_reference = key == "reference" || key.ends_with("Reference");
        if is_reference && text.contains('?') {
            self.findings.conditional_references.push(text.to_owned());
        }
        if Coding::is_at(&self.path) {
            self.coding.read(key, text);
        }
        match key {
            "type" if self.path.len() == 1 => self.findings.bundle_type = Some(text.to_owned()),
            "resourceType" if self.path.len() == 1 => self.findings.resource_type = Some(text.to_owned()),
            "resourceType" if self.is_at(&["entry", "*", "resource"]) => self.entry.resource_type = Some(text.to_owned()),
            "name" if self.is_at(&["parameter", "*"]) => self.findings.parameters.push(text.to_owned()),
            "method" if self.is_at(&["entry", "*", "request"]) => text.clone_into(&mut self.entry.method),
            "url" if self.is_at(&["entry", "*", "request"]) => text.clone_into(&mut self.entry.url),
            "ifNoneExist" if self.is_at(&["entry", "*", "request"]) => self.entry.if_none_exist = Some(text.to_owned()),
            _ => (),
        }
    }

    /// Whether the innermost open container stands at this place below the root.
    fn is_at(&self, place: &[&str]) -> bool {
        let steps = self.path.get(1..).unwrap_or_default();
        steps.len() == place.len()
            && steps.iter().zip(place).all(|(step, wanted)| match step {
                Some(key) => &**key == *wanted,
                None => *wanted == "*",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Findings {
        let mut scan = Scan::default();
        json::walk(body.as_bytes(), &json::Limits::default(), |event| scan.visit(event)).unwrap();
        scan.findings
    }

    #[test]
    fn the_requests_of_a_transaction_are_found_whatever_the_order() {
        let found = scan(
            r#"{"entry": [
                {"request": {"url": "Patient/1", "method": "DELETE"}},
                {"resource": {"resourceType": "Patient", "request": {"method": "GET"}}},
                {"request": {"ifNoneExist": "identifier=x", "method": "POST", "url": "Patient"}}],
                "type": "transaction", "resourceType": "Bundle"}"#,
        );
        assert_eq!(found.bundle_type.as_deref(), Some("transaction"));
        let [first, bare, last] = found.entries.as_slice() else { panic!("three entries") };
        assert_eq!((first.method.as_str(), first.url.as_str()), ("DELETE", "Patient/1"));
        assert_eq!((bare.has_request, bare.resource_type.as_deref()), (false, Some("Patient")));
        assert!(last.if_none_exist.is_some() && found.has_bare_entries);
    }

    #[test]
    fn a_tag_that_says_partial_is_found_wherever_a_resource_may_stand() {
        let coding = r#"{"code": "REDACTED", "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"}"#;
        let bare = r#"{"system": null, "extension": [{"code": "x", "system": "urn:x"}], "code": "SUBSETTED"}"#;
        let escaped = r#"{"\u0063ode": "M\u0041SKED"}"#;
        for tag in [coding, bare, escaped] {
            for (body, in_entry) in [
                (format!(r#"{{"meta": {{"security": [{{"code": "R"}}, {tag}]}}}}"#), false),
                (format!(r#"{{"meta": {{"tag": [{tag}, {{"code": "R"}}]}}}}"#), false),
                (format!(r#"{{"meta": {{"security": {tag}}}}}"#), false),
                (format!(r#"{{"m\u0065ta": {{"tag": [{tag}]}}}}"#), false),
                (format!(r#"{{"contained": [{{"meta": {{"security": [{tag}]}}}}]}}"#), false),
                (format!(r#"{{"entry": [{{"resource": {{"meta": {{"security": [{tag}]}}}}}}]}}"#), true),
                (format!(r#"{{"entry": [{{"resource": {{"contained": [{{"meta": {{"tag": [{tag}]}}}}]}}}}]}}"#), true),
            ] {
                let found = scan(&body);
                let entry = found.entries.first().is_some_and(|entry| entry.is_partial);
                assert_eq!((found.is_partial, entry), (true, in_entry), "{body}");
            }
            for body in [
                format!(r#"{{"security": [{tag}]}}"#),
                format!(r#"{{"meta": {{"profile": [{tag}]}}}}"#),
                format!(r#"{{"meta": {{"security": [{{"extension": [{tag}], "code": "R"}}]}}}}"#),
            ] {
                assert!(!scan(&body).is_partial, "{body}");
            }
        }
        for other in [
            r#"{"code": "REDACTED", "system": "urn:other"}"#,
            r#"{"code": "redacted"}"#,
            r#"{"code": "R"}"#,
            r#"{"display": "REDACTED"}"#,
            r#"{"code": ["REDACTED"]}"#,
            "{}",
        ] {
            assert!(!scan(&format!(r#"{{"meta": {{"security": [{other}]}}}}"#)).is_partial, "{other}");
        }
        // What one coding says is not another's.
        assert!(!scan(r#"{"meta": {"tag": [{"code": "MASKED", "system": "urn:x"}, {"display": "x"}]}}"#).is_partial);
        let second = r#"{"entry": [{"resource": {}}, {"resource": {"meta": {"tag": [{"code": "MASKED"}]}}}]}"#;
        let entries: Vec<bool> = scan(second).entries.iter().map(|entry| entry.is_partial).collect();
        assert_eq!(entries, [false, true]);
    }

    #[test]
    fn a_reference_that_is_a_search_is_found_at_any_depth() {
        let found = |body| scan(body).conditional_references;
        assert_eq!(found(r#"{"a": [{"reference": "Patient?identifier=1"}]}"#), ["Patient?identifier=1"]);
        assert!(found(r#"{"a": [{"reference": "Patient/1", "text": "why?"}]}"#).is_empty());
    }
}
