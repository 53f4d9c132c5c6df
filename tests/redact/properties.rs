//! Random answers under random rules: what leaves is what the reference leaves, however it is cut.
//!
//! Each failure prints the seed it came from; `CAREWARDEN_SEED` runs that one again.

use std::rc::Rc;

use carewarden::redact::{Error, Format, Options, Program};
use serde_json::{Value, json};

use crate::reference::{Deed, Look, Node, REPLACEMENT, Reference, Rule, Step};
use crate::support::{program, programs, run};

/// Cases a property runs; `CAREWARDEN_CASES` asks for others.
const CASES: u64 = 1500;

/// Small and good enough, and the same everywhere (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| {
            random.below(2);
        });
        random
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const NAMES: &[&str] = &["a", "b", "c", "_a", "_b", "reference", "s"];
const TYPES: &[&str] = &["Patient", "Observation", "Group"];

fn value(random: &mut Random, depth: usize, count: &mut usize) -> Node {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 => Node::Scalar(random.of(&["1.50", "-0", "2e3", "true", "false", "null"]).to_owned()),
        1 => Node::Scalar(random.of(&["\"x\"", "\"y\"", "\"\""]).to_owned()),
        2..=4 => {
            *count += 1;
            let text = random.of(&["v", "Patient/", "\\u00e9", "\\ud83d\\ude00", "é", "long text that is no short one, "]);
            Node::Scalar(format!("\"{text}{count}\""))
        }
        5 | 6 => Node::Object(None, members(random, depth - 1, count)),
        _ => Node::Array((0..random.below(4)).map(|_| value(random, depth - 1, count)).collect()),
    }
}

fn members(random: &mut Random, depth: usize, count: &mut usize) -> Vec<(String, Node)> {
    let mut members: Vec<(String, Node)> = Vec::new();
    for name in NAMES {
        if random.one_in(2) {
            let key = if random.one_in(8) { name.replace('a', "\\u0061") } else { (*name).to_owned() };
            members.insert(random.below(members.len() + 1), (format!("\"{key}\""), value(random, depth, count)));
        }
    }
    members
}

fn resource(random: &mut Random, depth: usize, count: &mut usize) -> Node {
    let is_bundle = depth > 0 && random.one_in(3);
    let kind = if is_bundle { "Bundle" } else { random.of(TYPES) };
    let mut all = members(random, depth, count);
    if depth > 0 {
        let resources = (0..random.below(3)).map(|_| resource(random, depth - 1, count));
        let resources: Vec<Node> = resources.collect();
        let (key, list) = if is_bundle {
            let entry = |resource| {
                Node::Object(None, vec![("\"a\"".into(), value(random, 0, count)), ("\"resource\"".into(), resource)])
            };
            ("\"entry\"", resources.into_iter().map(entry).collect())
        } else {
            ("\"contained\"", resources)
        };
        all.insert(random.below(all.len() + 1), (key.to_owned(), Node::Array(list)));
    }
    let at = if random.one_in(3) { random.below(all.len() + 1) } else { 0 };
    all.insert(at, ("\"resourceType\"".to_owned(), Node::Scalar(format!("\"{kind}\""))));
    Node::Object(Some(kind), all)
}

