//! Tries a deployment from outside: what anybody can try of any that Carewarden guards, and of the repository's own stack
//! all the rest. It ends with 0 when every answer was as it has to be.
//!
//! `make smoke` tries the stack that `make up` started, `make smoke TARGET=https://…` one of yours.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what tries may fail loudly, as tests do")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

#[path = "../demo/paper.rs"]
#[expect(dead_code, reason = "the demo uses the rest")]
mod paper;

mod anyone;
mod reader;
mod stack;
mod target;
mod trial;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::{env, io};

use crate::target::Target;
use crate::trial::Trial;

const HELP: &str = "\
Tries a deployment of Carewarden from outside, and ends with 0 when every answer was as it has to be.

Usage: smoke [URL]

Without a URL it tries the stack of `make up`. With one, say https://fhir.example.org, it sends requests that have to be
refused, which changes nothing there and floods nobody. The environment says more of a deployment of yours:

  CA      a file with the certificates to trust; without it those that this machine trusts
  READ    a path that needs a credential (/fhir/Patient/1)
  TOKEN   a bearer token, or
  API_KEY a key for x-api-key, of somebody who may read it
  HIDDEN  words that the answer must not hold then, parted by commas

Examples:
  make smoke
  make smoke TARGET=https://fhir.example.org
  READ=/fhir/Patient/1 API_KEY=$KEY HIDDEN=Haddad,555- make smoke TARGET=https://fhir.example.org
";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let argument = env::args().nth(1);
    if matches!(argument.as_deref(), Some("--help" | "-h")) {
        write!(io::stdout(), "{HELP}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_own = argument.is_none();
    let target = argument.map_or_else(Target::stack, |url| Target::parse(&url))?;
    let mut trial = Trial::new(&target)?;
    if is_own {
        stack::wait(&target)?;
    }
    anyone::attempt(&mut trial)?;
    reader::attempt(&mut trial)?;
    if is_own {
        stack::attempt(&mut trial)?;
    }
    Ok(if trial.conclude()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
