//! What came out: a table for people, `target/bench/summary.json` for programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::resources::BUNDLE_BYTES;
use crate::statistics::Spread;

/// One slice of one variant.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Answers that came.
    pub(crate) answers: usize,
    /// Seconds that the worker was busy.
    pub(crate) busy: f64,
    /// Seconds that went by.
    pub(crate) elapsed: f64,
}

impl Sample {
    /// What an answer cost the worker, in microseconds.
    fn cost(self) -> f64 {
        self.busy * 1e6 / self.answers as f64
    }
}

/// All slices of one variant, in the order of the rounds.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) title: String,
    /// Whether its answers are the Bundle.
    pub(crate) is_bundle: bool,
    pub(crate) samples: Vec<Sample>,
}

impl Measured {
    fn spread(&self, of: impl Fn(Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().filter(|sample| sample.answers > 0).map(|sample| of(*sample)))
    }
}

/// What a target is about.
enum Against {
    /// What the one costs, divided by what the other does.
    Costs(&'static str, &'static str),
    /// A measurement that is no ratio of two costs.
    Memory,
}

/// The ratios of the design: name, of what, the bound, and whether it is the least or the most.
const TARGETS: &[(&str, Against, Bound)] = {
    use Against::{Costs, Memory};
    &[
        // What no filter passes that makes as many host calls.
        ("host_calls_vs_empty", Costs("empty", "calls"), Bound::None),
        ("cached_jwt_vs_empty", Costs("empty", "ours_cached"), Bound::AtLeast(0.80)),
        ("cached_jwt_vs_native_cached", Costs("native_cached", "ours_cached"), Bound::AtLeast(0.75)),
        ("uncached_rs256_vs_native", Costs("native_rs256", "ours_rs256"), Bound::AtLeast(0.95)),
        ("uncached_es256_vs_native", Costs("native_es256", "ours_es256"), Bound::AtLeast(0.95)),
        // What no redactor passes that reads all of a body by our lexer.
        ("lexing_vs_copy", Costs("bundle_copy", "bundle_lexed"), Bound::None),
        ("redact_few_paths_vs_copy", Costs("bundle_copy", "bundle_redacted"), Bound::AtLeast(0.65)),
        ("redact_few_paths_lenient_vs_copy", Costs("bundle_copy", "bundle_lenient"), Bound::AtLeast(0.65)),
        ("redact_safe_harbor_vs_copy", Costs("bundle_copy", "bundle_safe_harbor"), Bound::AtLeast(0.50)),
        ("redact_safe_harbor_vs_serde_json", Costs("bundle_serde", "bundle_safe_harbor"), Bound::AtLeast(6.0)),
        ("redact_few_paths_vs_serde_json", Costs("bundle_serde", "bundle_redacted"), Bound::None),
        ("inspection_vs_none", Costs("post_unchecked", "post_inspected"), Bound::AtLeast(0.50)),
        ("json_schema_vs_none", Costs("post_unchecked", "post_schema"), Bound::AtLeast(0.50)),
        ("shape_vs_none", Costs("post_unchecked", "post_shape"), Bound::AtLeast(0.50)),
        ("keys_and_routes_scaling", Costs("ours_many", "ours_few"), Bound::AtMost(1.2)),
        ("memory_while_streaming_mib", Memory, Bound::AtMost(8.0)),
    ]
};

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Bound {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {bound}"),
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::None => String::new(),
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::AtLeast(bound) => json!({ "at_least": bound }),
            Self::AtMost(bound) => json!({ "at_most": bound }),
            Self::None => Value::Null,
        }
    }
}

/// All that was measured.
pub(crate) struct Report {
    pub(crate) machine: BTreeMap<&'static str, String>,
    pub(crate) measured: Vec<Measured>,
    /// By how many MiB the module's memory grew while it streamed; or why nobody knows.
    pub(crate) memory: Result<f64, String>,
}

impl Report {
    fn of(&self, name: &str) -> Option<&Measured> {
        self.measured.iter().find(|own| own.name == name)
    }

    /// Round by round, since what disturbs a machine lasts longer than a round.
    fn ratio(&self, over: &str, under: &str) -> Option<Spread> {
        let pairs = self.of(over)?.samples.iter().zip(&self.of(under)?.samples);
        let pairs = pairs.filter(|(over, under)| over.answers > 0 && under.answers > 0);
        Spread::of(pairs.map(|(over, under)| over.cost() / under.cost()))
    }

