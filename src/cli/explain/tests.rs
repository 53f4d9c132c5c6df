//! Explanations against decisions, over all cases of all suites.

use std::collections::BTreeSet;
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

/// Every suite, with its directory.
fn suites() -> Vec<(PathBuf, Value)> {
    let parents = ["policies", "tests/fixtures/exchange"].map(|parent| Path::new(ROOT).join(parent));
    let entries = parents.iter().flat_map(|parent| std::fs::read_dir(parent).unwrap());
    let with_suite = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("tests.json").exists());
    let read = |path: PathBuf| {
        let suite = serde_json::from_slice(&std::fs::read(path.join("tests.json")).unwrap()).unwrap();
        (path, suite)
    };
    with_suite.map(read).collect()
}

/// Explains and decides each request of each suite as it stands, and `others` times more as another caller of the suite
/// would make it.
fn check_all(others: usize) -> usize {
    let mut count = 0;
    for (directory, suite) in suites() {
        let policy = files::read_policy(&directory.join("policy.json")).unwrap();
        let env = |name: &str| suite["env"][name].as_str().map(str::to_owned);
        // Each with caches of its own, so that an explanation cannot have helped the decision.
        let [explaining, deciding] = [0, 1].map(|_| Engine::load(&policy, &env).0.unwrap());
        let cases = suite["cases"].as_array().unwrap();
        for (index, case) in cases.iter().enumerate() {
            let asked = Asked::of_suite(&suite, case).unwrap();
            for other in 0..=others {
                let caller = &cases[(index + other * 7) % cases.len()];
                let Asked { stand_in, .. } = Asked::of_suite(&suite, caller).unwrap();
                let (now, stand_in, answer) = (asked.now.unwrap(), stand_in.as_ref(), asked.answer.as_ref());
                let explained = explain(&explaining, now, &asked.request, stand_in, answer).unwrap();
                let decided = simulate(&deciding, now, &asked.request, stand_in, answer).unwrap();
                let name = directory.file_name().unwrap().display();
                agree(&format!("{name}: {} as in {}", case["name"], caller["name"]), &explained, &decided);
                count += 1;
            }
        }
    }
    count
}

fn holding(steps: &[Step], part: Part) -> Vec<&Step> {
    steps.iter().filter(|step| step.part == part && step.found == Found::Holds).collect()
}

/// Whether an explanation concludes what the engine decided, and rests on what it says.
fn agree(name: &str, explained: &Outcome, decided: &Outcome) {
    let (record, steps) = (&decided.record, &explained.steps);
    // To be explained changes nothing.
    assert_eq!(explained.record.to_line(), record.to_line(), "{name}");
    assert_eq!((explained.status, &explained.body), (decided.status, &decided.body), "{name}");
    assert!(decided.steps.is_empty(), "{name}");

    let routes = holding(steps, Part::Route);
    assert_eq!(routes.first().map(|step| &*step.name), record.route.as_deref(), "{name}");
    assert!(routes.len() <= 1, "{name}");

    let refusals: Vec<_> = steps.iter().filter(|step| matches!(step.found, Found::Refuses(_))).collect();
    match record.decision {
        Decision::Allow => assert!(refusals.is_empty(), "{name}: {refusals:?}"),
        Decision::Deny => {
            let step = refusing(steps, record.reason).unwrap_or_else(|| panic!("{name}: {refusals:?}"));
            // A step says it, not the fact that the exchange was refused.
            assert!(step.part != Part::Other && !step.says.is_empty(), "{name}: {step:?}");
            assert!(refusals.iter().all(|refusal| refusal.found == step.found), "{name}: {refusals:?}");
        }
    }

    let is_stated = steps.iter().any(|step| step.part == Part::Provider && step.name.is_empty());
    let vouched: BTreeSet<_> = holding(steps, Part::Provider).iter().map(|step| step.name.clone()).collect();
    let providers: BTreeSet<_> = record.providers.iter().map(|name| name.to_string()).collect();
    // Under `all` one may have vouched before another refused.
    if !is_stated && steps.iter().any(|step| step.part == Part::Caller && step.found == Found::Noted) {
        assert_eq!(vouched, providers, "{name}");
    }

    let rules = steps.iter().filter(|step| step.part == Part::Rule && !step.name.is_empty());
    let decides = |step: &&Step| matches!(step.found, Found::Holds | Found::Refuses(_));
    let index = |step: &Step| step.name.split(' ').next().and_then(|index| index.parse::<usize>().ok());
    let decided_by: Vec<_> = rules.filter(decides).filter_map(index).collect();
    match record.rule {
        Some(rule) => assert!(decided_by.contains(&rule), "{name}: {rule} {decided_by:?}"),
        // A Bundle's own rule held, and that of an entry did not.
        None => assert!(decided_by.is_empty() || record.reason == "no_rule_allows", "{name}: {decided_by:?}"),
    }
    if let Some(profile) = &record.profile {
        let views = holding(steps, Part::View);
        assert!(views.iter().any(|step| step.name.ends_with(&**profile)), "{name}: {views:?}");
    }

    // Of what does not hold it is said what, and of what holds nothing: the reasons are those of the decision.
    for step in steps.iter().filter(|step| matches!(step.part, Part::Route | Part::Rule | Part::View)) {
        match step.found {
            Found::Holds => assert!(step.details.is_empty(), "{name}: {step:?}"),
            Found::DoesNotHold => assert!(!step.details.is_empty(), "{name}: {step:?}"),
            Found::Refuses(_) | Found::NotTried | Found::Noted => (),
        }
    }
}

#[test]
fn an_explanation_concludes_what_the_engine_decides_whoever_asks() {
    let count = check_all(2);
    assert!(count > 1_200, "{count}");
}
