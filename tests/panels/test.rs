//! The dashboard and the alerts: every metric and label that they name is one that a real Envoy with our module has, every
//! panel can be read and drawn, and every alert says what to do and is tested both ways.
//!
//! Whether the expressions are PromQL says `promtool`, in `make alerts`.

#![cfg(test)]

#[expect(dead_code, reason = "nothing is drawn here")]
mod dashboard;
mod names;
#[expect(dead_code, reason = "nobody comes for minutes here")]
mod stage;
mod units;

#[path = "../demo/fhir.rs"]
mod fhir;

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use carewarden::metrics;
use regex::Regex;
use serde::Deserialize;

use crate::dashboard::{Dashboard, Kind};
use crate::names::names_in;
use crate::stage::Stage;
use crate::support::envoy::wait_for;

const RULES: &str = include_str!("../../envoy/prometheus/rules.yml");
const RULE_TESTS: &str = include_str!("../../envoy/prometheus/rules.test.yml");
const SCRAPES: &str = include_str!("../../envoy/prometheus/prometheus.yml");
const DATASOURCES: &str = include_str!("../../envoy/grafana/provisioning/datasources/prometheus.yml");

/// Metrics of Prometheus itself.
const OF_PROMETHEUS: &[&str] = &["up", "ALERTS"];
/// Labels of Prometheus itself.
const LABELS_OF_PROMETHEUS: &[&str] = &["instance", "job", "le", "alertstate", "alertname"];
/// Ours that no run of the stage brings about.
const UNSEEN: &[&str] = &["carewarden_token_cache_evictions"];

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RuleTests {
    tests: Vec<RuleTest>,
}

