//! `carewarden keygen`: an API key and the hash that a policy stores of it.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{CannotRun, Format, Outcome};

/// Make an API key of 256 random bits, and the SHA-256 hash that a policy stores of it.
#[derive(Debug, Args)]
#[command(after_help = "\
The key is shown once and stored nowhere. Put the hash in the policy and give the key to the client.

Examples:
  carewarden keygen
  carewarden keygen --format json
  printf %s \"$KEY\" | carewarden keygen --hash")]
pub(super) struct Keygen {
    /// Hash the key on the first line of standard input, without its line break, instead of making one.
    #[arg(long)]
    hash: bool,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Keygen {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let key = if self.hash { read_key()? } else { fresh_key()? };
        let hash: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut out = std::io::stdout().lock();
        match (self.format, self.hash) {
            (Format::Json, true) => writeln!(out, "{}", json!({ "sha256": hash }))?,
            (Format::Json, false) => writeln!(out, "{}", json!({ "key": key, "sha256": hash }))?,
            (Format::Text, true) => writeln!(out, "{hash}")?,
            (Format::Text, false) => writeln!(out, "key     {key}\nsha256  {hash}")?,
        }
        Ok(Outcome::Fine)
    }
}

fn fresh_key() -> Result<String, CannotRun> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| CannotRun(format!("the system gives no random bytes: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read_key() -> Result<String, CannotRun> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CannotRun(format!("cannot read the key from standard input: {error}")))?;
    let key = line.trim_end_matches(['\n', '\r']);
    if key.is_empty() { Err(CannotRun("standard input holds no key".to_owned())) } else { Ok(key.to_owned()) }
}
