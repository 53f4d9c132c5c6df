//! Where results go: whole or not at all.
//!
//! On standard output the last bracket waits for the end of the input. In a directory a result is written under a hidden
//! name of its own and takes its place only when the whole input was found well, so that what stands there is whole.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use super::super::CannotRun;
use super::input::shown;
use super::pass::Problem;

/// An output that keeps back its last bracket and what follows it, until all of the input was found well.
pub(super) struct Withholding<W> {
    inner: W,
    withheld: Vec<u8>,
}

impl<W: Write> Withholding<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, withheld: Vec::new() }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let last = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace());
        if let Some((free, kept)) = last.and_then(|at| bytes.split_at_checked(at)) {
            self.inner.write_all(&self.withheld)?;
            self.inner.write_all(free)?;
            self.withheld.clear();
            self.withheld.extend_from_slice(kept);
        } else {
            self.withheld.extend_from_slice(bytes);
        }
        Ok(())
    }

    pub(super) fn release(mut self) -> std::io::Result<()> {
        self.inner.write_all(&self.withheld)?;
        self.inner.flush()
    }
}

/// The directory that results go to.
pub(super) struct Directory {
    path: PathBuf,
    /// Whether a result that is there already is written over.
    force: bool,
    begun: u64,
}

/// A result on its way: gone again unless it is put in its place.
pub(super) struct Unfinished {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Directory {
    /// Makes the directory, unless what is to be redacted stands in it or it would stand in that.
    pub(super) fn make(path: &Path, force: bool, inputs: &[PathBuf]) -> Result<Self, CannotRun> {
        if inputs.is_empty() {
            return Err(CannotRun("standard input has no name to be written under; leave out --output".to_owned()));
        }
        let cannot = |error: &std::io::Error| CannotRun(format!("cannot make `{}`: {error}", shown(path)));
        let own = resolve(path).map_err(|error| cannot(&error))?;
        for input in inputs {
            // What is not there is named when it is looked for.
            let Ok(input_path) = input.canonicalize() else { continue };
            if own.starts_with(&input_path) || input_path.starts_with(&own) {
                let (input, path) = (shown(input), shown(path));
                return Err(CannotRun(format!(
                    "of `{path}` and `{input}` one stands in the other; write the results elsewhere"
                )));
            }
        }
        std::fs::create_dir_all(path).map_err(|error| cannot(&error))?;
        Ok(Self { path: path.to_owned(), force, begun: 0 })
    }

    /// Whether a result may not be written there.
    pub(super) fn is_taken(&self, name: &Path) -> bool {
        !self.force && self.path.join(name).symlink_metadata().is_ok()
    }

    /// Begins a result.
    pub(super) fn begin(&mut self) -> Result<Unfinished, Problem> {
        loop {
            self.begun += 1;
            let path = self.path.join(format!(".carewarden-{}-{}.partial", std::process::id(), self.begun));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Unfinished { file: BufWriter::new(file), path }),
                // Somebody else's, who was stopped.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
                Err(error) => return Err(Problem::Writing(error)),
            }
        }
    }

    /// Puts a result, which is whole, in its place.
    pub(super) fn place(&self, mut result: Unfinished, name: &Path) -> Result<(), Problem> {
        if self.is_taken(name) {
            return Err(Problem::Exists);
        }
        let target = self.path.join(name);
        let placed = result
            .file
            .flush()
            .and_then(|()| target.parent().map_or(Ok(()), std::fs::create_dir_all))
            .and_then(|()| std::fs::rename(&result.path, &target));
        placed.map_err(Problem::Writing)
    }
}

impl Unfinished {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.file.write_all(bytes).map_err(Problem::Writing)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Where it was put in its place there is nothing of this name any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Where a path leads, as far as it is there already.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let there = whole.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)));
    let (there, resolved) = there.ok_or(ErrorKind::NotFound)?;
    let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
    if rest.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "`..` after a directory that is not there"));
    }
    Ok(resolved.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bracket_waits_for_the_end() {
        let mut written = Vec::new();
        let mut output = Withholding::new(&mut written);
        for part in ["{\"a\":", "1}", " \n"] {
            output.write(part.as_bytes()).unwrap();
        }
        drop(output);
        assert_eq!(written, b"{\"a\":1");
    }

    #[test]
    fn a_path_is_resolved_as_far_as_it_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
        assert_eq!(resolve(&root.join("src/../absent/more")).unwrap(), root.join("absent/more"));
        assert!(resolve(&root.join("absent/../src")).is_err());
    }
}
