//! `carewarden explain`: what becomes of one request, step by step, and why.
//!
//! The exchange is that of `carewarden test`, so the decision is the engine's; it only keeps what it tries
//! ([`crate::exchange::explain`]).

mod conclusion;
mod place;
mod print;
mod request;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use super::simulation::{Outcome as Exchanged, explain};
use super::{CannotRun, Format, Outcome, environment, files, policy_path, token};
use crate::audit::Decision;
use crate::exchange::Engine;
use crate::policy::diagnostic::Severity;
use crate::policy::model::Timestamp;
use place::Places;
use request::Asked;

/// Say why a request is let through or refused: each route, provider, rule, check and redaction, in order.
#[derive(Debug, Args)]
#[command(after_help = "\
A request is the document that tests have: `method`, `path`, `host`, `headers`, `source`, `tls`, and one of `body`
(JSON), `body_text`, `body_base64`. Beside them may stand `response`, the upstream's answer (`status`, `headers`, a
body), which is then redacted, and `principal`, a caller whose credentials are taken to be verified (`provider`,
`roles`, `claims`, `client`, `subject`), since real tokens are rarely at hand.

The decision is the engine's, the same that runs in Envoy. Marks: `ok` holds, `FAIL` refuses the request, `-` does not
hold and the next is tried. Lines name the place in the policy. With --format json each step is one object a line; the
last line is the decision with the audit record. Secrets come from the environment, as in Envoy; without them redaction
by keys removes. What is said repeats the request and claims of its token, never a credential: mind where it goes.

What is not explained: nobody is asked from a desk, so tokens whose keys are fetched end as `identity_unavailable`
unless --jwks gives the keys (`policy_sha256` is then that of the policy with them), and opaque ones do unless a
`principal` is stated. Of a malformed body or answer the kind of fault is said, not the place of it; of a type that an
answer may not hold, what it may hold. Of a client certificate that no provider knows it is not said which of its
names failed. Time-outs, capacity, Envoy's own limits and rate limits are not part of it.

Ends with 0 when the request, and its answer, are let through, 1 when not (in shadow mode: would not), 2 when nothing
could be judged.

Examples:
  carewarden explain --policy policies/clinic request.json
  carewarden explain --policy policies/clinic --now 2026-11-23T12:00:00Z --format json request.json
  carewarden explain --policy policy.json --jwks keys.json request.json
  carewarden explain --policy policies/clinic --case \"a guessed key opens nothing\"
  echo '{\"path\": \"/fhir/Patient/1\", \"host\": \"fhir.clinic.example\"}' | carewarden explain --policy policies/clinic")]
pub(super) struct Explain {
    /// The policy file, or a directory that holds a `policy.json`.
    #[arg(long)]
    policy: PathBuf,
    /// Explain this case of the `tests.json` beside the policy, at the moment and in the environment that it states.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "now"])]
    case: Option<String>,
    /// Judge as at this moment (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<i64>,
    /// A JWK or a JWK Set: stands in for the keys of the policy's issuers, for example where it fetches them.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// How to write the result: JSON is one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The request; standard input when absent.
    file: Option<PathBuf>,
}

impl Explain {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let path = policy_path(&self.policy);
        let text = files::read_policy(&path)?;
        let asked = match &self.case {
            Some(name) => Asked::of_case(path.parent().unwrap_or(Path::new("")), name)?,
            None => Asked::read(self.file.as_deref())?,
        };
        let env = |name: &str| asked.env.as_ref().map_or_else(|| environment(name), |env| env.get(name).cloned());
        let (engine, found) = match &self.jwks {
            Some(keys) => Engine::load(token::with_keys(&text, &token::read_json(keys)?, None)?.as_bytes(), &env),
            None => Engine::load(&text, &env),
        };
        let engine = engine.ok_or_else(|| {
            let errors = found.iter().filter(|found| found.severity == Severity::Error).count();
            let path = path.display();
            CannotRun(format!("`{path}` is refused with {errors} errors; `carewarden check {path}` names them"))
        })?;
        let now = self.now.or(asked.now).unwrap_or_else(now);
        let exchanged = explain(&engine, now, &asked.request, asked.stand_in.as_ref(), asked.answer.as_ref());
        let exchanged = exchanged.map_err(CannotRun)?;
        let places = Places::new(&path, &String::from_utf8_lossy(&text));
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Text => print::text(&asked.request, &exchanged, &places, &mut out)?,
            Format::Json => print::json(&exchanged, &places, &mut out)?,
        }
        out.flush()?;
        Ok(if is_allowed(&exchanged) { Outcome::Fine } else { Outcome::Findings })
    }
}

fn is_allowed(exchanged: &Exchanged) -> bool {
    exchanged.record.decision == Decision::Allow
}

fn moment(text: &str) -> Result<i64, String> {
    let moment = Timestamp::parse(text).map(|Timestamp(seconds)| seconds);
    moment.ok_or_else(|| "write RFC 3339, as in 2027-01-15T08:00:00Z".to_owned())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
