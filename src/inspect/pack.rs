//! The rules, compiled: chains of transforms as a tree, all literals in one automaton, a regular expression for each rule.

#[cfg(any(test, not(target_family = "wasm")))]
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use super::narrative::Fault;
#[cfg(any(test, not(target_family = "wasm")))]
use super::rule::Examples;
use super::rule::{Operator, Rule, Target};
use super::transform::Transform;

/// The rules that come with Carewarden, a file for each kind of attack.
const FILES: &[(&str, &str)] = &[
    ("sqli", include_str!("pack/sqli.json")),
    ("xss", include_str!("pack/xss.json")),
    ("traversal", include_str!("pack/traversal.json")),
    ("command", include_str!("pack/command.json")),
    ("ldap", include_str!("pack/ldap.json")),
    ("xpath", include_str!("pack/xpath.json")),
    ("nosql", include_str!("pack/nosql.json")),
    ("template", include_str!("pack/template.json")),
    ("ssrf", include_str!("pack/ssrf.json")),
    ("xxe", include_str!("pack/xxe.json")),
    ("crlf", include_str!("pack/crlf.json")),
    ("deserialisation", include_str!("pack/deserialisation.json")),
    ("prototype", include_str!("pack/prototype.json")),
    ("scanner", include_str!("pack/scanner.json")),
    ("narrative", include_str!("pack/narrative.json")),
];

/// Examples of each, by the ids of rules.
#[cfg(any(test, not(target_family = "wasm")))]
const EXAMPLES: &[(&str, &str)] = &[
    ("sqli", include_str!("pack/examples/sqli.json")),
    ("xss", include_str!("pack/examples/xss.json")),
    ("traversal", include_str!("pack/examples/traversal.json")),
    ("command", include_str!("pack/examples/command.json")),
    ("ldap", include_str!("pack/examples/ldap.json")),
    ("xpath", include_str!("pack/examples/xpath.json")),
    ("nosql", include_str!("pack/examples/nosql.json")),
    ("template", include_str!("pack/examples/template.json")),
    ("ssrf", include_str!("pack/examples/ssrf.json")),
    ("xxe", include_str!("pack/examples/xxe.json")),
    ("crlf", include_str!("pack/examples/crlf.json")),
    ("deserialisation", include_str!("pack/examples/deserialisation.json")),
    ("prototype", include_str!("pack/examples/prototype.json")),
    ("scanner", include_str!("pack/examples/scanner.json")),
    ("narrative", include_str!("pack/examples/narrative.json")),
];

/// How large one rule's automaton may become, compiled and while it runs. With ASCII classes none needs it.
const PROGRAM_SIZE: usize = 512 << 10;
const CACHE_SIZE: usize = 256 << 10;

/// Below this length a value of plain bytes alone is judged only where a literal is all of it: most values are such, and few
/// attacks are. A word of an attack that stands alone beside other plain bytes (`xdmp:eval`) passes for it.
pub(super) const PLAIN_LENGTH: usize = 40;

/// The most sets of bytes that rules without literals ask for.
const MAX_GATES: usize = 14;

/// A value has a byte that is not plain.
pub(super) const SPECIAL: u16 = 1;

/// A value has a byte that a transform could undo.
pub(super) const DISGUISE: u16 = 1 << 15;

/// Room for the sets of rules of one value: words of sixty-four rules each.
const SETS: usize = 4;

/// A set of rules: one bit each.
pub(super) type RuleSet = [u64; SETS];

/// Rules, compiled.
pub struct Pack {
    pub(super) rules: Vec<Compiled>,
    pub(super) views: Vec<View>,
    /// For each literal of `literals` the rules it belongs to.
    pub(super) owners: Vec<Vec<u16>>,
    pub(super) literals: AhoCorasick,
    /// What each byte is: `SPECIAL`, and which gates it opens.
    pub(super) classes: [u16; 256],
    /// Literals of plain bytes that can be all of a value, in their order, and the targets that they matter in.
    short: Vec<(String, u16)>,
    /// Where one of them may be known, by [`sketch`]: most values are none of them.
    short_known: [u64; 64],
    /// The rules that judge each target.
    pub(super) of_target: [RuleSet; Target::ALL.len()],
    /// The rules behind each gate.
    pub(super) gates: Vec<Vec<u16>>,
}

/// A rule, compiled.
pub(super) struct Compiled {
    pub(super) id: Rc<str>,
    pub(super) rule: Rule,
    pub(super) targets: u16,
    pub(super) view: usize,
    pub(super) test: Test,
    /// Whether it does not judge what is code by definition.
    pub(super) spares_code: bool,
    /// Whether it does not judge narratives, whose markup has such things.
    pub(super) spares_markup: bool,
}

