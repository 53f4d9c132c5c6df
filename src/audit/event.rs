//! A FHIR R4 AuditEvent of an exchange, as IHE BALP has it.
//!
//! - What was let through is of type `rest`; it claims BALP's profile where it went well, the profile is about such an
//!   interaction, and all that the profile demands is known. What the upstream refused has outcome 4 or 8 and claims none.
//! - What we refused is DICOM's "Security Alert" (110113) with outcome 8 and the reason code, a fixed word. So is an answer
//!   that was withheld, whatever the upstream had done by then. In shadow mode nothing is refused, and it is told so.
//!
//! An event tells in clear who asked for what: the user as the issuer names them, the patient and the resource by their
//! ids, the text of a search. It tells no more: no body, no header, no credential, no path of what is not FHIR, no query
//! but a search's. The patient is the one that the request names; where it names none, the one that the token is for.
//! Where it names several there is none. A batch or a transaction is one event, that does not name its entries.
//!
//! Whatever a client wrote is escaped and cut to [`MAX_TEXT`], a query to [`MAX_QUERY`]: an event is never longer than
//! [`bound`] says.

use std::fmt::Write;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::balp::{self, Coding};
use super::{Decision, Record};
use crate::http::query::pairs;

/// The longest text of a client's, in bytes: a `sub` has at most 255 (OpenID Connect Core section 2).
const MAX_TEXT: usize = 256;

/// The most bytes of a search that are told.
pub const MAX_QUERY: usize = 16 << 10;

/// The most roles that are told.
const MAX_ROLES: usize = 8;

/// The longest of them, in bytes.
const MAX_ROLE: usize = 64;

/// What an event takes beside its query.
const REST: usize = 8 << 10;

/// What an event tells beside its record.
#[derive(Default)]
pub struct Particulars {
    /// The client's address.
    pub source: Option<IpAddr>,
    /// The host that was asked.
    pub host: Option<Box<str>>,
    /// The user, as the issuer names them.
    pub subject: Option<Rc<str>>,
    /// The issuer that does.
    pub issuer: Option<Box<str>>,
    /// The client application.
    pub client: Option<Rc<str>>,
    /// The token's `jti`.
    pub token_id: Option<Box<str>>,
    /// The roles conferred.
    pub roles: Vec<Rc<str>>,
    /// The patient that the token is for, by id.
    pub launch_patient: Option<Box<str>>,
    /// The id that the path names.
    pub id: Option<Box<str>>,
    /// The version that it names.
    pub version: Option<Box<str>>,
    /// The operation.
    pub operation: Option<Box<str>>,
    /// The patient whose compartment is searched.
    pub compartment_patient: Option<Box<str>>,
    /// A search, as it was asked: its first line, and its form. At most a byte more than [`MAX_QUERY`].
    pub query: Vec<u8>,
    /// Whom it names.
    pub named: Named,
    /// Where the upstream put what was created: `Type/id`, perhaps with its version.
    pub location: Option<Box<str>>,
}

/// Who tells.
#[derive(Debug)]
pub struct Teller {
    /// A name.
    pub name: Rc<str>,
    /// A name of the place.
    pub site: Option<Rc<str>>,
}

/// The most bytes of the event of a request with a path and query of this length, which may bring a form.
#[must_use]
pub fn bound(path: usize, may_bring_form: bool) -> usize {
    let query = if may_bring_form { MAX_QUERY } else { path.saturating_add(512).min(MAX_QUERY) };
    REST.saturating_add(query.div_ceil(3).saturating_mul(4))
}

/// The id in a reference to a patient, as a client or the upstream wrote it.
pub(crate) fn patient_id(reference: &str) -> Option<&str> {
    let id = match reference.rsplit_once('/') {
        Some((before, id)) if before == "Patient" || before.ends_with("/Patient") => id,
        Some(_) => return None,
        None => reference,
    };
    is_id(id).then_some(id)
}

