//! Colour on a terminal, plain text everywhere else (and where `NO_COLOR` asks for it).

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// Bold and red: what is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Bold and yellow: what someone should look at.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Green: what is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Dim: what is there for reference.
pub(super) const DIM: Style = Style::new().dimmed();

/// Writes `text` in a style, if standard output shows styles.
pub(super) fn paint(style: Style, text: &str) -> String {
    if shows_colour(&std::io::stdout()) { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// A text that gives a terminal no orders: whatever could move its cursor or turn its writing around is escaped.
pub(super) fn printable(text: &str) -> String {
    // Controls, line and paragraph separators, and marks that turn writing around (Unicode UAX 9).
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
    };
    text.chars().map(|c| if harmful(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Says on standard error why a command could not run.
pub(super) fn complain(problem: &str) {
    let mut stderr = std::io::stderr();
    let label = if shows_colour(&stderr) { format!("{BAD}error{BAD:#}") } else { "error".to_owned() };
    // Where even this cannot be written, the exit code still says it.
    let _ = writeln!(stderr, "{label}: {problem}");
}

/// Says on standard error what someone should know before they use a result.
pub(super) fn note(what: &str) {
    let mut stderr = std::io::stderr();
    let label = if shows_colour(&stderr) { format!("{WARN}note{WARN:#}") } else { "note".to_owned() };
    // Where even this cannot be written, the result is there all the same.
    let _ = writeln!(stderr, "{label}: {what}");
}

/// Says on standard error what was done, where standard output holds a result.
pub(super) fn tell(what: &str) {
    // Where even this cannot be written, the result is there all the same.
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn shows_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