pub(super) enum Test {
    Regex(Regex),
    Literal,
    Sqli,
    Xss,
    Narrative(Fault),
}

/// What a value looks like after a chain of transforms: one more than its parent's.
pub(super) struct View {
    pub(super) parent: Option<usize>,
    pub(super) transform: Option<Transform>,
}

/// What is wrong with the rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A file is not what it has to be.
    #[error("the rules of `{0}` cannot be read: {1}")]
    Unreadable(&'static str, String),
    /// A rule cannot be compiled.
    #[error("the rule `{0}` cannot work: {1}")]
    Rule(String, String),
    /// All rules together cannot be compiled.
    #[error("the rules cannot be compiled: {0}")]
    Automaton(String),
}

/// The rules as they are written.
pub(super) fn written() -> Result<Vec<Rule>, PackError> {
    let read = |(name, text): &(&'static str, &'static str)| {
        serde_json::from_str::<Vec<Rule>>(text).map_err(|error| PackError::Unreadable(name, error.to_string()))
    };
    let rules = FILES.iter().map(read).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    #[cfg(any(test, not(target_family = "wasm")))]
    let rules = exemplified(rules)?;
    Ok(rules)
}

/// Rules with their examples.
#[cfg(any(test, not(target_family = "wasm")))]
fn exemplified(mut rules: Vec<Rule>) -> Result<Vec<Rule>, PackError> {
    for (name, text) in EXAMPLES {
        let examples: BTreeMap<String, Examples> =
            serde_json::from_str(text).map_err(|error| PackError::Unreadable(name, error.to_string()))?;
        for (id, examples) in examples {
            let rule = rules.iter_mut().find(|rule| rule.id == id);
            rule.ok_or_else(|| PackError::Rule(id, "it has examples and is none".to_owned()))?.examples = examples;
        }
    }
    Ok(rules)
}

impl Pack {
    /// The rules that come with Carewarden.
    pub fn standard() -> Result<Self, PackError> {
        Self::compile(written()?)
    }

    /// Every rule as it is written.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|compiled| &compiled.rule)
    }

    /// Whether a value of plain bytes is all that a rule looks for in this target.
    pub(super) fn is_short_literal(&self, text: &[u8], target: Target) -> bool {
        let (word, bit) = sketch(text);
        if self.short_known.get(word).is_none_or(|bits| bits >> bit & 1 == 0) {
            return false;
        }
        let small = text.to_ascii_lowercase();
        let found = self.short.binary_search_by(|(literal, _)| literal.as_bytes().cmp(&small));
        found.ok().and_then(|at| self.short.get(at)).is_some_and(|(_, targets)| targets & target.bit() != 0)
    }

    fn compile(written: Vec<Rule>) -> Result<Self, PackError> {
        let mut views = vec![View { parent: None, transform: None }];
        let (mut texts, mut owners): (Vec<String>, Vec<Vec<u16>>) = (Vec::new(), Vec::new());
        let mut classes = plain_classes();
        let (mut sets, mut gates): (Vec<String>, Vec<Vec<u16>>) = (Vec::new(), Vec::new());
        let (mut short, mut rules): (Vec<(String, u16)>, Vec<Compiled>) = (Vec::new(), Vec::with_capacity(written.len()));
        for rule in written {
            let wrong = |problem: &str| PackError::Rule(rule.id.clone(), problem.to_owned());
            let index = u16::try_from(rules.len()).map_err(|_| wrong("there are too many"))?;
            let is_narrative = rule.operator == Operator::Narrative;
            if !is_narrative && rule.literals.is_empty() == rule.bytes.is_empty() {
                return Err(wrong("it needs literals or bytes"));
            }
            for literal in &rule.literals {
                let literal = literal.to_ascii_lowercase();
                let known = texts.iter().position(|known| *known == literal);
                let at = known.unwrap_or_else(|| {
                    texts.push(literal);
                    owners.push(Vec::new());
                    texts.len() - 1
                });
                owners.get_mut(at).into_iter().for_each(|owners| owners.push(index));
            }
            if !rule.bytes.is_empty() {
                let known = sets.iter().position(|known| *known == rule.bytes);
                let gate = known.unwrap_or_else(|| {
                    sets.push(rule.bytes.clone());
                    gates.push(Vec::new());
                    sets.len() - 1
                });
                if gate >= MAX_GATES {
                    return Err(wrong("there are too many sets of bytes"));
                }
                gates.get_mut(gate).into_iter().for_each(|rules| rules.push(index));
                for byte in rule.bytes.bytes() {
                    classes.get_mut(usize::from(byte)).into_iter().for_each(|class| *class |= SPECIAL | 2 << gate);
                }
            }
            let test = test_of(&rule).map_err(|problem| wrong(&problem))?;
            let view = view_of(&rule.transforms, &mut views);
            let all = if rule.targets.is_empty() { &Target::ALL[..] } else { &rule.targets };
            let targets = all.iter().fold(0, |bits, target| bits | target.bit());
            for literal in &rule.literals {
                if literal.len() < PLAIN_LENGTH && literal.bytes().all(is_plain) {
                    short.push((literal.to_ascii_lowercase(), targets));
                }
            }
            rules.push(Compiled {
                id: rule.id.as_str().into(),
                targets,
                view,
                test,
                spares_code: rule.tags.iter().any(|tag| tag == "code"),
                spares_markup: rule.tags.iter().any(|tag| tag == "markup"),
                rule,
            });
        }
        let literals = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&texts)
            .map_err(|error| PackError::Automaton(error.to_string()))?;
        short.sort();
        short.dedup_by(|(later, targets), (literal, all)| {
            *all |= if later == literal { *targets } else { 0 };
            later == literal
        });
        let mut short_known = [0; 64];
        for (literal, _) in &short {
            let (word, bit) = sketch(literal.as_bytes());
            short_known.get_mut(word).into_iter().for_each(|bits| *bits |= 1_u64 << bit);
        }
        let mut of_target = [RuleSet::default(); Target::ALL.len()];
        for (target, set) in Target::ALL.iter().zip(&mut of_target) {
            for (index, rule) in (0..).zip(&rules) {
                if rule.targets & target.bit() != 0 {
                    insert(set, index);
                }
            }
        }
        if rules.len() > SETS * 64 {
            return Err(PackError::Automaton("there are too many rules".to_owned()));
        }
        Ok(Self { rules, views, owners, literals, classes, short, short_known, of_target, gates })
    }
}

