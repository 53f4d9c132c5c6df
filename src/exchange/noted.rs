//! What is told of a request: in its record, and to Envoy's rate limits.

use std::rc::Rc;

use super::Exchange;
use crate::fhir::{Interaction, ResourceType};
use crate::http::{Headers, Method};
use crate::identity::Principal;

impl Exchange {
    /// Who asks, as Envoy's rate limits tell callers apart.
    pub(super) fn caller(&self, principal: &Principal) -> Rc<str> {
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
