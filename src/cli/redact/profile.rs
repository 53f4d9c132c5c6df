//! The rules to redact by: a policy's profile or a preset, and what is said about their secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;

use super::super::{CannotRun, environment, files, policy_path, style};
use super::input::shown;
use crate::exchange::Engine;
use crate::policy::diagnostic::{Severity, quoted_variable};
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
    tell_of_secrets(&program, &Value::Null);
    Ok(program)
}

/// The program of a policy's profile.
pub(super) fn of_policy(path: &Path, profile: &str) -> Result<Rc<Program>, CannotRun> {
    let path = policy_path(path);
    let policy = files::read_policy(&path)?;
    let (engine, found) = Engine::load(&policy, &environment);
    let Some(engine) = engine else {
        let first = found.iter().find(|found| found.severity == Severity::Error).map(ToString::to_string);
        return Err(CannotRun(format!("`{}` is refused: {}", shown(&path), first.unwrap_or_default())));
    };
    let program = engine
        .profile(profile)
        .ok_or_else(|| CannotRun(format!("`{}` has no redaction profile `{profile}`", shown(&path))))?;
    tell_of_secrets(&program, &serde_json::from_slice(&policy).unwrap_or_default());
    Ok(program)
}

/// Says once of each secret that the rules ask for and that is not there what comes of it.
fn tell_of_secrets(program: &Program, policy: &Value) {
    let texts = preset::names().filter_map(|name| Some((name, serde_json::from_str(preset::text(name)?).ok()?)));
    let presets: BTreeMap<&str, Value> = texts.collect();
    let rule = |pointer: &str| match pointer.split_once('#').filter(|_| !pointer.starts_with('/')) {
        Some((name, pointer)) => presets.get(name)?.pointer(pointer).cloned(),
        None => policy.pointer(pointer).cloned(),
    };
    let secret = |rule: Value| {
        let action = rule.get("action")?;
        let options = action.get("hash").or_else(|| action.get("shift_dates"))?;
        options.pointer("/key/env")?.as_str().map(str::to_owned)
    };
    let secrets: BTreeSet<String> = program.rules().filter_map(rule).filter_map(secret).collect();
    for name in secrets.iter().filter(|name| environment(name).is_none()) {
        let name = quoted_variable(name);
        style::note(&format!("{name} is not in the environment: what it would hash or shift is removed"));
    }
}