fn rule(random: &mut Random) -> Rule {
    let names: &[&'static str] = &["a", "b", "c", "_a", "reference"];
    let look = match random.below(5) {
        0 | 1 => {
            let kind = random.of(&["Patient", "Observation", "Group", "Bundle"]);
            let steps = (0..1 + random.below(3)).map(|_| random.of(names)).collect();
            Look::Path(kind, if random.one_in(20) { Vec::new() } else { steps })
        }
        2 | 3 => Look::JsonPath((0..1 + random.below(4)).map(|_| step(random, names)).collect()),
        _ => Look::Key(random.of(names)),
    };
    let whole = matches!(&look, Look::Path(_, names) if names.is_empty());
    let deeds = [Deed::Remove, Deed::Keep, Deed::Replace, Deed::Mask, Deed::Hash];
    let deed = if whole { random.of(&deeds[..2]) } else { random.of(&deeds) };
    let has_siblings = match &look {
        Look::Path(_, names) => !names.is_empty(),
        Look::JsonPath(steps) => matches!(steps.last(), Some(Step::Name(_) | Step::Deep(_))),
        Look::Key(_) => true,
    };
    let sibling = (has_siblings && random.one_in(3))
        .then(|| (random.of(&["s", "b", "c"]), random.of(&["\"x\"", "\"y\"", "true", "null"])));
    Rule { look, deed, sibling }
}

fn step(random: &mut Random, names: &[&'static str]) -> Step {
    match random.below(8) {
        0..=3 => Step::Name(random.of(names)),
        4 | 5 => Step::Each,
        6 => Step::Deep(random.of(names)),
        _ => Step::DeepEach,
    }
}

fn written(rule: &Rule) -> Value {
    let (key, text) = match &rule.look {
        Look::Key(name) => ("key", (*name).to_owned()),
        Look::Path(kind, names) => ("path", [&[*kind], names.as_slice()].concat().join(".")),
        Look::JsonPath(steps) => {
            let step = |step: &Step| match step {
                Step::Name(name) => format!(".{name}"),
                Step::Each => "[*]".to_owned(),
                Step::Deep(name) => format!("..{name}"),
                Step::DeepEach => "..*".to_owned(),
            };
            ("json_path", format!("${}", steps.iter().map(step).collect::<String>()))
        }
    };
    let action = match rule.deed {
        Deed::Remove => json!("remove"),
        Deed::Keep => json!("keep"),
        Deed::Replace => json!({"replace": serde_json::from_str::<Value>(REPLACEMENT).unwrap()}),
        Deed::Mask => json!({"mask": {}}),
        Deed::Hash => json!({"hash": {"key": {"env": "PHI_KEY"}}}),
    };
    let siblings = rule.sibling.map(|(name, text)| json!({name: serde_json::from_str::<Value>(text).unwrap()}));
    json!({key: text, "where": siblings.unwrap_or_else(|| json!({})), "action": action})
}

/// One random case: the program, its rules, the answer and its format.
fn case(seed: u64) -> Option<(Rc<Program>, Vec<Rule>, Node, Format)> {
    let random = &mut Random::new(seed);
    let format = random.of(&[Format::Json, Format::FhirJson, Format::FhirJson]);
    let mut count = 0;
    let root = match format {
        Format::FhirJson => resource(random, 3, &mut count),
        _ if random.one_in(3) => Node::Array((0..random.below(4)).map(|_| value(random, 3, &mut count)).collect()),
        _ => Node::Object(None, members(random, 3, &mut count)),
    };
    let rules: Vec<Rule> = (0..random.below(5)).map(|_| rule(random)).collect();
    // Rules that can never count are refused; the case is not about them.
    let mut programs = programs(&json!({"p": {"rules": rules.iter().map(written).collect::<Vec<_>>()}})).ok()?;
    Some((programs.remove("p")?, rules, root, format))
}

fn seeds() -> Vec<u64> {
    match std::env::var("CAREWARDEN_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..std::env::var("CAREWARDEN_CASES").map_or(CASES, |cases| cases.parse().expect("a number"))).collect(),
    }
}

#[test]
fn what_leaves_is_what_the_reference_leaves_however_it_is_cut() {
    let (mut ran, mut changed) = (0_usize, 0_usize);
    for seed in seeds() {
        let Some((program, rules, root, format)) = case(seed) else { continue };
        ran += 1;
        let expected = Reference { rules: &rules, is_fhir: format.is_fhir() }.redact(&root).map(|left| left.compact());
        let input = root.compact();
        let context = || {
            format!(
                "seed {seed}\n{}\n{input}",
                rules.iter().map(|rule| written(rule).to_string()).collect::<Vec<_>>().join("\n")
            )
        };
        let whole = run(&program, Options::new(format), [input.as_bytes()]);
        match &expected {
            None => assert_eq!(whole.verdict, Err(Error::Emptied), "{}", context()),
            Some(expected) => {
                assert_eq!(whole.verdict, Ok(()), "{}", context());
                assert_eq!(&String::from_utf8(whole.output.clone()).unwrap(), expected, "{}", context());
            }
        }
        changed += usize::from(whole.summary.changed() > 0);
        let random = &mut Random::new(seed + 1);
        let pieces: Vec<&[u8]> = cut(input.as_bytes(), random);
        let pieces = run(&program, Options::new(format), pieces);
        assert_eq!(pieces.verdict, whole.verdict, "{}", context());
        assert!(whole.verdict.is_err() || pieces == whole, "{}", context());
        // White space stays or goes; what it stands between does not depend on it.
        let mut spaced = String::new();
        root.write(&mut spaced, &mut || random.of(&["", "", " ", "\n  ", "\t"]));
        let spaced = run(&program, Options::new(format), [spaced.as_bytes()]);
        assert_eq!(spaced.verdict, whole.verdict, "{}", context());
        if let Some(expected) = &expected {
            assert_eq!(&without_space(&spaced.output), expected, "{}", context());
            assert_eq!(spaced.summary, whole.summary, "{}", context());
        }
    }
    assert!(changed * 4 > ran, "of {ran} cases only {changed} changed anything");
}

fn cut<'a>(mut text: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (first, rest) = text.split_at((1 + random.below(20)).min(text.len()));
        pieces.push(first);
        text = rest;
    }
    pieces
}

