//! A second redactor, slow and plain, to hold the first one to.
//!
//! It has the whole tree, knows where each value stands, and asks each rule in turn whether it selects the value. It
//! shares no code with the first: no automaton, no lexer, no streaming.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::support::PHI_KEY;

/// A JSON value with its text as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Members, with the text of their keys, and whether it is a resource, of which type.
    Object(Option<&'static str>, Vec<(String, Node)>),
    Array(Vec<Node>),
    /// The text of a scalar.
    Scalar(String),
}

/// Where a rule looks.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    Path(&'static str, Vec<&'static str>),
    JsonPath(Vec<Step>),
    Key(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Name(&'static str),
    Each,
    Deep(&'static str),
    DeepEach,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deed {
    Remove,
    Keep,
    Replace,
    Mask,
    Hash,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) look: Look,
    pub(crate) deed: Deed,
    /// A sibling and the text that it has to have.
    pub(crate) sibling: Option<(&'static str, &'static str)>,
}

/// What `replace` writes.
pub(crate) const REPLACEMENT: &str = "\"replaced\"";

/// One step from the root to a value.
#[derive(Clone, Debug, PartialEq)]
enum At {
    Key(String),
    Index,
}

/// What becomes of a value.
enum Fate {
    Stays(Node),
    /// It stays if something else in its container does.
    Pends(Node),
    Goes,
}

#[derive(Clone, Copy)]
struct Around {
    drops: bool,
    until: usize,
    every: Option<usize>,
}

pub(crate) struct Reference<'a> {
    pub(crate) rules: &'a [Rule],
    pub(crate) is_fhir: bool,
}

/// The place of a value: the steps to it, and how many of them lead to the nearest resource around it, and its type.
#[derive(Clone)]
struct Place<'n> {
    steps: Vec<At>,
    resource: Option<(&'static str, usize)>,
    siblings: &'n [(String, Node)],
}

impl Reference<'_> {
    /// What is left of a text; `None` where an emptied root is refused.
    pub(crate) fn redact(&self, root: &Node) -> Option<Node> {
        let place = Place { steps: Vec::new(), resource: None, siblings: &[] };
        match self.fate(root, &place, Around { drops: false, until: usize::MAX, every: None }) {
            Fate::Stays(node) | Fate::Pends(node) => Some(node),
            Fate::Goes if self.is_fhir => None,
            Fate::Goes => Some(match root {
                Node::Object(..) => Node::Object(None, Vec::new()),
                _ => Node::Array(Vec::new()),
            }),
        }
    }

    fn fate(&self, node: &Node, place: &Place<'_>, around: Around) -> Fate {
        let matching = self.rules.iter().enumerate().take_while(|(index, _)| *index < around.until);
        let found = matching.filter_map(|(index, rule)| Some((index, self.selects(rule, node, place)?)));
        let found = found.map(|(index, is_twin)| (index, is_twin, false)).next();
        let every = around.every.map(|index| (index, false, true));
        let verdict = [found, every].into_iter().flatten().min_by_key(|(index, ..)| *index);
        let Node::Scalar(text) = node else { return self.container(node, place, around, verdict) };
        let Some((index, is_twin, _)) = verdict else {
            return if around.drops { Fate::Goes } else { Fate::Stays(node.clone()) };
        };
        let string: Option<String> = text.starts_with('"').then(|| serde_json::from_str(text).unwrap());
        let is_reference = matches!(place.steps.last(), Some(At::Key(key)) if key == "reference");
        let written = match (self.rules[index].deed, string) {
            (Deed::Keep, _) => text.clone(),
            (Deed::Remove, _) => return Fate::Goes,
            _ if is_twin => return Fate::Goes,
            (Deed::Replace, _) => REPLACEMENT.to_owned(),
            (Deed::Mask, Some(string)) => format!("\"{}\"", "*".repeat(string.chars().count())),
            (Deed::Hash, Some(string)) if is_reference && string.starts_with("Patient/") => {
                format!("\"Patient/{}\"", hash(string.strip_prefix("Patient/").unwrap()))
            }
            (Deed::Hash, Some(string)) => format!("\"{}\"", hash(&string)),
            (Deed::Mask | Deed::Hash, None) => return Fate::Goes,
        };
        Fate::Stays(Node::Scalar(written))
    }

    fn container(&self, node: &Node, place: &Place<'_>, around: Around, verdict: Option<(usize, bool, bool)>) -> Fate {
        let is_array = matches!(node, Node::Array(_));
        let mut inside = Around { every: None, ..around };
        if let Some((index, is_twin, by_every)) = verdict {
            let by_path = matches!(self.rules[index].look, Look::Path(..));
            let for_elements = match self.rules[index].deed {
                Deed::Mask | Deed::Hash => true,
                Deed::Replace => by_path && !by_every,
                Deed::Remove | Deed::Keep => false,
            };
            match self.rules[index].deed {
                _ if is_array && for_elements && !is_twin => inside.every = Some(index),
                Deed::Replace if !is_twin => return Fate::Stays(Node::Scalar(REPLACEMENT.to_owned())),
                deed => inside = Around { drops: deed != Deed::Keep, until: index, every: None },
            }
        }
        match node {
            Node::Object(kind, members) => {
                let resource = kind.map(|kind| (kind, place.steps.len())).or(place.resource);
                let fates = members.iter().map(|(key, value)| {
                    let name: String = serde_json::from_str(key).unwrap();
                    if kind.is_some() && name == "resourceType" {
                        return if inside.drops { Fate::Pends(value.clone()) } else { Fate::Stays(value.clone()) };
                    }
                    let steps = [place.steps.clone(), vec![At::Key(name)]].concat();
                    self.fate(value, &Place { steps, resource, siblings: members }, inside)
                });
                let fates: Vec<Fate> = fates.collect();
                let keys = members.iter().map(|(key, _)| key.clone());
                let gone = is_gone(&fates, inside.drops);
                let left = keys.zip(fates).filter_map(|(key, fate)| Some((key, fate.left()?))).collect();
                if gone { Fate::Goes } else { Fate::Stays(Node::Object(*kind, left)) }
            }
            Node::Array(elements) => {
                let counts = self.is_fhir && matches!(place.steps.last(), Some(At::Key(key)) if key.starts_with('_'));
                let steps = [place.steps.clone(), vec![At::Index]].concat();
                let within = Place { steps, resource: place.resource, siblings: &[] };
                let null = Node::Scalar("null".to_owned());
                let fates = elements.iter().map(|element| match self.fate(element, &within, inside) {
                    Fate::Stays(node) if counts && node == null => Fate::Pends(node),
                    fate => fate,
                });
                let fates: Vec<Fate> = fates.collect();
                let gone = is_gone(&fates, inside.drops);
                let left = fates.into_iter().filter_map(|fate| fate.left().or_else(|| counts.then(|| null.clone())));
                if gone { Fate::Goes } else { Fate::Stays(Node::Array(left.collect())) }
            }
            Node::Scalar(_) => Fate::Stays(node.clone()),
        }
    }

    /// Whether a rule selects a value, and if so whether as a twin.
    fn selects(&self, rule: &Rule, node: &Node, place: &Place<'_>) -> Option<bool> {
        let is_twin = match &rule.look {
            Look::Key(name) => last_step(name, place.steps.last()?)?,
            Look::JsonPath(steps) => selected(steps, &place.steps)?,
            Look::Path(kind, names) => {
                let own = matches!(node, Node::Object(Some(own), _) if own == kind && names.is_empty());
                if own { false } else { self.is_on_path(kind, names, place)? }
            }
        };
        let Some((name, text)) = rule.sibling else { return Some(is_twin) };
        let is_named = |key: &str| serde_json::from_str::<String>(key).unwrap() == name;
        let holds = match place.siblings.iter().find(|(key, _)| is_named(key)) {
            None => false,
            Some((_, Node::Scalar(own))) => own == text,
            Some(_) => rule.deed != Deed::Keep,
        };
        holds.then_some(is_twin)
    }

    fn is_on_path(&self, kind: &str, names: &[&str], place: &Place<'_>) -> Option<bool> {
        let (nearest, from) = place.resource?;
        let within = &place.steps[from..];
        let (last, before) = (within.last()?, &within[..within.len() - 1]);
        let (wanted, wanted_before) = names.split_last()?;
        let before: Vec<&str> = before.iter().filter_map(At::name).collect();
        let fits = before.len() == wanted_before.len()
            && before.iter().zip(wanted_before).all(|(own, wanted)| own == wanted || own.strip_prefix('_') == Some(wanted));
        if nearest == kind && self.is_fhir && fits { last_step(wanted, last) } else { None }
    }
}

