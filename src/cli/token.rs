//! `carewarden token`: why a token is accepted or refused.

mod mint;
mod print;
mod private_key;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{CannotRun, Format, Outcome, environment, files, policy_path, style};
use crate::exchange::Engine;
use crate::identity::{Context, Explanation, KeyFile, NoCertificate, NoHost, TokenCache};
use crate::policy::diagnostic::{Code, Diagnostic, Severity};
use crate::policy::model::Timestamp;

/// The most that is read of standard input or a key file.
const MAX_INPUT: u64 = 1 << 20;

/// Say why a token (JWT) is accepted or refused: its header, the key, the signature, each claim.
///
/// With --policy the policy's rules judge the token as in Envoy. With --jwks alone only the signature is checked: any
/// payload is accepted, and no claim is judged. With both, the keys of the file stand in for those of the provider, for
/// example where the policy fetches them.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Ends with 0 when the token is accepted, 1 when it is refused, 2 when it could not be judged. Who reads the process list
sees an argument; prefer standard input. The output repeats what the token claims, so mind where it goes.

Examples:
  carewarden token --policy policies/clinic/policy.json < token.txt
  carewarden token --policy policy.json --provider smart --now 2027-01-15T08:00:00Z --format json < token.txt
  curl -s https://idp.example.org/jwks | carewarden token --jwks /dev/stdin \"$TOKEN\"
  carewarden token mint --key key.pem --alg ES256 --issuer https://idp.example.org --audience https://fhir.example.org"
)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Option<Command>,
    /// The policy whose providers judge the token, or a directory that holds a `policy.json`.
    #[arg(long, required_unless_present = "jwks")]
    policy: Option<PathBuf>,
    /// A JWK or a JWK Set: the keys to check the signature with.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The provider that is to judge; chosen by the token's issuer when absent.
    #[arg(long, value_name = "NAME", requires = "policy")]
    provider: Option<String>,
    /// Judge as at this moment (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<i64>,
    /// The client certificate (PEM or DER) that a bound token is used with.
    #[arg(long, value_name = "FILE", requires = "policy")]
    certificate: Option<PathBuf>,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The token; standard input, without the line break at its end, when absent or `-`.
    token: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mint(mint::Mint),
}

impl Token {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        if let Some(Command::Mint(mint)) = self.command {
            return mint.run();
        }
        let set = self.jwks.as_deref().map(read_json).transpose()?;
        let (explanation, unusable) = match (&self.policy, set) {
            (Some(policy), set) => (self.judge(policy, set)?, Vec::new()),
            (None, Some(set)) => {
                let file = KeyFile::read(&set).map_err(|error| self.about_keys(&error.to_string()))?;
                (file.explain(&self.text()?, &NoHost), file.faults().to_vec())
            }
            (None, None) => return Err(CannotRun("give --policy or --jwks".to_owned())),
        };
        match self.format {
            Format::Text => print::text(&explanation, &unusable)?,
            Format::Json => print::json(&explanation, &unusable)?,
        }
        Ok(if explanation.verdict.is_ok() { Outcome::Fine } else { Outcome::Findings })
    }

    fn judge(&self, policy: &Path, set: Option<Value>) -> Result<Explanation, CannotRun> {
        let path = policy_path(policy);
        let text = files::read_policy(&path)?;
        let (mut engine, warnings) = load(&path, &text)?;
        if let Some(set) = set {
            let text = with_keys(&text, &set, self.provider.as_deref())?;
            let (loaded, found) = Engine::load(text.as_bytes(), &environment);
            let error = found.into_iter().find(|found| found.severity == Severity::Error);
            let problem = error.map(|error| error.message).unwrap_or_default();
            engine = loaded.ok_or_else(|| self.about_keys(&problem))?;
        }
        let certificate = self.certificate.as_deref().map(certificate_sha256).transpose()?;
        let (cache, token) = (TokenCache::new(0), self.text()?);
        let now = self.now.map_or_else(now, Ok)?;
        let context = Context {
            now,
            moment: Duration::from_secs(u64::try_from(now).unwrap_or(0)),
            verifier: &NoHost,
            cache: &cache,
            certificate_sha256: &|| certificate,
            certificate: &NoCertificate,
            route: "",
        };
        let explained = engine.providers().explain(&token, self.provider.as_deref(), &context);
        let explained = explained.map_err(|error| CannotRun(error.to_string()))?;
        let place = explained.provider.as_ref().map(|name| format!("/authentication/{name}/"));
        let concerns = |found: &&Diagnostic| {
            found.code == Code::MissingSecret && place.as_ref().is_some_and(|place| found.pointer.starts_with(place))
        };
        warnings.iter().filter(concerns).for_each(|missing| style::note(&missing.message));
        Ok(explained)
    }

    fn about_keys(&self, problem: &str) -> CannotRun {
        let path = self.jwks.as_deref().unwrap_or(Path::new("")).display();
        CannotRun(format!("cannot use the keys of `{path}`: {problem}"))
    }

    fn text(&self) -> Result<String, CannotRun> {
        if let Some(token) = self.token.as_ref().filter(|token| *token != "-") {
            return Ok(token.clone());
        }
        let bytes = read(std::io::stdin().lock(), "standard input")?;
        // What is no UTF-8 is no token; it is judged as what it is.
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned())
    }
}

