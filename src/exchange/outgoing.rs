//! The body of a request, redacted before it is sent on: `request.redact`.
//!
//! It is whole and was judged when it comes here. What leaves is judged once more: redaction may not change what the
//! request asks, so a rule that takes an entry's URL out of a transaction, say, refuses the request. Forms and media types
//! that are not looked into cannot be redacted; nor can a patch, whose paths and values say nothing that a rule on elements
//! could match. They are refused where a profile applies to them.

use std::rc::Rc;

use super::answer::used_rules;
use super::body::{Content, Layout};
use super::effect::Change;
use super::reason::{Reason, Rule};
use super::request::Judged;
use super::{Exchange, Host};
use crate::fhir::Interaction;
use crate::http::Headers;
use crate::json;
use crate::redact::{self, Format, Options, Program, Redactor};
use crate::validate::shape::Shaped;

/// Headers about the bytes that the client sent: a digest of what was taken out would tell it apart (RFC 9530).
const OF_BODY: &[&str] = &["content-md5", "content-digest", "repr-digest", "digest"];

/// A body that was read and judged.
pub(super) struct Body {
    pub(super) content: Content,
    pub(super) bytes: Vec<u8>,
    /// Its shape as FHIR, where that is looked for.
    pub(super) shaped: Option<Shaped>,
    /// The queries of references that are searches.
    pub(super) searches: Vec<Box<str>>,
    /// The entries of a Bundle.
    pub(super) entries: usize,
    /// The interaction as the head alone says it.
    pub(super) asked: Option<Interaction>,
}

/// What a changed body means for the head of its request.
#[derive(Default)]
pub(super) struct Reframing {
    has_length: bool,
    digests: Vec<Change>,
}

impl Reframing {
    pub(super) fn of(head: &Headers) -> Self {
        let digests = OF_BODY.iter().filter(|name| head.first(name).is_some());
        Self {
            has_length: head.first("content-length").is_some(),
            digests: digests.map(|name| Change::Remove(name.as_bytes().to_vec())).collect(),
        }
    }

    /// The changes for a body of this length.
    pub(super) fn changes(self, length: usize) -> Vec<Change> {
        let mut changes = self.digests;
        // Without one the body is chunked, and stays so.
        if self.has_length {
            changes.push(Change::Set("content-length".into(), length.to_string().into_bytes()));
        }
        changes
    }
}

impl Exchange {
    /// What stands in place of a body; `None` where it is sent on as it came.
    pub(super) fn redact_request(
        &mut self,
        judged: &Judged,
        body: Body,
        host: &Host<'_>,
    ) -> Result<Option<Vec<u8>>, Reason> {
        let Some(views) = &judged.route.request_redact else { return Ok(None) };
        let view = judged.view(views);
        told!(self, views("request", judged, Some(views), view.as_ref().err().copied()));
        let Some((name, program)) = view? else { return Ok(None) };
        self.record.request_profile = Some(name);
        let format = format(&program, &body.content, judged);
        told!(self, unredactable(format.as_ref().err().copied()));
        let format = format?;
        let own = judged.route.limits.json;
        // All of it is here already, so holding back costs nothing more.
        let options = Options { limits: own, hold_back: body.bytes.len(), now: Some(host.now()), ..Options::new(format) };
        let mut redactor = Redactor::new(Rc::clone(&program), options);
        let mut out = Vec::with_capacity(body.bytes.len());
        #[cfg(not(target_family = "wasm"))]
        if self.trail.is_some() {
            redactor.trace();
        }
        let redacted = redactor.write(&body.bytes, &mut out).and_then(|()| redactor.finish());
        self.record.request_redacted = redactor.summary().changed();
        self.used_rules = used_rules(&program, &redactor);
        told!(self, redacted("request", &program, redactor.touches()));
        let redacted = redacted.map_err(reason);
        told!(self, unredactable(redacted.as_ref().err().copied()));
        redacted?;
        // A tag is deeper than a resource may be, and a hash longer than a string.
        let limits = json::Limits { max_depth: own.max_depth.saturating_add(8), max_string: usize::MAX, ..own };
        let limits = json::Limits { max_keys: limits.max_keys.saturating_add(1), ..limits };
        let mut asked = body.asked;
        let inspected = body.content.inspect(&out, &limits, asked.as_mut(), judged.target.path(), None, None);
        if inspected.is_err() || asked != judged.interaction {
            told!(self, unredactable(Some(Rule::BodyMeaning.into())));
            return Err(Rule::BodyMeaning.into());
        }
        Ok(Some(out))
    }
}

/// How a body is redacted.
fn format(program: &Program, content: &Content, judged: &Judged) -> Result<Format, Reason> {
    let is_patch = judged.interaction.as_ref().is_some_and(|interaction| {
        interaction.patches() || interaction.entries().iter().any(|entry| entry.interaction.patches())
    });
    // As with answers: what is read as plain JSON escapes rules on FHIR paths.
    let is_fhir = content.is_fhir || judged.base.is_some() || program.needs_fhir();
    match content.layout {
        Layout::Json if is_patch || content.is_patch => Err(Rule::BodyNotRedactable.into()),
        Layout::Json if is_fhir => Ok(Format::FhirJson),
        Layout::Json => Ok(Format::Json),
        Layout::JsonLines => Ok(Format::FhirNdjson),
        Layout::Form | Layout::Parts(_) | Layout::Opaque => Err(Rule::BodyNotRedactable.into()),
    }
}

/// What the redactor's error means for the client.
fn reason(error: redact::Error) -> Reason {
    use redact::Error;
    match error {
        Error::Malformed(error) => super::body::refusal(error),
        Error::HoldBack | Error::LongString => Rule::JsonLimit.into(),
        Error::Ended | Error::TypeNotGranted => Rule::Internal.into(),
        Error::RootScalar | Error::NotResource | Error::MisplacedResource | Error::Emptied => Rule::BodyNotFhir.into(),
        Error::ModifierTaken => Rule::BodyModifier.into(),
        // Only answers are judged for it.
        Error::Narrative => Rule::Internal.into(),
    }
}
