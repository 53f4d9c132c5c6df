use std::collections::BTreeSet;
use std::rc::Rc;

use super::pack::{PLAIN_LENGTH, Pack};
use super::*;
use crate::json;

thread_local! {
    static PACK: Rc<Pack> = Rc::new(Pack::standard().unwrap());
}

fn settings(level: Level) -> Settings {
    Settings::of_level(level, PACK.with(Rc::clone))
}

/// The rules that hold for a value.
fn rules(level: Level, target: Target, text: &str) -> Vec<String> {
    let settings = settings(level);
    let mut inspection = Inspection::new(&settings, text.len());
    inspection.value(target, Place::Unnamed, text.as_bytes()).unwrap();
    inspection.findings().iter().map(|finding| finding.rule.to_string()).collect()
}

#[test]
fn every_example_is_as_it_says() {
    let (pack, mut wrong) = (PACK.with(Rc::clone), Vec::new());
    for rule in pack.rules() {
        assert!(!rule.examples.matches.is_empty() && !rule.examples.pass.is_empty(), "{} has no examples", rule.id);
        let target = rule.targets.first().copied().unwrap_or(Target::Query);
        let examples = rule.examples.matches.iter().map(|text| (text, true));
        for (text, wanted) in examples.chain(rule.examples.pass.iter().map(|text| (text, false))) {
            let held = match rule.operator {
                Operator::Narrative => {
                    let fault = narrative::Fault::named(rule.pattern.as_deref().unwrap()).unwrap();
                    narrative::faults(text).contains(fault)
                }
                _ => rules(Level::Strict, target, text).contains(&rule.id),
            };
            if held != wanted {
                wrong.push(format!("{}: {text:?} should {}match", rule.id, if wanted { "" } else { "not " }));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_that_pass_do_so_by_all_rules_together() {
    let (pack, mut wrong) = (PACK.with(Rc::clone), Vec::new());
    let settings = settings(Level::Standard);
    for rule in pack.rules().filter(|rule| rule.operator != Operator::Narrative) {
        for text in &rule.examples.pass {
            let mut inspection = Inspection::new(&settings, text.len());
            inspection.value(Target::Json, Place::Unnamed, text.as_bytes()).unwrap();
            if inspection.is_over() {
                wrong.push(format!("{}: {text:?} by {:?}", rule.id, inspection.findings()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ids_are_unique_and_every_class_has_rules() {
    let pack = PACK.with(Rc::clone);
    let ids: BTreeSet<_> = pack.rules().map(|rule| rule.id.clone()).collect();
    assert_eq!(ids.len(), pack.rules().count());
    let classes: BTreeSet<_> = pack.rules().map(|rule| rule.class).collect();
    assert_eq!(classes.len(), 14);
}

#[test]
fn what_plain_bytes_alone_pass_holds_for_no_rule() {
    // A literal without a special byte is found in values that are longer, or are all of it.
    let pack = PACK.with(Rc::clone);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-".contains(&byte);
    for rule in pack.rules().filter(|rule| rule.operator == Operator::Regex) {
        for text in rule.examples.matches.iter().filter(|text| text.len() < PLAIN_LENGTH && text.bytes().all(plain)) {
            let target = rule.targets.first().copied().unwrap_or(Target::Query);
            assert!(rules(Level::Strict, target, text).contains(&rule.id), "{} {text}", rule.id);
        }
    }
}

/// The rules that a body breaks at a level.
fn body(body: &str, is_fhir: bool) -> Vec<String> {
    let settings = settings(Level::Standard);
    let mut found = Inspection::new(&settings, body.len()).telling();
    let mut inspection = BodyInspection::new(&mut found, is_fhir);
    let limits = json::Limits::default();
    json::walk(body.as_bytes(), &limits, |event| inspection.visit(event)).unwrap();
    if inspection.again() {
        json::walk(body.as_bytes(), &limits, |event| inspection.visit(event)).unwrap();
    }
    inspection.finish().unwrap();
    found.findings().iter().map(|found| format!("{} {}", found.rule, found.place.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn a_narrative_is_judged_by_its_markup_where_r4_has_one() {
    let good = r#"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p style=\"color: red\">O'Brien</p></div>"#;
    let bad = r#"<div><script>alert(1)</script></div>"#;
    for (text, wanted) in [(good, &[][..]), (bad, &["narrative-element $.text.div"])] {
        for (before, after) in [
            (r#"{"resourceType": "Patient", "text": {"status": "generated", "div": ""#, r#""}}"#),
            (r#"{"text": {"div": ""#, r#""}, "resourceType": "Patient"}"#),
        ] {
            assert_eq!(body(&format!("{before}{text}{after}"), true), wanted, "{text}");
        }
    }
    let section = format!(r#"{{"resourceType": "Composition", "section": [{{"text": {{"div": "{good}"}}}}]}}"#);
    assert!(body(&section, true).is_empty());
    let entry = format!(
        r#"{{"resourceType": "Bundle", "entry": [{{"resource": {{"resourceType": "Patient", "text": {{"div": "{good}"}}}}}}]}}"#
    );
    assert!(body(&entry, true).is_empty());
    // Elsewhere it is HTML like any other.
    for body_text in [
        format!(r#"{{"resourceType": "Patient", "name": [{{"div": "{good}"}}]}}"#),
        format!(r#"{{"resourceType": "Patient", "maritalStatus": {{"text": "{good}"}}}}"#),
        format!(r#"{{"resourceType": "Patient", "name": [{{"resourceType": "Patient", "text": {{"div": "{good}"}}}}]}}"#),
    ] {
        assert!(!body(&body_text, true).is_empty(), "{body_text}");
    }
    let same = format!(r#"{{"resourceType": "Patient", "text": {{"div": "{good}"}}}}"#);
    assert!(!body(&same, false).is_empty());
}

#[test]
fn base64_is_passed_over_where_r4_has_it_and_it_is_that() {
    let object = "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwAC";
    let binary = |data: &str| format!(r#"{{"resourceType": "Binary", "contentType": "x/y", "data": "{data}"}}"#);
    assert!(body(&binary(object), true).is_empty());
    assert!(!body(&binary(object), false).is_empty());
    assert!(!body(&binary("' union select 1,2--"), true).is_empty());
    let elsewhere = format!(r#"{{"resourceType": "Patient", "name": [{{"family": "{object}"}}]}}"#);
    assert!(!body(&elsewhere, true).is_empty());
    let disguised = format!(r#"{{"resourceType": "Patient", "name": [{{"resourceType": "Binary", "data": "{object}"}}]}}"#);
    assert!(!body(&disguised, true).is_empty());
}

#[test]
fn expressions_are_code_where_r4_has_them() {
    let path = "//user[@id=1]";
    let search = format!(r#"{{"resourceType": "SearchParameter", "xpath": "{path}"}}"#);
    assert!(body(&search, true).is_empty());
    assert!(!body(&search, false).is_empty());
    assert!(!body(&search.replace(path, "<script>x()</script>"), true).is_empty());
}

#[test]
fn a_score_is_that_of_the_worst_value() {
    let settings = settings(Level::Standard);
    let mut inspection = Inspection::new(&settings, 100);
    inspection.value(Target::Query, Place::Named("a"), b"O'Brien").unwrap();
    assert_eq!((inspection.score(), inspection.is_over()), (0, false));
    inspection.value(Target::Query, Place::Named("a"), b"1 union select null,null--").unwrap();
    assert!(inspection.is_over());
    let score = inspection.score();
    inspection.value(Target::Query, Place::Named("b"), b"plain").unwrap();
    assert_eq!(inspection.score(), score);
}

#[test]
fn work_over_the_budget_is_refused() {
    let settings = settings(Level::Standard);
    let mut inspection = Inspection::new(&settings, 0);
    let text = "x ".repeat(1 << 19);
    assert_eq!(inspection.value(Target::Json, Place::Unnamed, text.as_bytes()), Err(OverBudget));
}
