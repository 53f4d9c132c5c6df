//! Draws the dashboard without Grafana: `make panels`.
//!
//! A real Envoy with our module serves callers of all kinds for some minutes, a Prometheus with the shipped configuration
//! scrapes it, and each panel's own expressions are asked and drawn where the dashboard has them. It fails where one of
//! them finds nothing, so that it proves them, too. With `--expressions` it prints them as rules for `promtool` instead.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a tool may fail loudly, as tests do")]

#[expect(dead_code, reason = "the tests read the rest")]
mod dashboard;
mod draw;
mod prometheus;
#[expect(dead_code, reason = "the tests ask once")]
mod stage;
mod units;

#[path = "../demo/fhir.rs"]
mod fhir;

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

use std::collections::HashMap;
use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::time::Duration;
use std::{env, thread};

use crate::dashboard::{Dashboard, Panel};
use crate::draw::Curve;
use crate::prometheus::{INTERVAL, Prometheus, RATE_INTERVAL};
use crate::stage::Stage;

/// Expressions that find nothing, by panel and `refId`, and why.
const EMPTY: &[(&str, &str)] = &[
    // Ten thousand tokens would have to come.
    ("Tokens", "D"),
];

/// Where the picture goes.
const PICTURE: &str = "envoy/grafana/panels.svg";

fn main() -> Result<(), Box<dyn Error>> {
    let dashboard = Dashboard::shipped();
    if env::args().any(|argument| argument == "--expressions") {
        return Ok(stdout().write_all(as_rules(&dashboard).as_bytes())?);
    }
    let length = Duration::from_secs(env::var("PANELS_SECONDS").map_or(Ok(300), |seconds| seconds.parse())?);
    let stage = Stage::start();
    let prometheus = Prometheus::start(Path::new("target/panels"), &stage.admin())?;
    let start = support::token::now();
    writeln!(stdout(), "Callers come for {} s …", length.as_secs())?;
    stage.live(length)?;
    // What came last is scraped, too.
    thread::sleep(Duration::from_secs(2 * INTERVAL));
    // Rates need two scrapes.
    let (from, to) = (start + 3 * INTERVAL, start + length.as_secs() + INTERVAL);
    let curves: HashMap<u32, Vec<Curve>> = dashboard
        .asking()
        .map(|panel| Ok((panel.id, curves(panel, &prometheus, from, to)?)))
        .collect::<Result<_, Box<dyn Error>>>()?;
    draw::draw(Path::new(PICTURE), &dashboard, &curves, (from, to))?;
    Ok(writeln!(
        stdout(),
        "{} expressions found something: {PICTURE}",
        dashboard.asking().flat_map(|own| &own.targets).count() - EMPTY.len()
    )?)
}

/// What a panel's expressions find; an error where one finds nothing, or something that it is said not to.
fn curves(panel: &Panel, prometheus: &Prometheus, from: u64, to: u64) -> Result<Vec<Curve>, Box<dyn Error>> {
    let mut all = Vec::new();
    for target in &panel.targets {
        let found = prometheus.ask(&target.filled_in(RATE_INTERVAL), from, to);
        let is_excused = EMPTY.contains(&(&panel.title, &target.ref_id));
        if found.is_empty() != is_excused {
            let what = if is_excused { "finds something after all" } else { "finds nothing" };
            return Err(format!("panel `{}`: {} {what}: {}", panel.title, target.ref_id, target.expr).into());
        }
        all.extend(found.into_iter().map(|own| Curve { name: target.name_of(&own.labels), points: own.points }));
    }
    Ok(all)
}

/// Each expression as a recording rule.
fn as_rules(dashboard: &Dashboard) -> String {
    let targets = dashboard.asking().flat_map(|panel| panel.targets.iter().map(move |target| (panel.id, target)));
    let rule = |(id, target): (u32, &dashboard::Target)| {
        let expression = serde_json::Value::from(target.filled_in("1m"));
        format!("  - {{ record: \"panel{id}:{}\", expr: {expression} }}\n", target.ref_id)
    };
    let rules: String = targets.map(rule).collect();
    format!("groups:\n- name: dashboard\n  rules:\n{rules}")
}
