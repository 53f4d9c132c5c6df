//! The request's body: that it is what its content type says, within limits, and what in it the rules have to know.
//!
//! A body is read once, when it is whole, from Envoy's buffer. JSON is checked to the last byte; on `fhir` routes the
//! same pass finds what changes the meaning of the request ([`super::scan`]). A resource that says it is not all there must
//! not be written over the whole; a creation may be one: it takes nothing from anybody. A form adds its parameters to a
//! search. Bodies in parts have rules of their own ([`super::parts`]). Everything else is opaque and passes only if the
//! route lists its type.

use super::effect::Change;
use super::forward;
use super::reason::{Reason, Rule};
use super::route::Route;
use super::scan::{Scan, complete, overwrites_by_part};
use crate::fhir::{Awaits, Interaction, ResourceType};
use crate::http::multipart::Boundary;
use crate::http::{Headers, JsonLayout, MediaType, query};
use crate::inspect::{BodyInspection, Inspection, Target, Unjudged, judge_query};
use crate::json::{self, Event};
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
                let mut scan = Scan::new(interaction.patches());
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
            (Layout::JsonLines, mut interaction) => {
                if let Some(interaction) = &mut interaction {
                    interaction.note_operation_body(None, []);
                }
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
            (Layout::Opaque, Some(interaction)) => interaction.note_operation_body(None, []),
            (Layout::Opaque, None) => (),
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

/// Why JSON of a client's is refused.
pub(super) fn refusal(error: json::Error) -> Reason {
    use json::Error;
    match error {
        Error::Syntax | Error::Encoding | Error::Unfinished | Error::Trailing | Error::RepeatedKey => Rule::MalformedBody,
        Error::TooDeep | Error::TooManyKeys | Error::LongKey | Error::LongString | Error::LongNumber => Rule::JsonLimit,
    }
    .into()
}
