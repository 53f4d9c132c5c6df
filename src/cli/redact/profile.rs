//! The rules to redact by: a policy's profile or a preset, and what is said about their secrets.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use super::super::{CannotRun, environment, policy_path, style};
use super::input::shown;
use crate::exchange::Engine;
use crate::policy::diagnostic::{Code, Diagnostic, Severity};
use crate::redact::{Program, check_preset, preset};

/// The program of a preset.
pub(super) fn of_preset(name: &str) -> Result<Rc<Program>, CannotRun> {
    let known = || preset::names().collect::<Vec<_>>().join(", ");
    let (program, found) = check_preset(name, &environment)
        .ok_or_else(|| CannotRun(format!("there is no preset `{name}`; there are {}", known())))?;
    if let Some(error) = found.iter().find(|found| found.severity == Severity::Error) {
        let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        return Err(CannotRun(format!("{}{help}", error.message)));
    }
    tell_of_secrets(found.iter());
    Ok(program)
}

/// The program of a policy's profile.
pub(super) fn of_policy(path: &Path, profile: &str) -> Result<Rc<Program>, CannotRun> {
    let path = policy_path(path);
    let policy = std::fs::read(&path).map_err(|error| CannotRun::reading(&path, &error))?;
    let (engine, found) = Engine::load(&policy, &environment);
    let Some(engine) = engine else {
        let first = found.iter().find(|found| found.severity == Severity::Error).map(ToString::to_string);
        return Err(CannotRun(format!("`{}` is refused: {}", shown(&path), first.unwrap_or_default())));
    };
    let program = engine
        .profile(profile)
        .ok_or_else(|| CannotRun(format!("`{}` has no redaction profile `{profile}`", shown(&path))))?;
    let owners: BTreeSet<&str> = program.rules().filter_map(|pointer| pointer.split("/rules/").next()).collect();
    // A preset's secrets are reported where it is taken: at `extends`, or at `apply` when no profile does.
    let is_ours = |found: &&Diagnostic| {
        let owner = found.pointer.split("/rules/").next().unwrap_or_default();
        owners.contains(owner.strip_suffix("/extends").unwrap_or(owner)) || found.pointer.ends_with("/apply")
    };
    let own_extends = format!("/redaction/{profile}/extends");
    tell_of_secrets(found.iter().filter(|found| is_ours(found) || found.pointer == own_extends));
    Ok(program)
}

/// Says once of each secret that is not there what comes of it.
fn tell_of_secrets<'d>(found: impl Iterator<Item = &'d Diagnostic>) {
    let missing = found.filter(|found| found.code == Code::MissingSecret).map(|found| found.message.as_str());
    for message in missing.collect::<BTreeSet<_>>() {
        style::note(&format!("{message}, those that it would hash or shift"));
    }
}
