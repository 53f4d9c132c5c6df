//! Explanations against decisions, over all cases of all suites.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::conclusion::refusing;
use super::request::Asked;
use crate::audit::Decision;
use crate::cli::files;
use crate::cli::simulation::{Outcome, explain, simulate};
use crate::exchange::Engine;
use crate::exchange::explain::{Found, Part, Step};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Calls with each case of each suite, explained and as `test` runs it.
fn each_case(mut check: impl FnMut(&str, &Outcome, &Outcome)) -> usize {
    let parents = ["policies", "tests/fixtures/exchange"].map(|parent| Path::new(ROOT).join(parent));
    let entries = parents.iter().flat_map(|parent| std::fs::read_dir(parent).unwrap());
    let suites: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let mut count = 0;
    for directory in suites.iter().filter(|directory| directory.join("tests.json").exists()) {
        let suite: Value = serde_json::from_slice(&std::fs::read(directory.join("tests.json")).unwrap()).unwrap();
        let policy = files::read_policy(&directory.join("policy.json")).unwrap();
        let env = |name: &str| suite["env"][name].as_str().map(str::to_owned);
        // Each with caches of its own, so that an explanation cannot have helped the decision.
        let [explaining, deciding] = [0, 1].map(|_| Engine::load(&policy, &env).0.unwrap());
        for case in suite["cases"].as_array().unwrap() {
            let name = format!("{}: {}", directory.file_name().unwrap().display(), case["name"]);
            let Asked { request, stand_in, answer, now, .. } = Asked::of_suite(&suite, case).unwrap();
            let explained = explain(&explaining, now.unwrap(), &request, stand_in.as_ref(), answer.as_ref()).unwrap();
            let decided = simulate(&deciding, now.unwrap(), &request, stand_in.as_ref(), answer.as_ref()).unwrap();
            check(&name, &explained, &decided);
            count += 1;
        }
    }
    count
}

fn holding(steps: &[Step], part: Part) -> Vec<&Step> {
    steps.iter().filter(|step| step.part == part && step.found == Found::Holds).collect()
}

#[test]
fn an_explanation_concludes_what_the_engine_decides() {
    let count = each_case(|name, explained, decided| {
        let (record, steps) = (&decided.record, &explained.steps);
        // To be explained changes nothing.
        assert_eq!(explained.record.to_line(), record.to_line(), "{name}");
        assert_eq!((explained.status, &explained.body), (decided.status, &decided.body), "{name}");
        assert!(decided.steps.is_empty(), "{name}");

        // The route.
        let routes = holding(steps, Part::Route);
        assert_eq!(routes.first().map(|step| &*step.name), record.route.as_deref(), "{name}");
        assert!(routes.len() <= 1, "{name}");

        // The step that refuses.
        let refusals: Vec<_> = steps.iter().filter(|step| matches!(step.found, Found::Refuses(_))).collect();
        match record.decision {
            Decision::Allow => assert!(refusals.is_empty(), "{name}: {refusals:?}"),
            Decision::Deny => {
                let step = refusing(steps, record.reason).unwrap_or_else(|| panic!("{name}: {refusals:?}"));
                assert!(step.part != Part::Other || record.reason == "malformed_headers", "{name}: {step:?}");
                assert!(!step.says.is_empty(), "{name}: {step:?}");
                assert!(refusals.iter().all(|refusal| refusal.found == step.found), "{name}: {refusals:?}");
            }
        }

        // The rule.
        let rules = steps.iter().filter(|step| step.part == Part::Rule && !step.name.is_empty());
        let decides = |step: &&Step| matches!(step.found, Found::Holds | Found::Refuses(_));
        let index = |step: &Step| step.name.split(' ').next().and_then(|index| index.parse::<usize>().ok());
        let decided_by: Vec<_> = rules.filter(decides).filter_map(index).collect();
        match record.rule {
            Some(rule) => assert!(decided_by.contains(&rule), "{name}: {rule} {decided_by:?}"),
            // A Bundle's own rule held, and that of an entry did not.
            None => assert!(decided_by.is_empty() || record.reason == "no_rule_allows", "{name}: {decided_by:?}"),
        }

        // The redaction profile.
        if let Some(profile) = &record.profile {
            let views = holding(steps, Part::View);
            assert!(views.iter().any(|step| step.name.ends_with(&**profile)), "{name}: {views:?}");
        }
        // Whoever does not hold is told why.
        let unsaid = |step: &&Step| {
            let of_policy = matches!(step.part, Part::Route | Part::Rule | Part::View);
            of_policy && step.found == Found::DoesNotHold && step.details.is_empty()
        };
        let unsaid: Vec<_> = steps.iter().filter(unsaid).collect();
        assert!(unsaid.is_empty(), "{name}: {unsaid:?}");
    });
    assert!(count > 400, "{count}");
}
