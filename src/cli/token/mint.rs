//! `carewarden token mint`: tokens for development.

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::{Map, Value, json};

use super::private_key::PrivateKey;
use super::{moment, now, read_file};
use crate::cli::{CannotRun, Outcome, style};
use crate::policy::model;

/// Make a token for development, signed with a private key.
///
/// Whoever has the key is the issuer; a key that is trusted anywhere but on a desk belongs to an identity provider.
#[derive(Debug, Args)]
#[command(after_help = "\
The token goes to standard output. `iat` is now, `exp` five minutes later, unless they are given.

Examples:
  carewarden token mint --key key.pem --alg ES256 --issuer https://idp.example.org --audience https://fhir.example.org --subject nurse-1 --claim roles='[\"nurse\"]'
  carewarden token mint --key secret.jwk --alg HS256 --claims '{\"iss\": \"https://idp.example.org\"}' --expires-in 1h
  carewarden token mint --key key.pem --alg RS256 --kid rs256 --now 2027-01-15T08:00:00Z | carewarden token --policy policy.json")]
pub(super) struct Mint {
    /// The private key: PEM (PKCS #8, PKCS #1 or SEC 1), a private JWK, or a secret as a JWK (`oct`).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The algorithm: RS, PS 256 to 512, ES256, ES384, EdDSA, HS256 to HS512.
    #[arg(long, value_parser = algorithm)]
    alg: Algorithm,
    /// The `kid` of the header; that of a JWK when absent.
    #[arg(long)]
    kid: Option<String>,
    /// The `typ` of the header.
    #[arg(long, default_value = "JWT")]
    typ: String,
    /// Claims, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = object)]
    claims: Option<Claims>,
    /// One claim: its name, and JSON, or a text. May be given several times.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    each: Vec<(String, Value)>,
    /// The `iss`.
    #[arg(long)]
    issuer: Option<String>,
    /// The `aud`. Several make a list.
    #[arg(long)]
    audience: Vec<String>,
    /// The `sub`.
    #[arg(long)]
    subject: Option<String>,
    /// From `iat` to `exp`.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    expires_in: Duration,
    /// The moment of issue (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<i64>,
}

/// The claims that were given.
#[derive(Clone, Debug)]
struct Claims(Map<String, Value>);

impl Mint {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let cannot = |problem: String| CannotRun(format!("cannot sign with `{}`: {problem}", self.key.display()));
        let PrivateKey { kid, key } = PrivateKey::read(&read_file(&self.key)?, self.alg).map_err(cannot)?;
        let mut header = json!({ "alg": self.alg, "typ": self.typ });
        if let (Some(kid), Some(header)) = (self.kid.clone().or(kid), header.as_object_mut()) {
            header.insert("kid".to_owned(), kid.into());
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&self.payload()?));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, self.alg);
        let signature = signature.map_err(|error| cannot(error.to_string()))?;
        style::note("this token is for development: whoever has the key is the issuer");
        writeln!(std::io::stdout().lock(), "{signed}.{signature}")?;
        Ok(Outcome::Fine)
    }

    fn payload(&self) -> Result<Value, CannotRun> {
        let mut claims = self.claims.clone().map(|Claims(claims)| claims).unwrap_or_default();
        claims.extend(self.each.iter().cloned());
        let audience = match self.audience.as_slice() {
            [] => None,
            [one] => Some(json!(one)),
            several => Some(json!(several)),
        };
        let named =
            [("iss", self.issuer.as_ref().map(|text| json!(text))), ("sub", self.subject.as_ref().map(|text| json!(text)))];
        for (name, value) in named.into_iter().chain([("aud", audience)]) {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        }
        let issued = self.now.map_or_else(now, Ok)?;
        let expires = issued.saturating_add(i64::try_from(self.expires_in.as_secs()).unwrap_or(i64::MAX));
        claims.entry("iat").or_insert_with(|| issued.into());
        claims.entry("exp").or_insert_with(|| expires.into());
        Ok(Value::Object(claims))
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_str(name).map_err(|_| "write RS256, PS256, ES256, ES384, EdDSA, HS256 or one of their kind".to_owned())
}

fn object(text: &str) -> Result<Claims, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(claims)) => Ok(Claims(claims)),
        Ok(_) => Err("claims are a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn duration(text: &str) -> Result<Duration, String> {
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    model::Duration::deserialize(text).map(|duration| duration.0).map_err(|error| error.to_string())
}
