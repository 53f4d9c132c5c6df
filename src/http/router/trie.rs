//! Templates by their segments.
//!
//! A path walks down by its literal segments and, at each step, by the capture. Each node is looked at once at most, so
//! the work is bounded by the nodes whose literals the path has, whatever is asked for.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::http::template::{Segment, Template};

/// A template that fits, by its place in the policy: routes first, then templates in a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) route: usize,
    pub(super) template: usize,
}

/// A tree of templates.
#[derive(Debug, Default)]
pub(super) struct Trie {
    literals: HashMap<Box<str>, Trie>,
    capture: Option<Box<Trie>>,
    ends: Vec<Found>,
    rests: Vec<Found>,
}

impl Trie {
    pub(super) fn insert(&mut self, template: &Template, found: Found) {
        self.insert_segments(template.segments(), template.takes_rest(), found);
    }

    /// Adds what fits the path to `found`.
    pub(super) fn find(&self, path: &[Cow<'_, str>], found: &mut Vec<Found>) {
        found.extend(&self.rests);
        let Some((first, rest)) = path.split_first() else { return found.extend(&self.ends) };
        if let Some(next) = self.literals.get(first.as_ref()) {
            next.find(rest, found);
        }
        if let Some(next) = &self.capture {
            next.find(rest, found);
        }
    }

    fn insert_segments(&mut self, segments: &[Segment], takes_rest: bool, found: Found) {
        match segments.split_first() {
            None if takes_rest => self.rests.push(found),
            None => self.ends.push(found),
            Some((Segment::Capture(_), rest)) => {
                self.capture.get_or_insert_default().insert_segments(rest, takes_rest, found);
            }
            Some((Segment::OneOf(names), rest)) => {
                for name in names {
                    self.literals.entry(name.clone()).or_default().insert_segments(rest, takes_rest, found);
                }
            }
        }
    }
}
