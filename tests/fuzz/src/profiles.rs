//! The profiles that answers are run under, compiled once.

use std::collections::BTreeMap;
use std::rc::Rc;

use carewarden::redact::{Program, compile_preset, preset};
use serde_json::Value;

use crate::support::{PHI_KEY, programs};

/// Profiles of our own, which stand for what a rule can be.
const PROFILES: &str = include_str!("../profiles.json");

thread_local! {
    static PROGRAMS: BTreeMap<String, Rc<Program>> = compiled();
}

fn compiled() -> BTreeMap<String, Rc<Program>> {
    let profiles: Value = serde_json::from_str(PROFILES).expect("profiles are JSON");
    let mut all = programs(&profiles).expect("profiles are valid");
    for name in preset::names() {
        let program = compile_preset(name, &|name| (name == "PHI_KEY").then(|| PHI_KEY.to_owned()));
        all.insert(name.to_owned(), program.expect("a preset"));
    }
    all.insert("none".to_owned(), Rc::new(Program::pass()));
    all
}

/// The one that a byte stands for.
pub fn one(byte: u8) -> Option<(String, Rc<Program>)> {
    PROGRAMS.with(|all| {
        let (name, program) = all.iter().nth(usize::from(byte) % all.len())?;
        Some((name.clone(), Rc::clone(program)))
    })
}
