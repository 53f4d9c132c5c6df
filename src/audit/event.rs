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
//! Whatever a client wrote is escaped and cut to `MAX_TEXT`, a query to [`MAX_QUERY`]: an event is never longer than
//! [`bound`] says.

mod agents;
mod entities;
mod instant;
mod json;
mod particulars;
mod reference;

use std::rc::Rc;

use instant::instant;
use json::Json;
pub use particulars::{Named, Particulars};
pub(crate) use reference::own_reference;

use super::{Decision, Record, balp};

/// The most bytes of a search that are told.
pub const MAX_QUERY: usize = 16 << 10;

/// The longest text of a client's, in bytes: a `sub` has at most 255 (OpenID Connect Core section 2).
const MAX_TEXT: usize = 256;

/// The most roles that are told.
const MAX_ROLES: usize = 8;

/// The longest of them, in bytes.
const MAX_ROLE: usize = 64;

/// What an event takes beside its query.
const REST: usize = 8 << 10;

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
    let patient = told.patient(*resource_type);
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
    out.entities(record, told, patient, is_query);
    out.raw("}");
    out.0.into_bytes()
}

impl Json {
    /// Who tells, and where.
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
}
