//! Which rule won at which value, for whoever asks: `carewarden redact --explain` and `--report`.
//!
//! A [`Redactor`] traces only after [`Redactor::trace`]; in Envoy none does, and what remains is a look at an `Option` a
//! key and a judged value. What was found is taken with [`Redactor::touches`] between pieces, so that it takes no more
//! memory than a piece can fill.
//!
//! A [`Path`] holds nothing of the answer but positions. A name is in it only if R4 has that element there, or a rule of
//! the profile says it at that place: in any other object a key may name a person (`{"members": {"Jane Doe": …}}`), and
//! is written `*`.

use std::fmt;

use super::frame::Frame;
use super::place::Place;
use super::program::{NO_RULE, Program, RuleId};
use super::redactor::Redactor;
use super::summary::Deed;
use super::transitions::Transitions;
use crate::fhir::ResourceType;
use crate::fhir::elements::{Kind, Type};

/// A value that a rule was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The line it stands in, from 1, where an answer is one value a line.
    pub line: u64,
    /// Where it stands.
    pub path: Path,
    /// The rule that won, by its place in the program: see [`Program::pointer`]. None where a resource went because a
    /// modifier of it did.
    pub rule: Option<usize>,
    /// What was done, as [`Summary`](super::Summary) calls it, or `unchanged` where the action found nothing to do.
    pub action: &'static str,
}

/// Where a value stands. As text it is a FHIRPath from the root's resource, or a JSONPath where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Resource(ResourceType),
    /// The root of an answer that is no resource.
    Root,
    /// Without a name where the key may say anything.
    Member(Option<Box<str>>),
    Element(usize),
}

/// What a redactor keeps to tell where it is.
#[derive(Debug)]
pub(super) struct Trace {
    /// The last key of each open object, by its depth.
    keys: Vec<Vec<u8>>,
    line: u64,
    touches: Vec<Touch>,
}

impl Trace {
    /// A key of the object at this depth.
    #[cold]
    pub(super) fn key(&mut self, depth: usize, key: &[u8]) {
        self.keys.resize_with(self.keys.len().max(depth.saturating_add(1)), Vec::new);
        if let Some(known) = self.keys.get_mut(depth) {
            known.clear();
            known.extend_from_slice(key);
        }
    }

    /// The end of a line.
    #[cold]
    pub(super) fn newline(&mut self) {
        self.line = self.line.saturating_add(1);
    }
}

impl Redactor {
    /// Begins to note which rules touch what. To be called before the first piece.
    pub fn trace(&mut self) {
        self.trace = Some(Box::new(Trace { keys: Vec::new(), line: 1, touches: Vec::new() }));
    }

    /// What was touched since this was asked last, in the order in which it was decided: that of the document, but for a
    /// resource that went because of what it lost, which comes after that.
    pub fn touches(&mut self) -> Vec<Touch> {
        self.trace.as_mut().map(|trace| std::mem::take(&mut trace.touches)).unwrap_or_default()
    }

    /// Counts what a rule did to the value at hand, which stands at `place`.
    pub(super) fn count(&mut self, rule: RuleId, deed: Deed, place: Place) {
        self.summary.count(rule, deed);
        if self.trace.is_some() {
            self.note(rule, deed.name(), place);
        }
    }

    /// A rule won the value at hand, and there was nothing to do.
    pub(super) fn leaves_unchanged(&mut self, rule: RuleId) {
        if self.trace.is_some() {
            self.note(rule, "unchanged", Place::Elsewhere);
        }
    }

    /// The resource that just ended goes because a modifier of it did.
    pub(super) fn resource_went(&mut self, place: Place) {
        if self.trace.is_some() {
            self.note(NO_RULE, Deed::Remove.name(), place);
        }
    }

    #[cold]
    fn note(&mut self, rule: RuleId, action: &'static str, place: Place) {
        let path = self.path(place);
        let Some(trace) = &mut self.trace else { return };
        let rule = if rule == NO_RULE { None } else { usize::try_from(rule).ok() };
        trace.touches.push(Touch { line: trace.line, path, rule, action });
    }

    /// The path of the value at hand.
    fn path(&self, place: Place) -> Path {
        let Some(trace) = &self.trace else { return Path::default() };
        let mut segments = Vec::new();
        if !self.options.format.is_fhir() {
            segments.push(Segment::Root);
        }
        let mut of = None;
        // The first frame is the text around the root.
        for (depth, frame) in self.frames.iter().enumerate().skip(1) {
            of = Self::enter_path(frame.place, of, &mut segments);
            if !frame.is_object {
                segments.push(Segment::Element(frame.commas));
                continue;
            }
            let key = trace.keys.get(depth).map(Vec::as_slice).unwrap_or_default();
            let (known, inner) = self.program.name_of(key, of, frame);
            segments.push(Segment::Member(known));
            of = inner;
        }
        Self::enter_path(place, of, &mut segments);
        Path(segments)
    }

    fn enter_path(place: Place, of: Option<Type>, segments: &mut Vec<Segment>) -> Option<Type> {
        let Place::Resource(kind) = place else { return of };
        segments.push(Segment::Resource(kind));
        Type::of_resource(kind)
    }
}

impl Program {
    /// Where the rule at this place is written: an RFC 6901 pointer into the policy, or a preset's name and a pointer into
    /// that.
    #[must_use]
    pub fn pointer(&self, rule: usize) -> &str {
        self.rules.get(rule).map_or("", |rule| &rule.pointer)
    }

    /// The name that a key may be told by, if it is one of R4 in an object of this type or one that a rule says there; and
    /// the type of the member's value, where R4 gives it one.
    fn name_of(&self, key: &[u8], of: Option<Type>, frame: &Frame) -> (Option<Box<str>>, Option<Type>) {
        let Ok(key) = std::str::from_utf8(key) else { return (None, None) };
        let known = of.and_then(|of| {
            let element = |name| of.element(name).map(crate::fhir::elements::Element::of);
            let twin = || element(key.strip_prefix('_')?).filter(|of| of.kind() == Kind::Primitive).and(Type::twin());
            element(key).or_else(twin)
        });
        let says = || {
            let (root, bytes) = (frame.position.root, key.as_bytes());
            self.automaton.transitions.find(root, bytes, Transitions::wanted(bytes)).is_some()
        };
        ((known.is_some() || says()).then(|| key.into()), known)
    }
}

impl Path {
    /// The path from the nearest resource, or the root, with `*` for each index: what values of many answers share.
    #[must_use]
    pub fn general(&self) -> String {
        let nearest = self.0.iter().rposition(|segment| matches!(segment, Segment::Resource(_))).unwrap_or_default();
        let mut text = String::new();
        // A String takes all that is written to it.
        let _ = write(&mut text, self.0.get(nearest..).unwrap_or_default(), false);
        text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0, true)
    }
}

fn write(out: &mut impl fmt::Write, segments: &[Segment], indices: bool) -> fmt::Result {
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Resource(kind) if at == 0 => out.write_str(kind.name())?,
            Segment::Resource(kind) => write!(out, ".ofType({})", kind.name())?,
            Segment::Root => out.write_str("$")?,
            Segment::Member(None) => out.write_str(".*")?,
            Segment::Member(Some(name)) if is_plain(name) => write!(out, ".{name}")?,
            // As RFC 9535 quotes names; escapes keep a terminal from taking orders.
            Segment::Member(Some(name)) => write!(out, "['{}']", name.escape_default())?,
            Segment::Element(index) if indices => write!(out, "[{index}]")?,
            Segment::Element(_) => out.write_str("[*]")?,
        }
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
