//! The `carewarden` command line.

fn main() {}