    fn value(&self, against: &Against) -> Result<Spread, String> {
        match against {
            Against::Costs(over, under) => self.ratio(over, under).ok_or_else(|| "not measured in this run".to_owned()),
            Against::Memory => self.memory.clone().map(|mib| Spread { low: mib, median: mib, high: mib }),
        }
    }

    /// The ratios of other modules: the same targets, and what ours costs of theirs.
    fn beside(&self) -> Vec<(String, Spread)> {
        let others = self.measured.iter().filter_map(|own| Some((own.name.as_str(), own.name.split_once('@')?)));
        let mut found = Vec::new();
        for (other, (name, module)) in others {
            let is_of_ours =
                |target: &&(&str, Against, Bound)| matches!(target.1, Against::Costs(_, under) if under == name);
            for (target, against, _) in TARGETS.iter().filter(is_of_ours) {
                let Against::Costs(over, _) = against else { continue };
                found.extend(self.ratio(over, other).map(|value| (format!("{target}@{module}"), value)));
            }
            found.extend(self.ratio(other, name).map(|value| (format!("{other} / {name}"), value)));
        }
        found
    }

    /// Prints the tables.
    pub(crate) fn print(&self) {
        println!(
            "\n{:<38}{:>12}{:>10}{:>8}{:>12}{:>8}",
            "one worker", "per second*", "us each", "noise", "wall/s", "MB/s*"
        );
        for own in &self.measured {
            let Some(cost) = own.spread(Sample::cost) else { continue };
            let wall = own.spread(|sample| sample.answers as f64 / sample.elapsed).map_or(0.0, |spread| spread.median);
            let megabytes = if own.is_bundle { format!("{:.0}", BUNDLE_BYTES as f64 / cost.median) } else { String::new() };
            let (rate, noise) = (1e6 / cost.median, cost.noise());
            println!("{:<38}{rate:>12.0}{:>10.1}{noise:>7.1}%{wall:>12.0}{megabytes:>8}", own.title, cost.median);
        }
        println!("* of the worker's processor time; noise is the middle half of the slices, as a part of the median\n");
        println!("{:<38}{:>12}{:>10}{:>8}", "ratio", "value", "target", "noise");
        for (name, against, bound) in TARGETS {
            match self.value(against) {
                Ok(value) => {
                    let verdict = if bound.is_met_by(value.median) { "" } else { "  short of the target" };
                    let noise = value.noise();
                    println!("{name:<38}{:>12.3}{:>10}{noise:>7.1}%{verdict}", value.median, bound.text());
                }
                Err(why) => println!("{name:<38}{:>12}{:>10}          {why}", "-", bound.text()),
            }
        }
        for (name, value) in self.beside() {
            println!("{name:<38}{:>12.3}{:>10}{:>7.1}%", value.median, "", value.noise());
        }
        println!();
        for (what, value) in &self.machine {
            println!("{what:<14}{value}");
        }
    }

    /// Writes `summary.json` into a directory.
    pub(crate) fn write(&self, directory: &Path) -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("summary.json"), format!("{:#}\n", self.to_json()))
    }

    fn to_json(&self) -> Value {
        let variants: Map<String, Value> = self.measured.iter().map(|own| (own.name.clone(), variant(own))).collect();
        let ratio = |(name, against, bound): &(&str, Against, Bound)| {
            let mut entry = match self.value(against) {
                Ok(value) => {
                    let mut entry = value.to_json();
                    entry["met"] = bound.is_met_by(value.median).into();
                    entry
                }
                Err(why) => json!({ "median": null, "reason": why }),
            };
            entry["target"] = bound.to_json();
            ((*name).to_owned(), entry)
        };
        let beside = self.beside().into_iter().map(|(name, value)| (name, value.to_json()));
        let ratios: Map<String, Value> = TARGETS.iter().map(ratio).chain(beside).collect();
        json!({ "machine": self.machine, "variants": variants, "ratios": ratios })
    }
}

fn variant(own: &Measured) -> Value {
    let json = |spread: Option<Spread>| spread.map(Spread::to_json);
    let mut entry = json!({
        "title": own.title,
        "slices": own.samples.len(),
        "answers": own.samples.iter().map(|sample| sample.answers).sum::<usize>(),
        "worker_microseconds": json(own.spread(Sample::cost)),
        "per_worker_second": json(own.spread(|sample| 1e6 / sample.cost())),
        "per_second": json(own.spread(|sample| sample.answers as f64 / sample.elapsed)),
    });
    if own.is_bundle {
        entry["megabytes_per_worker_second"] = json!(json(own.spread(|sample| BUNDLE_BYTES as f64 / sample.cost())));
    }
    entry
}