/// `Type/id`, or `Type/id/_history/version`, out of the address of a resource of this type.
pub(crate) fn own_reference<'l>(location: &'l str, kind: &str) -> Option<&'l str> {
    let (resource, version) =
        location.rsplit_once("/_history/").map_or((location, None), |(r, version)| (r, Some(version)));
    let (before, id) = resource.rsplit_once('/')?;
    let at = before.len().checked_sub(kind.len())?;
    let is_own = before.get(at..) == Some(kind) && (at == 0 || before.get(..at)?.ends_with('/'));
    if is_own && is_id(id) && version.is_none_or(is_id) { location.get(at..) } else { None }
}

/// <http://hl7.org/fhir/R4/datatypes.html#id>
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// Writes the event of an exchange that has ended.
#[must_use]
pub fn write(record: &Record, told: &Particulars, teller: &Teller) -> Vec<u8> {
    let Record { interaction, method, resource_type, .. } = record;
    let pattern = balp::pattern(*interaction, *method, resource_type.is_some(), told.id.is_some());
    let is_unfinished = record.reason == "unfinished";
    let is_refused = record.decision == Decision::Deny && !record.shadow && !is_unfinished;
    let is_let_through = !is_refused && !is_unfinished;
    let outcome = match record.status {
        _ if is_refused => "8",
        Some(200..=399) if is_let_through => "0",
        Some(500..) => "8",
        _ => "4",
    };
    let is_query = pattern.is_query && is_let_through && !told.query.is_empty();
    let patient = patient(told, *resource_type);
    let is_known = told.source.is_some() && told.host.is_some();
    let went_well = matches!(record.status, Some(200..=299 | 304)) && is_let_through;
    let fits = is_known && went_well && is_query == pattern.is_query && told.query.len() <= MAX_QUERY;

    let mut out = Json(String::with_capacity(2048));
    out.raw("{\"resourceType\":\"AuditEvent\"");
    if fits && !pattern.profile.is_empty() {
        let profile = pattern.profile;
        let of_patient = if patient.is_some() { "Patient" } else { "" };
        out.all(&[",\"meta\":{\"profile\":[\"", balp::PROFILE, of_patient, profile, "\"]}"]);
    }
    out.raw(",\"type\":");
    out.coding(if is_refused {
        (balp::DCM, "110113")
    } else {
        ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
    });
    if interaction.is_some() && !pattern.code.is_empty() {
        let code = pattern.code;
        out.raw(",\"subtype\":[");
        out.coding(("http://hl7.org/fhir/restful-interaction", code));
        out.0.push(']');
    }
    let ended = record.time.saturating_add(record.latency_ms);
    let recorded = instant(ended);
    out.all(&[",\"action\":\"", pattern.action, "\",\"recorded\":\"", &recorded, "\",\"outcome\":\"", outcome, "\""]);
    if is_refused || is_unfinished {
        out.text(",\"outcomeDesc\":", record.reason);
    }
    out.agents(told, pattern.parts);
    out.source(teller);
    out.raw(",\"entity\":[");
    if let Some(id) = &record.request_id {
        out.all(&["{\"what\":{\"identifier\":{\"value\":\"", id, "\"}},\"type\":"]);
        out.coding((balp::REQUEST_ID, "XrequestId"));
        out.raw("},");
    }
    if let Some(patient) = patient {
        out.raw("{\"what\":");
        out.reference("Patient", Some(patient), None);
        out.entity_kind("1", "1");
        out.raw("},");
    }
    if is_query {
        let cut = told.query.len() > MAX_QUERY;
        let query = told.query.get(..MAX_QUERY).unwrap_or(&told.query);
        out.raw("{\"query\":\"");
        STANDARD.encode_string(query, &mut out.0);
        out.raw(if cut { "\",\"description\":\"the query was cut\"" } else { "\"" });
        out.entity_kind("2", "24");
    } else {
        out.object(told, record);
        out.entity_kind("2", "4");
    }
    out.raw("}]}");
    out.0.into_bytes()
}

/// The patient that a request is about, by id.
fn patient<'t>(told: &'t Particulars, resource_type: Option<&str>) -> Option<&'t str> {
    let is_patient = resource_type == Some("Patient");
    if let Some(id) = told.id.as_deref().filter(|_| is_patient).or(told.compartment_patient.as_deref()) {
        return Some(id);
    }
    // A patient that has just been created.
    let created = told.location.as_deref().filter(|_| is_patient).and_then(|location| location.split('/').nth(1));
    if created.is_some() {
        return created;
    }
    match &told.named {
        Named::One(id) => Some(id),
        Named::Unclear => None,
        Named::Nobody => told.launch_patient.as_deref().and_then(patient_id),
    }
}

