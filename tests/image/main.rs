//! Packs the module as an OCI image without a daemon, pushes it with a signature, and pulls what a key has signed:
//! `make image`, `make push`, `make verify`.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

mod layout;
mod registry;
mod signature;

/// What went wrong, for a person.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: image pack MODULE SBOM DIRECTORY
       image push DIRECTORY REPOSITORY [KEY]
       image verify REPOSITORY@DIGEST PUBLIC_KEY FILE";

fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["pack", module, bill, directory] => {
            let bill = fs::read_to_string(bill)?;
            layout::pack(&fs::read(module)?, &bill, Path::new(directory))?;
        }
        ["push", directory, repository, key @ ..] if key.len() <= 1 => {
            let key = key.first().map(fs::read_to_string).transpose()?;
            registry::Skopeo::default().push(Path::new(directory), repository, key.as_deref())?;
        }
        ["verify", reference, key, file] => {
            let module = registry::Skopeo::default().pull(reference, &fs::read_to_string(key)?)?;
            fs::write(file, module)?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
