//! The dashboard's JSON as far as it is drawn and tested, and the expressions in it.

use regex::Regex;
use serde::Deserialize;

/// `envoy/grafana/dashboards/carewarden.json`.
pub(crate) const SHIPPED: &str = include_str!("../../envoy/grafana/dashboards/carewarden.json");

#[derive(Debug, Deserialize)]
pub(crate) struct Dashboard {
    pub(crate) panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Panel {
    pub(crate) id: u32,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) datasource: Option<Datasource>,
    pub(crate) grid_pos: Place,
    #[serde(default)]
    pub(crate) field_config: FieldConfig,
    #[serde(default)]
    options: Options,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Row,
    Stat,
    Timeseries,
    Bargauge,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Datasource {
    pub(crate) uid: String,
}

/// In units of Grafana's grid, which has 24 columns.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) w: i32,
    pub(crate) h: i32,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    legend: Legend,
}

#[derive(Debug, Default, Deserialize)]
struct Legend {
    placement: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct FieldConfig {
    pub(crate) defaults: Defaults,
    pub(crate) overrides: Vec<Override>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Defaults {
    #[serde(default)]
    pub(crate) unit: String,
    pub(crate) max: Option<f64>,
    #[serde(default)]
    pub(crate) custom: Custom,
    #[serde(default)]
    pub(crate) thresholds: Thresholds,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Custom {
    #[serde(default)]
    stacking: Stacking,
}

#[derive(Debug, Default, Deserialize)]
struct Stacking {
    mode: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Thresholds {
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    color: String,
    value: Option<f64>,
}

/// The colour of one series.
#[derive(Debug, Deserialize)]
pub(crate) struct Override {
    matcher: Matcher,
    properties: Vec<Property>,
}

#[derive(Debug, Deserialize)]
struct Matcher {
    options: String,
}

#[derive(Debug, Deserialize)]
struct Property {
    value: Colour,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Colour {
    fixed_color: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) ref_id: String,
    pub(crate) expr: String,
    pub(crate) legend_format: String,
}

impl Dashboard {
    pub(crate) fn shipped() -> Self {
        serde_json::from_str(SHIPPED).expect("the dashboard is what Grafana takes, as far as we read it")
    }

    /// Panels that ask something.
    pub(crate) fn asking(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().filter(|panel| panel.kind != Kind::Row)
    }
}

impl Panel {
    pub(crate) fn is_stacked(&self) -> bool {
        self.field_config.defaults.custom.stacking.mode == "normal"
    }

    /// Whether the names of series stand beside the chart, not below it.
    pub(crate) fn is_named_beside(&self) -> bool {
        self.options.legend.placement == "right"
    }

    /// The colour that the panel gives a series, by name.
    pub(crate) fn colour_of(&self, series: &str) -> Option<&str> {
        let own = self.field_config.overrides.iter().find(|own| own.matcher.options == series)?;
        own.properties.first().map(|property| &*property.value.fixed_color)
    }

    /// The colour that a value has by the panel's thresholds.
    pub(crate) fn colour_at(&self, value: f64) -> Option<&str> {
        let steps = &self.field_config.defaults.thresholds.steps;
        let reached = steps.iter().rev().find(|step| step.value.is_none_or(|from| value >= from));
        reached.map(|step| &*step.color)
    }
}

impl Target {
    /// The expression as Grafana sends it with all instances and policies chosen.
    pub(crate) fn filled_in(&self, rate_interval: &str) -> String {
        self.expr.replace("$__rate_interval", rate_interval).replace("$instance", ".*").replace("$policy", ".*")
    }

    /// The name of a series: its labels in the place of `{{label}}`.
    pub(crate) fn name_of(&self, labels: &serde_json::Value) -> String {
        let mark = Regex::new(r"\{\{(\w+)\}\}").expect("a pattern");
        let label = |found: &regex::Captures<'_>| labels[&found[1]].as_str().unwrap_or_default().to_owned();
        mark.replace_all(&self.legend_format, label).into_owned()
    }
}
