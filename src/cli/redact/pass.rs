//! One input through a redactor, piece by piece.

use std::fmt;
use std::io::Read;

use super::super::progress::Progress;
use crate::redact::{self, Redactor, Summary, Touch};

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// Why nothing came of an input. It holds nothing of what was read.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is not what a profile can be applied to.
    Refused(redact::Error),
    Reading(std::io::Error),
    Writing(std::io::Error),
    /// There is a result already.
    Exists,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "is refused: {error}"),
            Self::Reading(error) => write!(f, "cannot be read: {error}"),
            Self::Writing(error) => write!(f, "cannot be written: {error}"),
            Self::Exists => f.write_str("has a result already; --force writes over it"),
        }
    }
}

/// Redacts all of an input. What may leave, and what rules touched, is given to `take` as it comes; only when this is
/// well is it known to be whole.
pub(super) fn run(
    mut input: impl Read,
    mut redactor: Redactor,
    progress: &mut Progress,
    mut take: impl FnMut(&[u8], &[Touch]) -> Result<(), Problem>,
) -> Result<Summary, Problem> {
    let mut piece = vec![0; PIECE];
    let mut out = Vec::with_capacity(PIECE);
    loop {
        let read = match input.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.map_err(Problem::Reading)?,
        };
        progress.read(read);
        out.clear();
        let judged = match piece.get(..read) {
            Some(part) if read > 0 => redactor.write(part, &mut out),
            _ => redactor.finish(),
        };
        judged.map_err(Problem::Refused)?;
        take(&out, &redactor.touches())?;
        if read == 0 {
            return Ok(redactor.summary().clone());
        }
    }
}
