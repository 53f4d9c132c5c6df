//! What the tour prints: plain lines, with colours on a terminal only.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// As much of a difference as is shown.
const MOST_LINES: usize = 72;

pub(crate) struct Paper {
    coloured: bool,
}

impl Paper {
    pub(crate) fn new() -> Self {
        // https://no-color.org
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: io::stdout().is_terminal() && !unwanted }
    }

    /// Prints a line.
    pub(crate) fn line(&self, style: Style, text: &str) -> io::Result<()> {
        let style = if self.coloured { style } else { Style::new() };
        writeln!(io::stdout().lock(), "{style}{text}{style:#}")
    }

    /// Prints what changed between two JSON documents, each member on a line of its own, with the lines around it.
    pub(crate) fn difference(&self, before: &[u8], after: &[u8]) -> io::Result<()> {
        let (before, after) = (pretty(before), pretty(after));
        let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let lines = compare(&before, &after);
        let is_near = |at: usize| lines.iter().skip(at.saturating_sub(1)).take(3).any(|(mark, _)| *mark != ' ');
        let mut shown: Vec<(char, &str)> = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if is_near(at) {
                shown.push(*line);
            } else if shown.last().is_none_or(|last| last.0 != '…') {
                shown.push(('…', ""));
            }
        }
        for (mark, line) in shown.iter().take(MOST_LINES) {
            let style = match mark {
                '-' => BAD,
                '+' => GOOD,
                _ => FAINT,
            };
            self.line(style, format!("    {mark} {line}").trim_end())?;
        }
        match shown.len().saturating_sub(MOST_LINES) {
            0 => Ok(()),
            more => self.line(FAINT, &format!("    … and {more} lines more")),
        }
    }
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// The lines of both, in order, marked `-` and `+` where only one has them (a longest common subsequence).
fn compare<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(char, &'t str)> {
    // A comma at the end comes and goes with the line that follows.
    let same = |a: &str, b: &str| a.trim_end_matches(',') == b.trim_end_matches(',');
    let width = after.len() + 1;
    let mut longest = vec![0_usize; (before.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    for (row, a) in before.iter().enumerate().rev() {
        for (column, b) in after.iter().enumerate().rev() {
            longest[at(row, column)] = if same(a, b) {
                longest[at(row + 1, column + 1)] + 1
            } else {
                longest[at(row + 1, column)].max(longest[at(row, column + 1)])
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < before.len() || column < after.len() {
        match (before.get(row), after.get(column)) {
            (Some(a), Some(b)) if same(a, b) => {
                lines.push((' ', *b));
                (row, column) = (row + 1, column + 1);
            }
            (Some(a), b) if b.is_none() || longest[at(row + 1, column)] >= longest[at(row, column + 1)] => {
                lines.push(('-', *a));
                row += 1;
            }
            (_, Some(b)) => {
                lines.push(('+', *b));
                column += 1;
            }
            (_, None) => break,
        }
    }
    lines
}