impl At {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Key(name) => Some(name),
            Self::Index => None,
        }
    }
}

impl Fate {
    fn left(self) -> Option<Node> {
        match self {
            Self::Stays(node) | Self::Pends(node) => Some(node),
            Self::Goes => None,
        }
    }
}

/// Whether a container goes: something was lost, or all is, and nothing stays.
fn is_gone(fates: &[Fate], drops: bool) -> bool {
    let lost = drops || fates.iter().any(|fate| matches!(fate, Fate::Goes));
    lost && !fates.iter().any(|fate| matches!(fate, Fate::Stays(_)))
}

/// Whether the last step to a value has a name, or is its twin.
fn last_step(name: &str, at: &At) -> Option<bool> {
    let own = at.name()?;
    if own == name {
        Some(false)
    } else if own.strip_prefix('_') == Some(name) {
        Some(true)
    } else {
        None
    }
}

/// Whether steps of a JSONPath lead all the way, and if so whether to a twin. What leads to the value itself counts
/// before what leads to a twin.
fn selected(steps: &[Step], at: &[At]) -> Option<bool> {
    let Some((step, rest)) = steps.split_first() else { return at.is_empty().then_some(false) };
    let (first, after) = at.split_first()?;
    let deeper = match step {
        Step::Deep(_) | Step::DeepEach => selected(steps, after),
        Step::Name(_) | Step::Each => None,
    };
    let here = match step {
        Step::Each | Step::DeepEach => selected(rest, after),
        Step::Name(name) | Step::Deep(name) => match last_step(name, first) {
            Some(false) => selected(rest, after),
            Some(true) if rest.iter().all(|step| matches!(step, Step::Each)) => selected(rest, after).map(|_| true),
            _ => None,
        },
    };
    [deeper, here].into_iter().flatten().min()
}

fn hash(text: &str) -> String {
    let mac = |key: &[u8], text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes()
    };
    let key = mac(PHI_KEY.as_bytes(), b"carewarden redaction\0p");
    mac(&key, text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Node {
    /// Writes the value, asking for white space wherever some may stand.
    pub(crate) fn write(&self, out: &mut String, space: &mut dyn FnMut() -> &'static str) {
        let list = |out: &mut String, space: &mut dyn FnMut() -> &'static str, at: usize| {
            if at > 0 {
                out.push(',');
            }
            out.push_str(space());
        };
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    list(out, space, at);
                    element.write(out, space);
                    out.push_str(space());
                }
                out.push(']');
            }
            Self::Object(_, members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    list(out, space, at);
                    out.push_str(key);
                    out.push_str(space());
                    out.push(':');
                    out.push_str(space());
                    value.write(out, space);
                    out.push_str(space());
                }
                out.push('}');
            }
        }
    }

    /// Its text without white space.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, &mut || "");
        out
    }
}
