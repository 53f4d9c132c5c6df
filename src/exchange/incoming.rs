//! The body of a request: held in Envoy until it is whole, then read and judged once.
//!
//! Its head said what it is ([`super::body`]); what it may be is for the limits, the shape, the schema and inspection,
//! which all look on while it is read.

use super::body::{Checked, Content, Layout};
use super::effect::Effects;
use super::inspection::{Findings, reads_all, require_readable};
use super::outgoing::Body;
use super::reason::{Reason, Rule};
use super::request::Judged;
use super::{Exchange, Host, ReadBody, Stage};
use crate::http::{Headers, Method};
use crate::inspect::Inspection;

/// A request whose head was judged and whose body is awaited.
pub(super) struct Pending {
    judged: Judged,
    content: Content,
    size: usize,
}

impl Exchange {
    /// Waits for the body that a head announces, where it may be one of this kind.
    pub(super) fn await_body(&mut self, mut judged: Judged, head: &Headers) -> Result<Effects, Reason> {
        let content = Content::of(head, &judged.route);
        told!(self, content(head, &judged.route, &content));
        let content = content?;
        judged.changes.extend(content.restated(head));
        if content.is_patch && judged.interaction.as_ref().is_some_and(|interaction| !interaction.patches()) {
            // Read as a change it would get around what a resource has to be.
            return Err(self.refuse_kind(Rule::UnsupportedMediaType));
        }
        let readable = require_readable(content, &judged.route);
        told!(self, readable(&readable));
        readable?;
        let timeout = judged.route.limits.body_timeout;
        self.stage = Stage::Body(Box::new(Pending { judged, content, size: 0 }));
        Ok(Effects::hold(timeout))
    }

    /// A part of the request's body has come; `size` is what Envoy holds of it by now.
    pub fn request_body(&mut self, size: usize, end: bool, read: ReadBody<'_>, host: &Host<'_>) -> Effects {
        let pending = match &mut self.stage {
            Stage::Body(pending) => pending,
            Stage::Waiting(_) => return self.body_while_waiting(size, end),
            _ => return Effects::default(),
        };
        pending.size = size;
        let limits = &pending.judged.route.limits;
        told!(self, body_size(size, limits.body));
        if size > limits.body {
            return self.refuse_request(Rule::BodyTooLarge.into());
        }
        if !end {
            return Effects::hold(limits.body_timeout);
        }
        self.judge_body(read, host)
    }

    /// The request's trailers have come: its body is whole. Nothing needs them, and they could name an identity.
    pub fn request_trailers(&mut self, read: ReadBody<'_>, host: &Host<'_>) -> Effects {
        let effects = match &self.stage {
            Stage::Body(_) => self.judge_body(read, host),
            Stage::Waiting(waiting) => self.body_while_waiting(waiting.size(), true),
            _ => Effects::default(),
        };
        Effects { drop_trailers: true, ..effects }
    }

    fn judge_body(&mut self, read: ReadBody<'_>, host: &Host<'_>) -> Effects {
        let Stage::Body(pending) = std::mem::replace(&mut self.stage, Stage::Start) else { return self.fail() };
        let Pending { judged, content, size } = *pending;
        let judged = match size {
            // Not even the last delimiter.
            0 if matches!(content.layout, Layout::Parts(_)) => Err(self.refuse_kind(Rule::MalformedMultipart)),
            0 => judged.without_body().and_then(|judged| self.judge_empty(judged, host)),
            // RFC 9110 sections 9.3.1 and 9.3.2. What ends without a byte has none.
            _ if matches!(judged.method, Method::Get | Method::Head) => Err(self.refuse_kind(Rule::UnexpectedBody)),
            _ => self.inspect(judged, content, size, read).and_then(|(judged, body)| {
                // A Bundle says only now whether it is a batch or a transaction.
                judged.interaction.iter().for_each(|interaction| self.note_interaction(interaction));
                told!(self, interaction(Ok(judged.interaction.as_ref())));
                let grant = self.decide(&judged)?;
                self.validate_body(&judged, &body)?;
                self.let_through(judged, grant, None, Some(body), host)
            }),
        };
        judged.unwrap_or_else(|reason| self.refuse_request(reason))
    }

    /// Refuses a body for what it is, whatever it says: none where there has to be one, the other way round, or a change to
    /// something that the request does not change.
    fn refuse_kind(&mut self, rule: Rule) -> Reason {
        told!(self, kind_of_body(rule));
        rule.into()
    }

    /// Checks a body, and completes with it what is known of the request.
    fn inspect(
        &mut self,
        mut judged: Judged,
        content: Content,
        size: usize,
        read: ReadBody<'_>,
    ) -> Result<(Judged, Body), Reason> {
        let bytes = read().filter(|body| body.len() == size).ok_or(Rule::Internal)?;
        let Judged { route, target, interaction, .. } = &mut judged;
        let asked = route.request_redact.as_ref().and(interaction.clone());
        let mut inspection = route.inspect.as_ref().map(|settings| Inspection::new(settings, bytes.len()));
        let mut shape = route.checks.reader(&content, interaction.as_ref());
        let (limits, reader) = (&route.limits.json, shape.as_mut());
        let checked = match (&content.layout, &route.parts) {
            (Layout::Parts(boundary), Some(parts)) => {
                let checked = parts.inspect(boundary, &bytes, limits, inspection.as_mut(), reads_all(route));
                self.refuse_misfit(checked)
            }
            _ => content.inspect(&bytes, limits, interaction.as_mut(), target.path(), reader, inspection.as_mut()),
        };
        told!(self, body(content, &bytes, limits, checked.as_ref().err().copied()));
        let checked = checked?;
        if let Some(inspection) = &inspection {
            let heeded = self.heed(&route.clone(), Findings::of(inspection, checked.inspected));
            told!(self, inspected_body(&judged, content, &bytes, heeded.err()));
            heeded?;
        }
        if checked.overwrites_by_part {
            told!(self, partial());
            return Err(Rule::PartialResource.into());
        }
        let shaped = shape.map(|shape| shape.finish(&bytes, &judged.route.limits.json));
        if let (Layout::Form, Some(interaction)) = (&content.layout, &judged.interaction) {
            self.tell_form(interaction, &bytes);
        }
        let Checked { searches, entries, .. } = checked;
        Ok((judged, Body { content, bytes, shaped, searches, entries, asked }))
    }

    /// A body was announced and had nothing in it.
    fn judge_empty(&mut self, judged: Judged, host: &Host<'_>) -> Result<Effects, Reason> {
        let grant = self.decide(&judged)?;
        self.validate_empty(&judged)?;
        self.let_through(judged, grant, None, None, host)
    }
}
