//! What there is to redact: standard input, files, and what stands in directories.
//!
//! A directory is walked in the order of its names, so that two runs do the same in the same order. Taken from it are
//! regular files that end in `.json` or `.ndjson`. Left out, and counted, are names that begin with `.`, links, which may
//! lead anywhere, and all else: what cannot be redacted is not copied. A file that is named itself is always taken.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirEntry, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::CannotRun;
use super::Layout;
use super::pass::Problem;
use crate::redact::Format;

/// One thing to redact.
#[derive(Debug)]
pub(super) struct Input {
    /// None is standard input.
    pub(super) path: Option<PathBuf>,
    /// Where what is left of it goes, below the output directory.
    pub(super) name: PathBuf,
    /// How long it was when it was found, where that is known.
    pub(super) bytes: Option<u64>,
    pub(super) format: Format,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) inputs: Vec<Input>,
    /// What could not be looked at.
    pub(super) problems: Vec<(PathBuf, Problem)>,
    pub(super) left_out: LeftOut,
    /// Whether more than one file can have been meant.
    pub(super) several: bool,
}

/// What of directories was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) hidden: u64,
    pub(super) links: u64,
    pub(super) others: u64,
}

impl Found {
    /// Refuses to do nothing.
    pub(super) fn check(&self) -> Result<(), CannotRun> {
        if self.inputs.is_empty() && self.problems.is_empty() {
            return Err(CannotRun(format!("there is no file that ends in .json or .ndjson{}", self.left_out)));
        }
        Ok(())
    }
}

impl Input {
    pub(super) fn open(&self) -> std::io::Result<Box<dyn Read>> {
        Ok(match &self.path {
            Some(path) => Box::new(File::open(path)?),
            None => Box::new(std::io::stdin().lock()),
        })
    }

    /// What to call it: never what it holds.
    pub(super) fn title(&self) -> String {
        self.path.as_deref().map_or_else(|| "standard input".to_owned(), shown)
    }
}

/// Refuses inputs whose results would take one another's place.
pub(super) fn check_names(inputs: &[Input]) -> Result<(), CannotRun> {
    let mut known: BTreeMap<&Path, &Input> = BTreeMap::new();
    for input in inputs {
        if let Some(other) = known.insert(&input.name, input) {
            let (one, other, name) = (other.title(), input.title(), shown(&input.name));
            return Err(CannotRun(format!("{one} and {other} would both be written to {name}; redact them one by one")));
        }
    }
    Ok(())
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hidden, links, others } = self;
        let counts = [(hidden, "hidden"), (links, "linked"), (others, "of other kinds")];
        let mut counts = counts.into_iter().filter(|(count, _)| **count > 0);
        if let Some((count, what)) = counts.next() {
            write!(f, "; left out: {count} {what}")?;
        }
        counts.try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// A path for people. Control characters are written out: a terminal takes no orders from a file's name.
pub(super) fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.display().to_string().chars().map(escape).collect()
}

/// Finds what the arguments name; standard input when there are none.
pub(super) fn find(named: &[PathBuf], layout: Option<Layout>) -> Found {
    let mut found = Found { several: named.len() > 1, ..Found::default() };
    if named.is_empty() {
        let format = Layout::of_named(layout, Path::new(""));
        found.inputs.push(Input { path: None, name: PathBuf::new(), bytes: None, format });
    }
    for path in named {
        match path.metadata() {
            Err(error) => found.problems.push((path.clone(), Problem::Reading(error))),
            Ok(data) if data.is_dir() => {
                found.several = true;
                walk(path, Path::new(""), layout, &mut found);
            }
            Ok(data) => {
                let name = path.file_name().map(PathBuf::from).unwrap_or_default();
                let (bytes, format) = (data.is_file().then_some(data.len()), Layout::of_named(layout, path));
                found.inputs.push(Input { path: Some(path.clone()), name, bytes, format });
            }
        }
    }
    found
}

fn walk(directory: &Path, beneath: &Path, layout: Option<Layout>, found: &mut Found) {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<DirEntry>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return found.problems.push((directory.to_owned(), Problem::Reading(error))),
    };
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => {
                found.problems.push((path, Problem::Reading(error)));
                continue;
            }
        };
        let beneath = beneath.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            found.left_out.hidden += 1;
        } else if kind.is_symlink() {
            found.left_out.links += 1;
        } else if kind.is_dir() {
            walk(&path, &beneath, layout, found);
        } else if let Some(format) = Layout::of_found(layout, &path).filter(|_| kind.is_file()) {
            let bytes = entry.metadata().ok().map(|data| data.len());
            found.inputs.push(Input { path: Some(path), name: beneath, bytes, format });
        } else {
            found.left_out.others += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_a_terminal_no_orders() {
        assert_eq!(shown(Path::new("a\x1b[2J é\n")), "a\\u{1b}[2J é\\n");
    }
}