/// A text without the white space outside its strings. No string here ends in a backslash.
fn without_space(text: &[u8]) -> String {
    let (mut inside, mut before) = (false, ' ');
    let text = std::str::from_utf8(text).expect("what leaves is UTF-8");
    let kept = text.chars().filter(|character| {
        inside ^= *character == '"' && before != '\\';
        before = *character;
        inside || !character.is_ascii_whitespace()
    });
    kept.collect()
}

/// Bytes changed, taken out, doubled: it is refused or what leaves is JSON, the same however it is cut, and never more
/// than came. In release and debug alike nothing panics.
#[test]
fn mutated_answers_are_refused_or_leave_as_json() {
    let profile = program(&json!({"rules": [
        {"path": "Patient.contact.name", "action": "remove"},
        {"key": "c", "where": {"s": "x"}, "action": "keep"},
        {"json_path": "$..a[*]", "action": {"mask": {"keep_last": 2}}},
        {"key": "c", "action": "remove"},
    ]}));
    for seed in seeds() {
        let random = &mut Random::new(seed ^ 0x5eed);
        let mut text = resource(random, 2, &mut 0).compact().into_bytes();
        for _ in 0..1 + random.below(3) {
            mutate(&mut text, random);
        }
        let format = random.of(&[Format::Json, Format::FhirJson, Format::FhirNdjson, Format::Ndjson]);
        let context = || format!("seed {seed}: {}", text.escape_ascii());
        let whole = run(&profile, Options::new(format), [text.as_slice()]);
        let pieces = run(&profile, Options::new(format), cut(&text, random));
        assert_eq!(whole.verdict.is_ok(), pieces.verdict.is_ok(), "{}", context());
        if whole.verdict.is_ok() {
            assert_eq!(whole, pieces, "{}", context());
            let mut lines = serde_json::Deserializer::from_slice(&whole.output).into_iter::<Value>();
            assert!(lines.all(|line| line.is_ok()), "{}", context());
        }
    }
}

fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    if text.is_empty() {
        return;
    }
    let at = random.below(text.len());
    let (from, to) = (at.saturating_sub(random.below(12)), (at + random.below(12)).min(text.len()));
    match random.below(5) {
        0 => text[at] = random.of(b"\"\\{}[],: \n0ae\x00\x7f\x80\xc3\xed\xf0\xff"),
        1 => text.insert(at, random.of(b"\"\\{}[],: \n0-.\x00\x80\xc3\xed")),
        2 => drop(text.drain(from..to)),
        3 => {
            let part = text[from..to].to_vec();
            text.splice(at..at, part);
        }
        _ => text.truncate(at.max(1)),
    }
}
