//! What IHE's Basic Audit Log Patterns (BALP, <https://profiles.ihe.net/ITI/BALP/>) say of each kind of interaction, as a
//! table: codes, the agents' parts, and the profile of a success.
//!
//! BALP has profiles for create, read, update, delete and query. Others get the codes of FHIR R4 in the same form, and
//! claim no profile.

/// The profiles' common beginning; `Patient` comes between where a patient is known.
pub(super) const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
pub(super) const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
pub(super) const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
pub(super) const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
pub(super) const REQUEST_ID: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";

/// A system and a code in it.
pub(super) type Coding = (&'static str, &'static str);

/// What is said of a kind of interaction.
pub(super) struct Pattern {
    /// Its code in `http://hl7.org/fhir/restful-interaction`; none for what is no interaction of FHIR.
    pub(super) subtype: Option<&'static str>,
    /// C, R, U, D or E.
    pub(super) action: &'static str,
    /// The profile of a success, by the end of its name.
    pub(super) profile: Option<&'static str>,
    pub(super) client: Coding,
    pub(super) server: Coding,
    pub(super) user: Coding,
    /// Whether it is a search, whose object is the query.
    pub(super) is_query: bool,
}

const SOURCE: Coding = (DCM, "110153");
const DESTINATION: Coding = (DCM, "110152");
const APPLICATION: Coding = (DCM, "110150");
const CUSTODIAN: Coding = (PARTICIPANT, "custodian");
const AUTHOR: Coding = (PARTICIPATION, "AUT");
const RECIPIENT: Coding = (PARTICIPATION, "IRCP");

/// What is said of an interaction, by its name in records, or of a request that is none, by its method.
pub(super) fn pattern(interaction: Option<&str>, method: Option<&str>, has_type: bool, has_id: bool) -> Pattern {
    // What a client sends goes from it to the server; what it reads the other way.
    let sent = Pattern {
        subtype: interaction.and_then(subtype),
        action: "E",
        profile: None,
        client: SOURCE,
        server: DESTINATION,
        user: AUTHOR,
        is_query: false,
    };
    let read = Pattern { action: "R", client: DESTINATION, server: SOURCE, user: RECIPIENT, subtype: sent.subtype, ..sent };
    let delete = Pattern { action: "D", client: APPLICATION, server: CUSTODIAN, ..sent };
    let of_search =
        |subtype| Pattern { subtype: Some(subtype), profile: Some("Query"), user: RECIPIENT, is_query: true, ..sent };
    match (interaction, method) {
        (Some("create"), _) => Pattern { action: "C", profile: Some("Create"), ..sent },
        (Some("update" | "patch"), _) => Pattern { action: "U", profile: Some("Update"), ..sent },
        (Some("delete"), _) => Pattern { profile: Some("Delete"), ..delete },
        (Some("read" | "vread"), _) => Pattern { profile: Some("Read"), ..read },
        (Some("search"), _) => of_search(if has_type { "search-type" } else { "search-system" }),
        (Some("compartment-search"), _) => of_search("search"),
        (Some("history"), _) => {
            let subtype = match (has_type, has_id) {
                (_, true) => "history-instance",
                (true, false) => "history-type",
                (false, false) => "history-system",
            };
            Pattern { subtype: Some(subtype), ..read }
        }
        (Some("capabilities"), _) | (None, Some("GET" | "HEAD" | "OPTIONS")) => read,
        (None, Some("DELETE")) => delete,
        (None, Some("PUT" | "PATCH")) => Pattern { action: "U", ..sent },
        (Some(_), _) | (None, _) => sent,
    }
}

/// The names in records are those of the code system, but for these.
fn subtype(interaction: &str) -> Option<&'static str> {
    const CODES: &[&str] =
        &["create", "read", "vread", "update", "patch", "delete", "capabilities", "batch", "transaction", "operation"];
    CODES.iter().find(|code| **code == interaction).copied()
}