/// The patient that a search names.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// None.
    #[default]
    Nobody,
    /// One, by this id.
    One(Box<str>),
    /// Several, or somebody who cannot be told.
    Unclear,
}

impl Particulars {
    /// Notes a search: its first line, or its form.
    pub(crate) fn note_search(&mut self, text: &[u8], parameters: &[u8], is_patient: bool) {
        if !self.query.is_empty() {
            self.query.extend_from_slice(b"\n\n");
        }
        // One byte more shows that it was cut.
        let room = (MAX_QUERY + 1).saturating_sub(self.query.len());
        self.query.extend_from_slice(text.get(..room).unwrap_or(text));
        for pair in pairs(parameters) {
            let Ok((name, value)) = pair else {
                self.named = Named::Unclear;
                return;
            };
            let is_about_one = match &*name {
                "patient" | "patient:Patient" | "subject:Patient" => true,
                // Of a bare id nobody knows the type.
                "subject" => value.contains("Patient/"),
                "_id" => is_patient,
                _ => false,
            };
            if !is_about_one {
                continue;
            }
            self.named = match (patient_id(&value), &self.named) {
                (Some(id), Named::Nobody) => Named::One(id.into()),
                (Some(id), Named::One(before)) if *id == **before => continue,
                _ => Named::Unclear,
            };
        }
    }
}

/// A text that grows. What writes to it is no more code than it has to be: it stands in the module for Envoy.
struct Json(String);