#[derive(Deserialize)]
struct RuleTest {
    input_series: Vec<Input>,
    #[serde(default)]
    promql_expr_test: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Input {
    series: String,
}

#[derive(Deserialize)]
struct Expectation {
    expr: String,
    exp_samples: Vec<serde_json::Value>,
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(RULES).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn rule_tests() -> Vec<RuleTest> {
    serde_saphyr::from_str::<RuleTests>(RULE_TESTS).unwrap().tests
}

/// A metric as Prometheus scrapes it from Envoy.
fn scraped(name: &str) -> String {
    name.replace('.', "_")
}

/// What a real Envoy says after a few requests of every kind.
static SCRAPE: LazyLock<String> = LazyLock::new(|| {
    let stage = Stage::start();
    // What the module counts on its tick comes last.
    let late = [
        "carewarden_signatures_in_module",
        "carewarden_api_key_last_use",
        "carewarden_token_cache_refusals",
        "carewarden_audit_events",
        "carewarden_audit_queued",
    ];
    let ask = || {
        stage.ask_once();
        Some(stage.envoy.admin("/stats/prometheus")).filter(|text| late.iter().all(|name| text.contains(name)))
    };
    wait_for(ask).expect("all metrics in the end")
});

/// The names of metrics in it, and the labels of each.
fn scraped_names() -> BTreeMap<String, BTreeSet<String>> {
    let (line, label) = (Regex::new(r"^(\w+)\{(.*)\} ").unwrap(), Regex::new(r#"(\w+)=""#).unwrap());
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in SCRAPE.lines().filter_map(|text| line.captures(text)) {
        let labels = label.captures_iter(&line[2]).map(|label| label[1].to_owned());
        found.entry(line[1].to_owned()).or_default().extend(labels);
    }
    found
}

#[test]
fn every_metric_and_label_that_is_asked_for_is_one_that_envoy_has() {
    let found = scraped_names();
    let ours: BTreeSet<String> = metrics::ALL.iter().map(|metric| scraped(metric.name)).collect();
    let rules = rules();
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    let dashboard = Dashboard::shipped();
    let of_panels = dashboard.asking().flat_map(|panel| panel.targets.iter().map(|target| target.filled_in("1m")));
    let of_tests = rule_tests().into_iter().flat_map(|test| test.input_series).map(|input| input.series);
    let asked = of_panels.chain(rules.iter().map(|rule| rule.expr.clone())).chain(of_tests);
    let (mut wrong, mut labels_seen, mut names_seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for expression in asked {
        let (names, labels) = names_in(&expression);
        assert!(!names.is_empty(), "{expression}");
        names_seen.extend(names);
        labels_seen.extend(labels);
    }
    for name in &names_seen {
        let is_excused = UNSEEN.contains(&&**name);
        let is_there = found.contains_key(name) || OF_PROMETHEUS.contains(&&**name) || recorded.contains(&**name);
        if is_there == is_excused {
            wrong.insert(format!("the metric {name}"));
        }
    }
    let all_labels: BTreeSet<&String> = found.values().flatten().collect();
    for label in &labels_seen {
        if !all_labels.contains(label) && !LABELS_OF_PROMETHEUS.contains(&&**label) {
            wrong.insert(format!("the label {label}"));
        }
    }
    assert!(wrong.is_empty(), "not as Envoy has them: {wrong:#?}");
    assert!(names_seen.len() > 30 && labels_seen.len() > 8, "{names_seen:?} {labels_seen:?}");
    // The other way round: nothing of ours goes unseen. What is new has to be shown or alerted on.
    let shown = |name: &&String| names_seen.contains(*name) || names_seen.contains(&format!("{name}_bucket"));
    let hidden: Vec<&String> = ours.iter().filter(|name| !shown(name)).collect();
    assert!(hidden.is_empty(), "on no panel and in no alert: {hidden:?}");
    for name in UNSEEN {
        assert!(ours.contains(*name), "{name}");
    }
}

#[test]
fn durations_come_in_the_steps_that_envoy_was_told() {
    let text = include_str!("../../envoy/envoy.yaml");
    let steps = Regex::new(r"duration_ms \}\n\s+buckets: \[(.*)\]").unwrap().captures(text).expect("buckets")[1].to_owned();
    let bucket = Regex::new(r#"(?m)^carewarden_duration_ms_bucket\{le="(\d+)"\}"#).unwrap();
    let found: Vec<&str> = bucket.captures_iter(&SCRAPE).filter_map(|step| Some(step.get(1)?.as_str())).collect();
    assert_eq!(found.join(", "), steps);
}

#[test]
fn every_panel_says_what_it_shows_and_is_where_no_other_is() {
    let dashboard = Dashboard::shipped();
    let sources: serde_json::Value = serde_saphyr::from_str(DATASOURCES).unwrap();
    let uid = sources["datasources"][0]["uid"].as_str().unwrap();
    let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in &dashboard.panels {
        assert!(ids.insert(panel.id), "two panels have the id {}", panel.id);
        let place = panel.grid_pos;
        assert!(place.x >= 0 && place.x + place.w <= 24, "{}", panel.title);
        for cell in (place.x..place.x + place.w).flat_map(|x| (place.y..place.y + place.h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "`{}` lies over another panel", panel.title);
        }
        if panel.kind == Kind::Row {
            continue;
        }
        assert!(titles.insert(&panel.title), "two panels are called `{}`", panel.title);
        assert!(panel.description.len() > 20 && panel.description.ends_with('.'), "`{}` says too little", panel.title);
        assert_eq!(panel.datasource.as_ref().map(|own| &*own.uid), Some(uid), "{}", panel.title);
        assert!(units::format(1.0, &panel.field_config.defaults.unit).is_some(), "`{}` has no unit", panel.title);
        assert!(!panel.targets.is_empty(), "`{}` asks nothing", panel.title);
        let refs: BTreeSet<_> = panel.targets.iter().map(|target| &target.ref_id).collect();
        assert_eq!(refs.len(), panel.targets.len(), "{}", panel.title);
        assert!(panel.targets.iter().all(|target| !target.legend_format.is_empty()), "{}", panel.title);
    }
    // Variables and annotations ask the same source.
    assert_eq!(dashboard::SHIPPED.matches("\"uid\": \"carewarden-prometheus\"").count(), dashboard.asking().count() + 3);
    assert!(dashboard.asking().count() > 20);
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let rules = rules();
    let alerts: Vec<&Rule> = rules.iter().filter(|rule| rule.alert.is_some()).collect();
    let names: BTreeSet<_> = alerts.iter().filter_map(|rule| rule.alert.as_deref()).collect();
    assert!(names.len() == alerts.len() && alerts.len() > 15, "{names:?}");
    for rule in alerts {
        let name = rule.alert.as_deref().unwrap_or_default();
        assert!(name.starts_with("Carewarden"), "{name}");
        assert!(["critical", "warning"].contains(&&*rule.labels["severity"]), "{name}");
        assert!(rule.annotations["summary"].len() > 20 && rule.annotations["description"].len() > 60, "{name}");
    }
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let about = Regex::new(r#"alertname="(\w+)""#).unwrap();
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for expectation in rule_tests().iter().flat_map(|test| &test.promql_expr_test) {
        if let Some(alert) = about.captures(&expectation.expr) {
            let seen = if expectation.exp_samples.is_empty() { &mut silent } else { &mut firing };
            seen.insert(alert[1].to_owned());
        }
    }
    let alerts: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.alert).collect();
    assert_eq!(firing, alerts);
    assert_eq!(silent, alerts);
}

#[test]
fn prometheus_reads_the_rules_and_scrapes_the_listener_for_metrics() {
    let configuration: serde_json::Value = serde_saphyr::from_str(SCRAPES).unwrap();
    assert_eq!(configuration["rule_files"], serde_json::json!(["rules.yml"]));
    let job = &configuration["scrape_configs"][0];
    assert_eq!((&job["job_name"], &job["metrics_path"]), (&"envoy".into(), &"/stats/prometheus".into()));
    // Grafana's rates need to know how far scrapes are apart.
    let sources: serde_json::Value = serde_saphyr::from_str(DATASOURCES).unwrap();
    assert_eq!(sources["datasources"][0]["jsonData"]["timeInterval"], configuration["global"]["scrape_interval"]);
}