/// The policy with these keys in the place of those of its providers, or of the one that was named.
pub(super) fn with_keys(policy: &[u8], set: &Value, provider: Option<&str>) -> Result<String, CannotRun> {
    let inline = match set.get("keys") {
        Some(_) => set.clone(),
        None => json!({ "keys": [set] }),
    };
    let mut policy: Value = serde_json::from_slice(policy).map_err(|error| CannotRun(error.to_string()))?;
    let providers = policy.get_mut("authentication").and_then(Value::as_object_mut).into_iter().flatten();
    let meant = |name: &str| provider.is_none_or(|named| named == name);
    for (_, provider) in providers.filter(|(name, _)| meant(name)) {
        if let Some(jwks) = provider.get_mut("jwks") {
            *jwks = json!({ "inline": inline });
        }
    }
    Ok(policy.to_string())
}

/// Loads a policy; beside it what `check` would warn of.
fn load(path: &Path, text: &[u8]) -> Result<(Engine, Vec<Diagnostic>), CannotRun> {
    let (engine, found) = Engine::load(text, &environment);
    let errors = found.iter().filter(|found| found.severity == Severity::Error).count();
    let engine = engine.ok_or_else(|| {
        let path = path.display();
        CannotRun(format!("`{path}` is refused with {errors} errors; `carewarden check {path}` names them"))
    });
    Ok((engine?, found))
}

fn read(source: impl Read, name: &str) -> Result<Vec<u8>, CannotRun> {
    let mut bytes = Vec::new();
    let read = source.take(MAX_INPUT.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| CannotRun(format!("cannot read {name}: {error}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_INPUT {
        return Err(CannotRun(format!("{name} holds more than {MAX_INPUT} bytes")));
    }
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>, CannotRun> {
    let file = std::fs::File::open(path).map_err(|error| CannotRun::reading(path, &error))?;
    read(file, &format!("`{}`", path.display()))
}

pub(super) fn read_json(path: &Path) -> Result<Value, CannotRun> {
    let problem = |error| CannotRun(format!("`{}` is not JSON: {error}", path.display()));
    serde_json::from_slice(&read_file(path)?).map_err(problem)
}

/// SHA-256 of a certificate, as RFC 8705 section 3.1 has it: over its DER.
fn certificate_sha256(path: &Path) -> Result<[u8; 32], CannotRun> {
    let bytes = read_file(path)?;
    let Some((_, rest)) = std::str::from_utf8(&bytes).ok().and_then(|text| text.split_once("-----BEGIN CERTIFICATE-----"))
    else {
        return Ok(Sha256::digest(&bytes).into());
    };
    let body: String = rest.split("-----").next().unwrap_or_default().split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| CannotRun(format!("`{}` is no certificate in PEM", path.display())))?;
    Ok(Sha256::digest(der).into())
}

fn moment(text: &str) -> Result<i64, String> {
    let moment = Timestamp::parse(text).map(|Timestamp(seconds)| seconds);
    moment.ok_or_else(|| "write RFC 3339, as in 2027-01-15T08:00:00Z".to_owned())
}

fn now() -> Result<i64, CannotRun> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.ok_or_else(|| CannotRun("the clock of this machine stands before 1970".to_owned()))
}
