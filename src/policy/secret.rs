//! Secrets: named in the policy, held by the environment.

use super::Env;
use super::diagnostic::{Code, Report, quoted_variable};
use super::document::Node;
use super::model::Secret;

/// Reads a secret. One that is absent is a warning, and the caller does without it in the way that shows least; one
/// shorter than `min_bytes` is an error. Neither message holds it.
pub fn resolve(secret: &Secret, min_bytes: usize, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Vec<u8>> {
    read(&secret.env, "env", min_bytes, at, env, report)
}

/// Reads the secret before this one, where a rotation names it.
pub fn resolve_previous(
    secret: &Secret,
    min_bytes: usize,
    at: &Node,
    env: Env<'_>,
    report: &mut Report,
) -> Option<Vec<u8>> {
    read(secret.previous.as_ref()?, "previous", min_bytes, at, env, report)
}

fn read(name: &str, key: &str, min_bytes: usize, at: &Node, env: Env<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let at = at.key(key);
    let Some(value) = env(name) else {
        let hint = report.warning(at, Code::MissingSecret, format!("the environment holds no {}", quoted_variable(name)));
        hint.help("in Envoy list it under vm_config.environment_variables.host_env_keys");
        return None;
    };
    if value.len() < min_bytes {
        let hint = report.error(at, Code::WeakSecret, format!("`{name}` is shorter than {min_bytes} bytes"));
        hint.help("`openssl rand -base64 48` makes a strong one");
        return None;
    }
    Some(value.into_bytes())
}
