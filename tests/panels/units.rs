//! Values as Grafana writes them, for the units that the dashboard has.

/// A value of a unit in few characters; `None` for a unit that we do not know.
pub(crate) fn format(value: f64, unit: &str) -> Option<String> {
    Some(match unit {
        "short" => scaled(value, 1_000.0, &["", "k", "M"]),
        "reqps" => format!("{} req/s", scaled(value, 1_000.0, &["", "k", "M"])),
        "cps" => format!("{} /s", scaled(value, 1_000.0, &["", "k", "M"])),
        "percent" => format!("{} %", number(value)),
        "percentunit" => format!("{} %", number(value * 100.0)),
        "bytes" => format!("{}B", scaled(value, 1_024.0, &["", "Ki", "Mi", "Gi"])),
        "ms" if value < 1_000.0 => format!("{} ms", number(value)),
        "ms" => format!("{} s", number(value / 1_000.0)),
        "s" if value < 600.0 => format!("{} s", number(value)),
        "s" if value < 7_200.0 => format!("{} min", number(value / 60.0)),
        "s" => format!("{} h", number(value / 3_600.0)),
        _ => return None,
    })
}

fn scaled(value: f64, step: f64, prefixes: &[&str]) -> String {
    let mut value = value;
    let mut prefixes = prefixes.iter();
    let mut prefix = prefixes.next().unwrap_or(&"");
    while value.abs() >= step {
        let Some(next) = prefixes.next() else { break };
        (value, prefix) = (value / step, next);
    }
    let space = if prefix.is_empty() || step < 1_024.0 { "" } else { " " };
    format!("{}{space}{prefix}", number(value))
}

/// At most three digits that matter.
fn number(value: f64) -> String {
    let digits = if value.abs() < 1.0 { 2 } else { usize::from(value.abs() < 10.0) };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
