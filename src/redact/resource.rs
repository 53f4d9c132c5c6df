//! Resources as a whole: what they are tagged with, and that none is left whose meaning would turn around.
//!
//! A resource that loses a modifier goes (R4, extensibility.html section 2.4.0.1, and conformance-rules.html#isModifier),
//! and so does one with an element that loses its `modifierExtension` while something of the element stays.
//! It has to be whole before any of it leaves, then, so its output is kept back to its end ([`Redactor::waits_from`]); of
//! one that is longer than may be held back, and of the root, the answer is refused instead.
//!
//! A tag is written at the end of `meta.security`, of `meta`, or of the resource, wherever one of them is left.

use super::error::Error;
use super::frame::{Enclosing, Frame};
use super::place::Place;
use super::redactor::{Redactor, Stream};
use super::tag::{LONGEST, Label, Tags};
use crate::fhir::ResourceType;
use crate::json::unescape;

impl Redactor {
    /// A resource begins, where it was decided that what is in it will be judged.
    pub(super) fn open_resource(&mut self, kind: ResourceType, is_taken: bool, stream: &mut Stream<'_>) {
        let resource = self.program.automaton.resource(kind);
        let is_contained = self.member.place == Place::Slot { contained: true };
        let around = self.resources.last().and_then(|around| around.patient.clone());
        let of_entry = match self.frames.last() {
            Some(Frame { place: Place::Entry, .. }) if kind.name() == "Patient" => self.entry_patient.take(),
            _ => None,
        };
        let patient = if is_contained { around } else { of_entry.or(self.found.patient.take()) };
        self.draft.flush(stream.data, stream.out);
        self.resources.push(Enclosing {
            tags: if is_contained { Tags::default() } else { resource.tags },
            label: Label::default(),
            // A line goes with its end.
            can_go: resource.can_turn && (self.frames.len() > 1 || self.options.format.is_lines()),
            is_taken,
            turned: false,
            decided: self.draft.decided(),
            too_long: false,
            opened: self.opened,
            patient,
        });
    }

    /// A modifier that is a direct element of the innermost container does not leave.
    pub(super) fn modifier_is_taken(&mut self) {
        match self.frames.last_mut() {
            Some(Frame { place: Place::Resource(_), .. }) | None => self.resource_is_turned(),
            Some(element) => element.turned = true,
        }
    }

    /// What is left of the innermost resource says something else.
    pub(super) fn resource_is_turned(&mut self) {
        if let Some(resource) = self.resources.last_mut() {
            resource.turned = !resource.is_taken;
        }
    }

    /// The innermost resource ends. Answers whether it goes because it would say something else.
    pub(super) fn close_resource(&mut self, frame: &Frame, end: usize, stream: &mut Stream<'_>) -> Result<bool, Error> {
        let Some(resource) = self.resources.pop() else { return Ok(false) };
        // Of one that goes as a whole nothing is left to say anything.
        if !resource.turned || self.opened <= self.frames.len() {
            return Ok(false);
        }
        let most = self.options.hold_back;
        let fits = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).is_ok_and(|length| length <= most);
        let can_go = resource.can_go && !resource.too_long && fits(resource.decided, self.draft.offset(end));
        // Those around it get shorter now. What would have left of them before, had the input come in pieces, has left.
        let decided = self.draft.decided();
        self.resources.iter_mut().for_each(|outer| outer.too_long |= !fits(outer.decided, decided));
        if !(can_go && self.draft.take_back((resource.decided, frame.start), end, stream)) {
            return Err(Error::ModifierTaken);
        }
        self.opened = resource.opened.min(self.frames.len());
        self.resource_went(frame.place);
        Ok(true)
    }

    /// From where on the output has to wait, which is ours from `kept` on, since it is of resources that may still go. Of
    /// those that are longer than may be held back nothing waits.
    pub(super) fn waits_from(&self, out: &[u8], kept: usize) -> usize {
        let open = self.resources.iter().filter(|resource| resource.can_go);
        let mut places = open.filter_map(|resource| self.draft.place_in(out, kept, resource.decided));
        places.find(|place| out.len().saturating_sub(*place) <= self.options.hold_back).unwrap_or(out.len())
    }

    /// The innermost container, which is a resource or part of its `meta`, ends: its tag is written if it was not yet.
    pub(super) fn tag(&mut self, stream: &mut Stream<'_>) {
        let Some(Frame { place, drops, lost, .. }) = self.frames.last() else { return };
        let (place, may_go) = (*place, *drops || *lost);
        let Some(tags) = self.resources.last().map(|resource| resource.tags).filter(|tags| !tags.is_empty()) else {
            return;
        };
        let around = self.frames.iter().rev().find(|frame| matches!(frame.place, Place::Resource(_)));
        // What is left of a resource that a rule took is tagged only if something is. What came empty and stays is.
        if may_go && !self.is_opened() && around.is_some_and(|resource| resource.drops) {
            return;
        }
        let (before, after) = match place {
            Place::Security => ("", ""),
            Place::Meta => (r#""security":["#, "]"),
            _ => (r#""meta":{"security":["#, "]}"),
        };
        let start = self.lexer.start();
        let comma = self.has_members();
        self.draft.discard(stream.data, start, start, stream.out);
        if comma {
            self.draft.write(b",");
        }
        for part in [before, tags.codings(), after] {
            self.draft.write(part.as_bytes());
        }
        self.stays(start, stream);
        self.is_tagged();
    }

    /// The system or the code of a label stays; `raw` is what stands between its quotes.
    pub(super) fn label_stays(&mut self, raw: &[u8]) {
        let (place, text) = (self.member.place, unescape(raw));
        let Some(resource) = self.resources.last_mut().filter(|_| raw.len() <= LONGEST) else { return };
        match place {
            Place::LabelSystem => resource.label.has_system(&text),
            _ => resource.label.has_code(&text),
        }
    }

    /// The label at hand ends, and stays or does not.
    pub(super) fn close_label(&mut self, stays: bool) {
        if let Some(resource) = self.resources.last_mut() {
            let label = std::mem::take(&mut resource.label);
            if stays {
                resource.tags = resource.tags.without(label);
            }
        }
    }

    /// The innermost resource needs no tag any more.
    pub(super) fn is_tagged(&mut self) {
        if let Some(resource) = self.resources.last_mut() {
            resource.tags = Tags::default();
        }
    }

    /// Whether something stands in the innermost container, or will if anything does.
    fn has_members(&self) -> bool {
        self.is_opened() || self.frames.last().is_some_and(|frame| frame.pends)
    }
}
