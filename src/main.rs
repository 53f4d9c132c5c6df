//! The `carewarden` command line. See [`carewarden::cli`].

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    carewarden::cli::run()
}

/// WebAssembly has no command line, but Cargo builds every binary before it runs tests.
#[cfg(target_family = "wasm")]
fn main() {}