impl Json {
    #[inline(never)]
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Texts one behind the other.
    #[inline(never)]
    fn all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.0.push_str(text));
    }

    #[inline(never)]
    fn coding(&mut self, (system, code): Coding) {
        self.all(&["{\"system\":\"", system, "\",\"code\":\"", code, "\"}"]);
    }

    /// A text as JSON, cut and without what a string of FHIR cannot hold; nothing where it is empty.
    #[inline(never)]
    fn text(&mut self, before: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.raw(before);
        self.0.push('"');
        for char in cut(text, MAX_TEXT).chars() {
            match char {
                '"' | '\\' => self.0.extend(['\\', char]),
                // Neither a string nor a line of a log may hold them.
                _ if char.is_control() => self.0.push('\u{fffd}'),
                _ => self.0.push(char),
            }
        }
        self.0.push('"');
    }

    fn agents(&mut self, told: &Particulars, parts: &balp::Parts) {
        // An identifier's system and a policy are URIs.
        let token = uri(told.token_id.as_deref());
        let subject = told.subject.as_deref().filter(|subject| !subject.is_empty());
        self.raw(",\"agent\":[{\"type\":");
        self.type_of_agent(parts.client);
        match told.client.as_deref().filter(|client| !client.is_empty()) {
            Some(client) => {
                self.text(",\"who\":{\"identifier\":{\"value\":", client);
                self.raw("}}");
            }
            None => self.raw(",\"who\":{\"display\":\"unknown\"}"),
        }
        self.raw(if subject.is_some() { ",\"requestor\":false" } else { ",\"requestor\":true" });
        if subject.is_none() {
            self.policy(token);
        }
        if let Some(source) = told.source {
            self.all(&[",\"network\":{\"address\":\"", &address(source), "\",\"type\":\"2\"}"]);
        }
        self.raw("},{\"type\":");
        self.type_of_agent(parts.server);
        match told.host.as_deref().filter(|host| !host.is_empty()) {
            Some(host) => {
                self.text(",\"who\":{\"display\":", host);
                self.0.push('}');
                self.text(",\"requestor\":false,\"network\":{\"address\":", host);
                self.raw(",\"type\":\"1\"}}");
            }
            None => self.raw(",\"who\":{\"display\":\"unknown\"},\"requestor\":false}"),
        }
        if let Some(subject) = subject {
            self.raw(",{\"type\":");
            self.type_of_agent(parts.user);
            let roles = told.roles.iter().filter(|role| !role.is_empty()).take(MAX_ROLES);
            for (index, role) in roles.clone().enumerate() {
                self.text(if index == 0 { ",\"role\":[{\"text\":" } else { "},{\"text\":" }, cut(role, MAX_ROLE));
            }
            self.raw(if roles.count() > 0 { "}]" } else { "" });
            self.raw(",\"who\":{\"identifier\":{");
            if let Some(issuer) = uri(told.issuer.as_deref()) {
                self.text("\"system\":", issuer);
                self.raw(",");
            }
            self.text("\"value\":", subject);
            self.raw("}},\"requestor\":true");
            self.policy(token);
            self.0.push('}');
        }
        self.0.push(']');
    }

    #[inline(never)]
    fn type_of_agent(&mut self, coding: Coding) {
        self.raw("{\"coding\":[");
        self.coding(coding);
        self.raw("]}");
    }

    #[inline(never)]
    fn policy(&mut self, token: Option<&str>) {
        if let Some(token) = token {
            self.text(",\"policy\":[", &format!("urn:ietf:params:oauth:jti:{token}"));
            self.0.push(']');
        }
    }

    fn source(&mut self, teller: &Teller) {
        self.raw(",\"source\":{");
        if let Some(site) = teller.site.as_deref().filter(|site| !site.is_empty()) {
            self.text("\"site\":", site);
            self.0.push(',');
        }
        self.text("\"observer\":{\"display\":", &teller.name);
        self.raw("},\"type\":[");
        self.coding(("http://terminology.hl7.org/CodeSystem/security-source-type", "6"));
        self.raw("]}");
    }

    /// What is read or written.
    fn object(&mut self, told: &Particulars, record: &Record) {
        let Record { interaction, resource_type, route, .. } = record;
        self.0.push('{');
        match (interaction, resource_type) {
            (_, Some(kind)) => {
                self.raw("\"what\":");
                match (&told.id, &told.location) {
                    (None, Some(location)) => {
                        self.all(&["{\"reference\":\"", location, "\"}"]);
                    }
                    (id, _) => self.reference(kind, id.as_deref(), told.version.as_deref()),
                }
            }
            (Some("batch" | "transaction" | "bundle"), None) => {
                self.raw("\"what\":");
                self.reference("Bundle", None, None);
            }
            _ => (),
        }
        let name = told.operation.as_deref().or(if interaction.is_some() { None } else { route.as_deref() });
        if let Some(name) = name {
            let before = if self.0.ends_with('{') { "\"name\":" } else { ",\"name\":" };
            self.text(before, name);
        }
    }

    #[inline(never)]
    fn reference(&mut self, kind: &str, id: Option<&str>, version: Option<&str>) {
        match (id, version) {
            (Some(id), Some(version)) => {
                self.all(&["{\"reference\":\"", kind, "/", id, "/_history/", version, "\"}"]);
            }
            (Some(id), None) => self.all(&["{\"reference\":\"", kind, "/", id, "\"}"]),
            (None, _) => self.all(&["{\"type\":\"", kind, "\"}"]),
        }
    }

    #[inline(never)]
    fn entity_kind(&mut self, kind: &'static str, role: &'static str) {
        self.raw(if self.0.ends_with('{') { "\"type\":" } else { ",\"type\":" });
        self.coding((balp::ENTITY_TYPE, kind));
        self.raw(",\"role\":");
        self.coding((balp::OBJECT_ROLE, role));
    }
}

/// An address as text, its zeros all written.
fn address(source: IpAddr) -> String {
    let mut text = String::new();
    let _ = match source {
        IpAddr::V4(source) => source
            .octets()
            .iter()
            .enumerate()
            .try_for_each(|(index, byte)| write!(text, "{}{byte}", if index > 0 { "." } else { "" })),
        IpAddr::V6(source) => source
            .segments()
            .iter()
            .enumerate()
            .try_for_each(|(index, segment)| write!(text, "{}{segment:x}", if index > 0 { ":" } else { "" })),
    };
    text
}

/// A text that can be a URI.
fn uri(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// No more than so many bytes of a text.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Milliseconds since 1970 as an `instant` of FHIR.
fn instant(milliseconds: u64) -> String {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The year from March on, in eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = day.saturating_add(719_468);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(u64::from(month <= 2));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}
