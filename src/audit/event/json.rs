//! The JSON of an event.

use super::MAX_TEXT;
use crate::audit::balp::Coding;

/// A text that grows. What writes to it is no more code than it has to be: it stands in the module for Envoy.
pub(super) struct Json(pub(super) String);

impl Json {
    #[inline(never)]
    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Texts one behind the other.
    #[inline(never)]
    pub(super) fn all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.0.push_str(text));
    }

    #[inline(never)]
    pub(super) fn coding(&mut self, (system, code): Coding) {
        self.all(&["{\"system\":\"", system, "\",\"code\":\"", code, "\"}"]);
    }

    /// A text as JSON, cut and without what a string of FHIR cannot hold; nothing where it is empty.
    #[inline(never)]
    pub(super) fn text(&mut self, before: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.raw(before);
        self.0.push('"');
        for char in cut(text, MAX_TEXT).chars() {
            match char {
                '"' | '\\' => self.0.extend(['\\', char]),
                // Neither a string nor a line of a log may hold them.
                _ if char.is_control() => self.0.push('\u{fffd}'),
                _ => self.0.push(char),
            }
        }
        self.0.push('"');
    }

    #[inline(never)]
    pub(super) fn reference(&mut self, kind: &str, id: Option<&str>, version: Option<&str>) {
        match (id, version) {
            (Some(id), Some(version)) => {
                self.all(&["{\"reference\":\"", kind, "/", id, "/_history/", version, "\"}"]);
            }
            (Some(id), None) => self.all(&["{\"reference\":\"", kind, "/", id, "\"}"]),
            (None, _) => self.all(&["{\"type\":\"", kind, "\"}"]),
        }
    }
}

/// No more than so many bytes of a text.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