/// A word and a bit of it for a text, the same whatever its case.
fn sketch(text: &[u8]) -> (usize, usize) {
    let edge = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default() & 31);
    let mixed = edge(text.first()) * 37 + edge(text.last()) * 101 + text.len() * 263;
    (mixed / 64 % 64, mixed % 64)
}

/// Adds a rule to a set.
pub(super) fn insert(set: &mut RuleSet, rule: u16) {
    set.get_mut(usize::from(rule / 64)).into_iter().for_each(|word| *word |= 1 << (rule % 64));
}

/// Letters, digits and what stands in codes, dates and numbers.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-".contains(&byte)
}

fn plain_classes() -> [u16; 256] {
    let mut classes = [SPECIAL; 256];
    for (byte, class) in (0_u8..=255).zip(&mut classes) {
        if is_plain(byte) {
            *class = 0;
        }
        if Transform::begins_with(byte) {
            *class |= DISGUISE;
        }
    }
    classes
}

fn test_of(rule: &Rule) -> Result<Test, String> {
    Ok(match (rule.operator, &rule.pattern) {
        (Operator::Regex, Some(pattern)) => Test::Regex(
            RegexBuilder::new(pattern)
                .unicode(false)
                .case_insensitive(true)
                .size_limit(PROGRAM_SIZE)
                .dfa_size_limit(CACHE_SIZE)
                .build()
                .map_err(|error| error.to_string())?,
        ),
        (Operator::Regex, None) => return Err("it needs a pattern".to_owned()),
        (Operator::Narrative, Some(fault)) => Test::Narrative(Fault::named(fault).ok_or("there is no such fault")?),
        (Operator::Narrative, None) => return Err("it needs a fault".to_owned()),
        (_, Some(_)) => return Err("its operator takes no pattern".to_owned()),
        (Operator::Contains, None) => Test::Literal,
        (Operator::LibinjectionSqli, None) => Test::Sqli,
        (Operator::LibinjectionXss, None) => Test::Xss,
    })
}

/// The view of a chain of transforms, which is made where there is none yet.
fn view_of(transforms: &[Transform], views: &mut Vec<View>) -> usize {
    transforms.iter().fold(0, |parent, transform| {
        let same = |view: &View| view.parent == Some(parent) && view.transform == Some(*transform);
        views.iter().position(same).unwrap_or_else(|| {
            views.push(View { parent: Some(parent), transform: Some(*transform) });
            views.len() - 1
        })
    })
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}
