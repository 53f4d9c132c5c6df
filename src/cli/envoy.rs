//! `carewarden check --envoy`: what in an Envoy configuration lets traffic past the filter, or past what it promises.
//!
//! [`sources`] reads the configuration and the files that it names, [`scene`] finds listeners, filters, routes and clusters
//! in them, [`policy`] reads the policy out of our filter, and [`rules`] judge. What could not be found is said: a
//! configuration that was not seen whole never passes in silence.
//!
//! Our filter is a Wasm filter whose plugin `name`, `root_id`, own name, or the file, image or URL of its code says
//! `carewarden`; or the one that `--filter` names, by one of the first three.

mod document;
mod policy;
mod rules;
mod scene;
mod sources;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::CannotRun;
use super::problem::Problem;
use crate::policy::diagnostic::Severity;
use document::{At, Unreadable};
use scene::Scene;
use sources::Sources;

pub(super) use rules::SECRET_IN_CONFIGURATION;

/// What is looked for, and how.
pub(super) struct Options<'a> {
    /// The name of our filter, where it does not tell itself.
    pub(super) filter: Option<&'a str>,
    /// Whether a secret that the environment does not hold is an error.
    pub(super) require_env: bool,
}

/// A file and what is wrong with it.
pub(super) struct Judged {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) problems: Vec<Problem>,
}

/// Judges one configuration: the file, and those that it names.
pub(super) fn judge(path: &Path, options: &Options<'_>) -> Result<Vec<Judged>, CannotRun> {
    let text = std::fs::read_to_string(path).map_err(|error| CannotRun::reading(path, &error))?;
    Ok(judge_text(path, text, options))
}

/// The same, of a text that is already read.
fn judge_text(path: &Path, text: String, options: &Options<'_>) -> Vec<Judged> {
    let sources = match Sources::read(path, text.clone()) {
        Ok(sources) => sources,
        Err(Unreadable(line, column, message)) => {
            let pointer = String::new();
            let severity = Severity::Error;
            let problem = Problem { severity, code: "syntax", pointer, line, column, message, help: None };
            return vec![Judged { path: path.to_owned(), text, problems: vec![problem] }];
        }
    };
    let found = Scene::new(&sources, options).map(|scene| rules::judge(&scene)).unwrap_or_default();
    sources.files().map(|file| Judged::of(file.root(), &found)).collect()
}

impl Judged {
    /// The problems of one file, in the order of its text.
    fn of(root: At<'_>, found: &[(At<'_>, Problem)]) -> Self {
        let file = root.file();
        let own = found.iter().filter(|(at, _)| std::ptr::eq(at.file(), file));
        let mut problems: Vec<Problem> = own.map(|(_, problem)| problem.clone()).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Self { path: file.path.clone(), text: file.text.clone(), problems }
    }
}
