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
    /// Its code in `http://hl7.org/fhir/restful-interaction`, or the method of what is no interaction of FHIR.
    pub(super) code: &'static str,
    /// C, R, U, D or E.
    pub(super) action: &'static str,
    /// The profile of a success, by the end of its name; empty where there is none.
    pub(super) profile: &'static str,
    pub(super) parts: &'static Parts,
    /// Whether it is a search, whose object is the query.
    pub(super) is_query: bool,
}

/// The parts that agents play.
pub(super) struct Parts {
    pub(super) client: Coding,
    pub(super) server: Coding,
    pub(super) user: Coding,
}

const AUTHOR: Coding = (PARTICIPATION, "AUT");
const RECIPIENT: Coding = (PARTICIPATION, "IRCP");

/// What a client sends goes from it to the server; what it reads the other way. A query is sent, says BALP.
const WRITES: &Parts = &Parts { client: (DCM, "110153"), server: (DCM, "110152"), user: AUTHOR };
const READS: &Parts = &Parts { client: (DCM, "110152"), server: (DCM, "110153"), user: RECIPIENT };
const ASKS: &Parts = &Parts { client: (DCM, "110153"), server: (DCM, "110152"), user: RECIPIENT };
const DELETES: &Parts = &Parts { client: (DCM, "110150"), server: (PARTICIPANT, "custodian"), user: AUTHOR };

const fn row(code: &'static str, action: &'static str, profile: &'static str, parts: &'static Parts) -> Pattern {
    Pattern { code, action, profile, parts, is_query: false }
}

const fn search(code: &'static str) -> Pattern {
    Pattern { code, action: "E", profile: "Query", parts: ASKS, is_query: true }
}

static PATTERNS: &[Pattern] = &[
    row("create", "C", "Create", WRITES),
    row("read", "R", "Read", READS),
    row("vread", "R", "Read", READS),
    row("update", "U", "Update", WRITES),
    row("patch", "U", "Update", WRITES),
    row("delete", "D", "Delete", DELETES),
    search("search"),
    search("search-type"),
    search("search-system"),
    row("history-instance", "R", "", READS),
    row("history-type", "R", "", READS),
    row("history-system", "R", "", READS),
    row("capabilities", "R", "", READS),
    row("batch", "E", "", WRITES),
    row("transaction", "E", "", WRITES),
    row("operation", "E", "", WRITES),
    row("GET", "R", "", READS),
    row("HEAD", "R", "", READS),
    row("OPTIONS", "R", "", READS),
    row("PUT", "U", "", WRITES),
    row("PATCH", "U", "", WRITES),
    row("DELETE", "D", "", DELETES),
];

/// What is said of anything else.
static OTHER: Pattern = row("", "E", "", WRITES);

/// What is said of an interaction, by its name in records, or of a request that is none, by its method.
pub(super) fn pattern(interaction: Option<&str>, method: Option<&str>, has_type: bool, has_id: bool) -> &'static Pattern {
    let code = match (interaction, has_type, has_id) {
        (Some("search"), true, _) => "search-type",
        (Some("search"), false, _) => "search-system",
        (Some("compartment-search"), ..) => "search",
        (Some("history"), _, true) => "history-instance",
        (Some("history"), true, false) => "history-type",
        (Some("history"), false, false) => "history-system",
        (Some(interaction), ..) => interaction,
        (None, ..) => method.unwrap_or_default(),
    };
    PATTERNS.iter().find(|pattern| pattern.code == code).unwrap_or(&OTHER)
}
