//! `--report`: how many values each rule took where, and what became of them. Never the values, and no key that may be
//! one: see [`crate::redact::Path`].

use std::collections::BTreeMap;

use serde_json::json;

use super::super::Format;
use super::explain::MODIFIER;
use crate::redact::{Program, Summary, Touch};

/// The most rows: paths come from R4 and the policy, but elements of R4 that hold one another make many.
const MAX_ROWS: usize = 10_000;

/// What the paths beyond that are called.
const OTHERS: &str = "(other paths)";

/// A rule by its place, the general path of a value, and what was done. A rule's absence comes last.
type Row = (usize, String, &'static str);

/// What was done to inputs that were found well.
#[derive(Debug, Default)]
pub(super) struct Tally {
    redacted: u64,
    refused: u64,
    actions: BTreeMap<&'static str, u64>,
    rows: BTreeMap<Row, u64>,
}

/// What was done to one input, until it is known to be well.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<Row, u64>);

impl Rows {
    pub(super) fn add(&mut self, touches: &[Touch]) {
        for touch in touches.iter().filter(|touch| touch.action != "unchanged") {
            let row = (touch.rule.unwrap_or(usize::MAX), touch.path.general(), touch.action);
            add(&mut self.0, row, 1);
        }
    }
}

fn add(rows: &mut BTreeMap<Row, u64>, mut row: Row, more: u64) {
    if rows.len() >= MAX_ROWS && !rows.contains_key(&row) {
        row.1 = OTHERS.to_owned();
    }
    let count = rows.entry(row).or_default();
    *count = count.saturating_add(more);
}

impl Tally {
    pub(super) fn add(&mut self, summary: &Summary, rows: Rows) {
        self.redacted += 1;
        for (action, count) in summary.actions() {
            let total = self.actions.entry(action).or_default();
            *total = total.saturating_add(count);
        }
        rows.0.into_iter().for_each(|(row, count)| add(&mut self.rows, row, count));
    }

    /// Nothing came of an input.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    pub(super) fn redacted(&self) -> u64 {
        self.redacted
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn text(&self, program: &Program, format: Format) -> String {
        let Self { redacted, refused, actions, rows } = self;
        let rule = |rule: usize| if rule == usize::MAX { None } else { Some(program.pointer(rule)) };
        if format == Format::Json {
            let rows: Vec<_> = rows
                .iter()
                .map(|((at, path, action), count)| json!({"rule": rule(*at), "path": path, "action": action, "count": count}))
                .collect();
            let files = json!({"redacted": redacted, "refused": refused});
            return format!("{}\n", json!({"files": files, "actions": actions, "rules": rows}));
        }
        let line = |count: &u64, what: &str| format!("{count:>10}  {what}\n");
        let files = [line(redacted, "files redacted"), line(refused, "files refused")];
        let actions = actions.iter().filter(|(_, count)| **count > 0);
        let actions = actions.map(|(action, count)| line(count, &format!("values {action}")));
        let rows = rows.iter().map(|((at, path, action), count)| {
            line(count, &format!("{action:<11}  {path:<40}  {}", rule(*at).unwrap_or(MODIFIER)))
        });
        files.into_iter().chain(actions).chain(rows).collect()
    }
}
