//! How far a command is, as one line on a terminal; nothing anywhere else.
//!
//! The line goes to standard error, and only where that is a terminal that can take a line back. It has no colour, so
//! `NO_COLOR` asks for nothing more. What else is said meanwhile is said after [`Progress::clear`].

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is written anew, and how long a command may take before there is one.
const EVERY: Duration = Duration::from_millis(100);

/// Back to the beginning of the line, and nothing on it.
const ERASE: &str = "\r\x1b[K";

/// The line and what it says.
#[derive(Debug)]
pub(super) struct Progress {
    /// Whether there is anyone to see it.
    is_on: bool,
    is_shown: bool,
    files: Count,
    bytes: Count,
    began: Instant,
    written: Instant,
}

/// So many of so many; all of them are not always known.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    done: u64,
    all: Option<u64>,
}

impl Progress {
    /// Begins to measure. `shares` says that results go to the same terminal, where a line would stand among them.
    pub(super) fn new(files: u64, bytes: Option<u64>, shares: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let now = Instant::now();
        Self {
            is_on: std::io::stderr().is_terminal() && !is_dumb && !shares,
            is_shown: false,
            files: Count { done: 0, all: Some(files) },
            bytes: Count { done: 0, all: bytes },
            began: now,
            written: now,
        }
    }

    /// So many bytes more were read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes.done = self.bytes.done.saturating_add(bytes as u64);
        if self.is_on && self.written.elapsed() >= EVERY {
            self.written = Instant::now();
            self.is_shown = true;
            // A terminal that cannot be written to shows nothing; the work goes on.
            let _ = write!(std::io::stderr(), "{ERASE}{}", line(self.files, self.bytes, self.began.elapsed()));
        }
    }

    /// One file more is done with.
    pub(super) fn file_done(&mut self) {
        self.files.done = self.files.done.saturating_add(1);
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(std::io::stderr(), "{ERASE}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(files: Count, bytes: Count, since: Duration) -> String {
    let of = |all: Option<u64>, write: fn(u64) -> String| all.map(|all| format!(" of {}", write(all))).unwrap_or_default();
    let rate = (bytes.done as f64 / since.as_secs_f64().max(0.001)) as u64;
    let files = match files.all {
        Some(0 | 1) | None => String::new(),
        all => format!("{}{} files, ", files.done, of(all, |count| count.to_string())),
    };
    format!("{files}{}{}, {}/s", size(bytes.done), of(bytes.all, size), size(rate))
}

fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    if size < 1.0 {
        return format!("{bytes} B");
    }
    for unit in UNITS {
        if size < 1024.0 {
            return format!("{size:.1} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} PiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_many_how_much_and_how_fast() {
        let count = |done, all| Count { done, all };
        let said = |files, bytes| line(files, bytes, Duration::from_secs(2));
        let many = said(count(3, Some(12)), count(3 << 20, Some(5 << 30)));
        assert_eq!(many, "3 of 12 files, 3.0 MiB of 5.0 GiB, 1.5 MiB/s");
        assert_eq!(said(count(0, Some(1)), count(1000, None)), "1000 B, 500 B/s");
        assert_eq!(size(1 << 60), "1024.0 PiB");
    }
}
