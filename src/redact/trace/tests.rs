use std::rc::Rc;

use super::super::{Format, Options, Program, Redactor, compile};
use crate::policy;
use crate::policy::diagnostic::Report;

fn program(profile: &str) -> Rc<Program> {
    let policy = format!(r#"{{"version": 1, "name": "x", "routes": [], "redaction": {{"p": {profile}}}}}"#);
    let mut report = Report::new(&policy);
    let loaded = policy::load(&policy, &mut report).unwrap();
    let mut programs = compile(&loaded, &|_| Some("0123456789abcdef0123456789abcdef".to_owned()), &mut report);
    assert!(!report.has_errors(), "{:?}", report.into_vec());
    programs.remove("p").unwrap()
}

/// Each touch as `line action path | general path rule`, in pieces of this size.
fn touched(program: &Rc<Program>, format: Format, input: &str, piece: usize) -> Vec<String> {
    let mut redactor = Redactor::new(Rc::clone(program), Options::new(format));
    redactor.trace();
    let (mut all, mut out) = (Vec::new(), Vec::new());
    for piece in input.as_bytes().chunks(piece) {
        redactor.write(piece, &mut out).unwrap();
        all.extend(redactor.touches());
    }
    redactor.finish().unwrap();
    let rule = |rule: Option<usize>| rule.map_or("-", |rule| program.pointer(rule)).replace("/redaction/p/", "");
    let all = all.into_iter().map(|touch| {
        format!("{} {} {} | {} {}", touch.line, touch.action, touch.path, touch.path.general(), rule(touch.rule))
    });
    all.collect()
}

#[track_caller]
fn assert_touched(profile: &str, format: Format, input: &str, expected: &[&str]) {
    let program = program(profile);
    for piece in [1, 7, input.len()] {
        assert_eq!(touched(&program, format, input, piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn a_path_in_fhir_leads_from_the_root_and_in_general_from_the_nearest_resource() {
    assert_touched(
        r#"{"rules": [{"type": "HumanName", "child": "family", "action": "remove"}, {"path": "Observation", "action": "remove"},
            {"path": "Patient.birthDate", "action": "keep"}, {"type": "string", "action": {"scan": ["phone"]}}]}"#,
        Format::FhirJson,
        r#"{"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Observation", "status": "final"}},
            {"resource": {"contained": [{"resourceType": "Practitioner", "name": [{"family": "x"}, {"family": "y"}]}],
              "_birthDate": {"id": "z"}, "resourceType": "Patient", "birthDate": "2000", "made up": 1,
              "address": [{"city": "Bern"}]}}]}"#,
        &[
            "1 removed Bundle.entry[0].resource.ofType(Observation) | Observation rules/1",
            "1 removed Bundle.entry[1].resource.ofType(Patient).contained[0].ofType(Practitioner).name[0].family | Practitioner.name[*].family rules/0",
            "1 removed Bundle.entry[1].resource.ofType(Patient).contained[0].ofType(Practitioner).name[1].family | Practitioner.name[*].family rules/0",
            "1 kept Bundle.entry[1].resource.ofType(Patient)._birthDate | Patient._birthDate rules/2",
            "1 kept Bundle.entry[1].resource.ofType(Patient).birthDate | Patient.birthDate rules/2",
            "1 removed Bundle.entry[1].resource.ofType(Patient).* | Patient.* unknown",
            "1 unchanged Bundle.entry[1].resource.ofType(Patient).address[0].city | Patient.address[*].city rules/3",
        ],
    );
}

#[test]
fn a_key_is_told_where_a_rule_says_it_and_nowhere_else() {
    assert_touched(
        r#"{"rules": [{"json_path": "$.members[*].ssn", "action": {"mask": {}}}, {"key": "first name", "action": "remove"},
            {"json_path": "$.all.*", "action": {"replace": null}}]}"#,
        Format::Json,
        r#"{"members": [{"ssn": "1"}], "all": {"Jane": "x", "first name": 1}, "Jane": {"first name": 2, "members": {"first name": 3}}}"#,
        &[
            "1 masked $.members[0].ssn | $.members[*].ssn rules/0",
            "1 replaced $.all.* | $.all.* rules/2",
            "1 removed $.all['first name'] | $.all['first name'] rules/1",
            "1 removed $.*['first name'] | $.*['first name'] rules/1",
            "1 removed $.*.*['first name'] | $.*.*['first name'] rules/1",
        ],
    );
}

#[test]
fn a_line_is_counted_as_readers_count_lines() {
    assert_touched(
        r#"{"rules": [{"key": "a", "action": "remove"}]}"#,
        Format::Ndjson,
        "{\"a\": 1}\n\n[{\"a\": 2}]\n{\"b\": 2, \"\\u0061\": 3}",
        &["1 removed $.a | $.a rules/0", "3 removed $[0].a | $[*].a rules/0", "4 removed $.a | $.a rules/0"],
    );
}

#[test]
fn a_resource_that_goes_for_its_modifier_is_told_after_it() {
    assert_touched(
        r#"{"rules": [{"path": "Observation.status", "action": "remove"}]}"#,
        Format::FhirJson,
        r#"{"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"resourceType": "Observation", "status": "final", "id": "1"}}]}"#,
        &[
            "1 removed Bundle.entry[0].resource.ofType(Observation).status | Observation.status rules/0",
            "1 removed Bundle.entry[0].resource.ofType(Observation) | Observation -",
        ],
    );
}

#[test]
fn nothing_is_noted_unless_it_was_asked_for() {
    let program = program(r#"{"rules": [{"key": "a", "action": "remove"}]}"#);
    let mut redactor = Redactor::new(program, Options::new(Format::Json));
    redactor.write(br#"{"a": 1}"#, &mut Vec::new()).unwrap();
    assert_eq!((redactor.touches(), redactor.summary().removed), (Vec::new(), 1));
}
