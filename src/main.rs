//! The `carewarden` command line. See [`carewarden::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    carewarden::cli::run()
}
