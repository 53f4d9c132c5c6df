//! Known attacks, each at each place of a request: a table of what is caught, which may only improve.

use std::collections::BTreeMap;

use carewarden::inspect::{Level, Settings};

use crate::support::{body, encode, form, head, settings};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inspect/table.json");
const PLACES: [&str; 7] = ["path", "query", "header", "cookie", "json_string", "json_key", "form"];

/// For each class and place how many are caught, and which are not.
type Table = BTreeMap<String, BTreeMap<String, Row>>;

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Row {
    caught: usize,
    missed: Vec<String>,
}

fn attacks() -> BTreeMap<String, Vec<String>> {
    serde_json::from_str(include_str!("attacks.json")).unwrap()
}

fn is_caught(settings: &Settings, class: &str, place: &str, attack: &str) -> bool {
    let encoded = encode(attack, "");
    let json = |text: &str| serde_json::to_string(text).unwrap();
    match place {
        "path" => head(settings, &format!("/api/{}", encode(attack, "/").trim_start_matches('/')), &[]),
        "query" => head(settings, &format!("/api?q={encoded}"), &[]),
        "header" => {
            let name = if class == "scanner" { "user-agent" } else { "x-note" };
            head(settings, "/api", &[(name, attack.as_bytes())])
        }
        "cookie" => head(settings, "/api", &[("cookie", format!("a=b; c={encoded}").as_bytes())]),
        "json_string" => body(settings, &format!(r#"{{"note": {}}}"#, json(attack)), false),
        "json_key" => body(settings, &format!(r#"{{{}: 1}}"#, json(attack)), false),
        "form" => form(settings, &format!("q={encoded}")),
        _ => panic!("no such place"),
    }
    .is_refusal()
}

fn judge() -> Table {
    let settings = settings(Level::Standard);
    let mut table = Table::new();
    for (class, attacks) in attacks() {
        for place in PLACES {
            let row = table.entry(class.clone()).or_default().entry(place.to_owned()).or_default();
            for attack in &attacks {
                match is_caught(&settings, &class, place, attack) {
                    true => row.caught += 1,
                    false => row.missed.push(attack.clone()),
                }
            }
        }
    }
    table
}

/// `INSPECT_TABLE=rewrite cargo test --test inspect` writes the table anew.
#[test]
fn what_was_caught_is_caught() {
    let attacks = attacks();
    assert!(attacks.len() >= 12 && attacks.values().map(Vec::len).sum::<usize>() >= 300);
    let found = judge();
    if std::env::var_os("INSPECT_TABLE").is_some_and(|value| value == "rewrite") {
        std::fs::write(TABLE, format!("{}\n", serde_json::to_string_pretty(&found).unwrap())).unwrap();
    }
    let table: Table = serde_json::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap();
    for (class, places) in &found {
        for (place, row) in places {
            let known = table.get(class).and_then(|places| places.get(place)).cloned().unwrap_or_default();
            let missed: Vec<_> = row.missed.iter().filter(|attack| !known.missed.contains(attack)).collect();
            assert!(missed.is_empty(), "{class} in {place} are missed now: {missed:#?}");
        }
    }
    assert_eq!(found, table, "more is caught than the table says: INSPECT_TABLE=rewrite writes it anew");
}

/// Most of what is known is caught wherever it stands.
#[test]
fn nine_of_ten_are_caught_at_each_place() {
    let found = judge();
    for place in PLACES {
        let rows = found.iter().filter(|(class, _)| *class != "scanner").filter_map(|(_, places)| places.get(place));
        let (caught, missed) = rows.fold((0, 0), |(caught, missed), row| (caught + row.caught, missed + row.missed.len()));
        assert!(caught >= 9 * missed, "{place}: {caught} caught, {missed} missed");
    }
}
