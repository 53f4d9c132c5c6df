//! Events against the profiles that they claim. What the profiles demand was taken down from `input/fsh/Patient*.fsh` of
//! IHE/ITI.BasicAudit at 09fe729 (BALP 1.1.5, CC-BY-4.0).

use serde_json::Value;

use crate::support::cases;

const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// A profile: its name, subtypes, action, the codes of client, server and user.
type Row =
    (&'static str, &'static [&'static str], &'static str, [(&'static str, &'static str); 2], &'static [&'static str]);

const ROWS: &[Row] = &[
    ("Create", &["create"], "C", [(DCM, "110153"), (DCM, "110152")], &["AUT", "INF", "CST"]),
    ("Read", &["read", "vread"], "R", [(DCM, "110152"), (DCM, "110153")], &["IRCP"]),
    ("Update", &["update", "patch"], "U", [(DCM, "110153"), (DCM, "110152")], &["AUT", "INF", "CST"]),
    (
        "Delete",
        &["delete"],
        "D",
        [(DCM, "110150"), ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")],
        &["AUT", "INF", "CST"],
    ),
    ("Query", &["search", "search-type", "search-system"], "E", [(DCM, "110153"), (DCM, "110152")], &["IRCP"]),
];

/// The members of a list whose coding under `key` is this one.
fn coded<'v>(list: &'v Value, pointer: &str, system: &str, codes: &[&str]) -> Vec<&'v Value> {
    let is_one = |item: &&Value| {
        let coding = item.pointer(pointer).unwrap_or(&Value::Null);
        coding["system"] == system && coding["code"].as_str().is_some_and(|code| codes.contains(&code))
    };
    list.as_array().expect("a list").iter().filter(is_one).collect()
}

/// Breaks of the profile that an event claims.
fn breaks(event: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let (of_patient, name) = name.strip_prefix("Patient").map_or((false, name), |name| (true, name));
    let Some((_, subtypes, action, [client, server], users)) = ROWS.iter().find(|row| row.0 == name) else {
        return vec![format!("no profile is named {name}")];
    };
    check(event["type"]["system"] == "http://terminology.hl7.org/CodeSystem/audit-event-type", "type");
    check(event["type"]["code"] == "rest", "type");
    check(coded(&event["subtype"], "", "http://hl7.org/fhir/restful-interaction", subtypes).len() == 1, "subtype");
    check(event["action"] == *action, "action");
    check(event["recorded"].is_string(), "recorded");
    check(event["outcome"] == "0", "outcome");
    for (what, (system, code)) in [("client", client), ("server", server)] {
        let agents = coded(&event["agent"], "/type/coding/0", system, &[code]);
        check(agents.len() == 1, what);
        for agent in agents {
            check(agent["who"].is_object() && agent["network"].is_object() && agent["media"].is_null(), what);
        }
    }
    let people = coded(&event["agent"], "/type/coding/0", PARTICIPATION, users);
    check(people.len() <= 1, "user");
    for user in people {
        check(user["who"].is_object() && user["requestor"] == true, "user");
        check(user["media"].is_null() && user["network"].is_null(), "user");
    }
    let entities = &event["entity"];
    let system = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
    let transactions = coded(entities, "/type", system, &["XrequestId"]);
    check(transactions.len() <= 1, "transaction");
    check(transactions.iter().all(|entity| entity["what"]["identifier"]["value"].is_string()), "transaction");
    let objects = coded(entities, "/type", ENTITY, &["2"]);
    check(objects.len() == 1, "data");
    for object in objects {
        check(object["role"]["system"] == ROLE, "role");
        if name == "Query" {
            check(object["role"]["code"] == "24" && object["query"].is_string(), "query");
            check(["what", "lifecycle", "detail"].iter().all(|key| object[key].is_null()), "query");
        } else {
            check(["4", "3", "20"].iter().any(|code| object["role"]["code"] == *code), "role of data");
            check(object["what"].is_object(), "what");
        }
    }
    let patients = coded(entities, "/type", ENTITY, &["1"]);
    check(patients.len() == usize::from(of_patient), "patient");
    for patient in patients {
        check(patient["role"]["system"] == ROLE && patient["role"]["code"] == "1", "role of patient");
        check(patient["what"]["reference"].as_str().is_some_and(|what| what.starts_with("Patient/")), "patient");
    }
    found
}

#[test]
fn events_are_what_the_profiles_that_they_claim_demand() {
    let mut claimed = std::collections::BTreeSet::new();
    for case in cases() {
        let event = case.told();
        let Some(profile) = event.pointer("/meta/profile/0").and_then(Value::as_str) else { continue };
        let name = profile.strip_prefix(PROFILES).expect("a profile of BALP");
        assert_eq!(breaks(&event, name), Vec::<String>::new(), "{}: {event}", case.name);
        claimed.insert(name.to_owned());
    }
    let all = ROWS.iter().flat_map(|row| [row.0.to_owned(), format!("Patient{}", row.0)]);
    assert_eq!(claimed, all.collect(), "each profile is claimed by a case");
}

#[test]
fn what_does_not_fit_a_profile_is_found() {
    let case = cases().into_iter().find(|case| case.event["meta"]["profile"][0] == format!("{PROFILES}PatientRead"));
    let event = case.expect("a read of a patient").told();
    for pointer in ["/type/code", "/action", "/outcome", "/agent/0/network", "/agent/1/who", "/entity/1/role/code"] {
        let mut broken = event.clone();
        *broken.pointer_mut(pointer).unwrap() = Value::Null;
        assert_ne!(breaks(&broken, "PatientRead"), Vec::<String>::new(), "{pointer}");
    }
    assert_ne!(breaks(&event, "Read"), Vec::<String>::new());
    assert_ne!(breaks(&event, "PatientUpdate"), Vec::<String>::new());
}

#[test]
fn a_profile_is_claimed_by_what_went_well_alone() {
    for case in cases() {
        let event = case.told();
        let claims = event.pointer("/meta/profile").is_some();
        assert!(!claims || event["outcome"] == "0", "{}", case.name);
        assert!(!claims || event["type"]["code"] == "rest", "{}", case.name);
    }
}
