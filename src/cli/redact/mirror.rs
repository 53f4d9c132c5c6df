//! Many inputs into a directory: each for itself, and what is wrong with one does not stop the others.

use super::super::progress::Progress;
use super::super::{CannotRun, Outcome, style};
use super::Run;
use super::input::{Found, Input, check_names, shown};
use super::output::Directory;
use super::pass::{self, Problem};
use super::report::{Rows, Tally};
use crate::redact::Summary;

/// Redacts all that was found. Each failure is named when it happens, and counted at the end.
pub(super) fn run(found: Found, mut directory: Directory, run: &Run, tally: &mut Tally) -> Result<Outcome, CannotRun> {
    found.check()?;
    let Found { inputs, problems, left_out, .. } = found;
    check_names(&inputs)?;
    for (path, problem) in &problems {
        style::complain(&format!("{} {problem}", shown(path)));
        tally.refuse();
    }
    let bytes = inputs.iter().map(|input| input.bytes).sum();
    let mut progress = Progress::new(inputs.len() as u64, bytes, false);
    for input in &inputs {
        match redact(input, &mut directory, run, &mut progress) {
            Ok((summary, rows)) => tally.add(&summary, rows),
            Err(problem) => {
                progress.clear();
                style::complain(&format!("{} {problem}", input.title()));
                tally.refuse();
            }
        }
        progress.file_done();
    }
    drop(progress);
    style::tell(&format!("{} of {} files redacted{left_out}", tally.redacted(), inputs.len()));
    Ok(if tally.refused() == 0 { Outcome::Fine } else { Outcome::Findings })
}

fn redact(
    input: &Input,
    directory: &mut Directory,
    run: &Run,
    progress: &mut Progress,
) -> Result<(Summary, Rows), Problem> {
    if directory.is_taken(&input.name) {
        return Err(Problem::Exists);
    }
    let opened = input.open().map_err(Problem::Reading)?;
    let (mut result, mut rows) = (directory.begin()?, Rows::default());
    let summary = pass::run(opened, run.redactor(input), progress, |out, touches| {
        rows.add(touches);
        result.write(out)
    })?;
    directory.place(result, &input.name)?;
    Ok((summary, rows))
}
