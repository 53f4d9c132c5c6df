//! What is told of a request: in its record, and to Envoy's rate limits.

use std::rc::Rc;

use super::Exchange;
use crate::fhir::{Interaction, ResourceType};
use crate::http::{Headers, Method};
use crate::identity::Principal;
use crate::policy::model::RateLimitDescriptor;

impl Exchange {
    /// What Envoy's rate limits may tell requests apart by: what we established, never what a client says.
    pub(super) fn descriptors(&self, principal: &Principal) -> Vec<(&'static str, Rc<str>)> {
        let value = |descriptor: &RateLimitDescriptor| match descriptor {
            RateLimitDescriptor::Client => Some(("carewarden.client", self.caller(principal))),
            RateLimitDescriptor::Subject => Some(("carewarden.subject", self.record.subject.as_deref()?.into())),
            RateLimitDescriptor::Route => Some(("carewarden.route", self.record.route.clone()?)),
        };
        self.engine.rate_limit_descriptors().iter().filter_map(value).collect()
    }

    fn caller(&self, principal: &Principal) -> Rc<str> {
        let by_subject = || {
            let subject = principal.subject.as_ref()?;
            Some(self.engine.pseudonyms()?.hash("subject", &[subject.as_bytes()]).into())
        };
        let provider = || principal.providers.first().cloned();
        principal.client.clone().or_else(by_subject).or_else(provider).unwrap_or_else(|| "anonymous".into())
    }

    /// Says in the record who asks.
    pub(super) fn note_caller(&mut self, principal: &Principal) {
        let record = &mut self.record;
        record.providers.clone_from(&principal.providers);
        record.client.clone_from(&principal.client);
        record.key_id.clone_from(&principal.key_id);
        if let Some(told) = self.particulars.as_deref_mut() {
            super::event::tell_caller(told, principal);
        }
        let Some(pseudonyms) = self.engine.pseudonyms() else { return };
        let provider = principal.providers.first().map_or(&b""[..], |name| name.as_bytes());
        record.subject =
            principal.subject.as_ref().map(|subject| pseudonyms.hash("subject", &[provider, subject.as_bytes()]));
        record.patient = principal.patient.as_ref().map(|id| pseudonyms.hash("resource", &[b"Patient", id.as_bytes()]));
    }

    /// Says in the record what is asked.
    pub(super) fn note_interaction(&mut self, interaction: &Interaction) {
        self.record.interaction = Some(interaction.name());
        self.record.resource_type = interaction.resource().map(ResourceType::name);
        if let Some(told) = self.particulars.as_deref_mut() {
            super::event::tell_interaction(told, interaction);
        }
        if let (Some(kind), Some(id), Some(pseudonyms)) =
            (interaction.resource(), interaction.id(), self.engine.pseudonyms())
        {
            self.record.resource = Some(pseudonyms.hash("resource", &[kind.name().as_bytes(), id.as_bytes()]));
        }
    }
}

/// Envoy's id of the request: a UUID. Anything else may be a client's and is not repeated.
pub(super) fn request_id(head: &Headers) -> Option<String> {
    let id = std::str::from_utf8(head.single("x-request-id").ok()??).ok()?;
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_uuid.then(|| id.to_owned())
}

/// The trace that the request is part of (W3C Trace Context), where its header says so in the one form that it may have.
/// It is the client's word, and its digits could be chosen, so it finds records and proves nothing.
pub(super) fn trace_id(head: &Headers) -> Option<String> {
    let mut fields = std::str::from_utf8(head.single("traceparent").ok()??).ok()?.split('-');
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut field = |digits| fields.next().filter(|field| field.len() == digits && field.bytes().all(is_hex));
    let (version, trace, parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
    // Later versions may say more; `ff` is none.
    let is_whole = version != "ff" && (version != "00" || fields.next().is_none());
    (is_whole && !is_zero(trace) && !is_zero(parent)).then(|| trace.to_owned())
}

/// The method, where it is a usual one.
pub(super) fn known_method(method: &Method) -> Option<&'static str> {
    Some(match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Other(_) => return None,
    })
}
