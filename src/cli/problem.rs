//! A problem as `check` tells it, of a policy or of what it stands in.

use serde::Serialize;

use crate::policy::diagnostic::{Diagnostic, Severity};

/// One problem: the fields of a [`Diagnostic`], with the code as its text.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    /// RFC 6901 pointer into the file; behind a `#` one into the policy that stands there.
    pub(super) pointer: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
}

impl From<Diagnostic> for Problem {
    fn from(found: Diagnostic) -> Self {
        let Diagnostic { severity, code, pointer, line, column, message, help } = found;
        Self { severity, code: code.as_str(), pointer, line, column, message, help }
    }
}
