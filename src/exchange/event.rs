//! What an exchange knows that its AuditEvent tells, and its record does not: noted on the way, where events are delivered.

use super::{Exchange, Facts, Stage};
use crate::audit::event::{self, Particulars};
use crate::fhir::{Act, Interaction};
use crate::http::{Host, Method, Target};
use crate::identity::Principal;

/// The longest id of a patient or a token that a claim may hold: what is cut would be another.
const MAX_CLAIM: usize = 100;

impl Exchange {
    /// There is no room for the exchange's event, and what cannot be recorded may not happen.
    pub fn lacks_room(&mut self) {
        self.lacks_room = true;
    }

    /// Whether it was refused for that.
    #[must_use]
    pub fn was_refused_for_room(&self) -> bool {
        self.lacks_room
            && !self.record.shadow
            && self.record.reason == super::Reason::from(super::Rule::AuditUnavailable).code()
    }

    /// Whether the event has to say where the upstream puts what it creates.
    #[must_use]
    pub fn awaits_location(&self) -> bool {
        self.particulars.is_some() && self.record.interaction == Some("create")
    }

    /// The upstream's `Location`, as it came.
    pub fn note_location(&mut self, location: &[u8]) {
        let location = std::str::from_utf8(location).ok();
        let kind = self.record.resource_type;
        if let (Some(told), Some(location), Some(kind)) = (&mut self.particulars, location, kind) {
            told.location = event::own_reference(location, kind).map(Into::into);
        }
    }

    /// The event of an exchange that has been closed, where events are delivered. One that never came here, since a filter
    /// before us answered it, has none: a flood would fill the queue.
    #[must_use]
    pub fn event(&self) -> Option<Vec<u8>> {
        if matches!(self.stage, Stage::Start) {
            return None;
        }
        let (told, delivery) = (self.particulars.as_deref()?, self.engine.delivery()?);
        Some(event::write(&self.record, told, delivery.teller()))
    }

    pub(super) fn tell_source(&mut self, facts: &dyn Facts) {
        if let Some(told) = &mut self.particulars {
            told.source = facts.source();
        }
    }

    pub(super) fn tell_host(&mut self, host: &Host) {
        if let Some(told) = &mut self.particulars {
            told.host = Some(host.as_str().into());
        }
    }

    /// Notes a search: its method, host, path and query, credentials left out.
    pub(super) fn tell_query(&mut self, interaction: &Interaction, method: &Method, host: &Host, asked: &Target) {
        if let Some(told) = self.particulars.as_deref_mut().filter(|_| is_search(interaction)) {
            // A request that waited is judged again, from its beginning.
            told.query.clear();
            told.named = event::Named::default();
            let line = format!("{} {}{}", method.as_str(), host.as_str(), asked.to_request_target());
            told.note_search(line.as_bytes(), asked.query().unwrap_or_default().as_bytes(), is_of_patients(interaction));
        }
    }

    /// Notes the form of a search.
    pub(super) fn tell_form(&mut self, interaction: &Interaction, form: &[u8]) {
        if let Some(told) = self.particulars.as_deref_mut().filter(|_| is_search(interaction)) {
            told.note_search(form, form, is_of_patients(interaction));
        }
    }
}

fn is_search(interaction: &Interaction) -> bool {
    matches!(interaction.name(), "search" | "compartment-search")
}

fn is_of_patients(interaction: &Interaction) -> bool {
    interaction.resource().is_some_and(|kind| kind.name() == "Patient")
}

/// Notes what is asked for.
pub(super) fn tell_interaction(told: &mut Particulars, interaction: &Interaction) {
    told.id = interaction.id().map(Into::into);
    told.version = interaction.version().map(Into::into);
    let compartment = interaction.compartment().filter(|(kind, _)| kind.name() == "Patient");
    told.compartment_patient = compartment.map(|(_, id)| id.into());
    if let Act::Operation(name) = interaction.act() {
        told.operation = Some(name.clone());
    }
}

/// Notes who asks.
pub(super) fn tell_caller(told: &mut Particulars, principal: &Principal) {
    let claim = |name: &str| {
        let text = principal.claim(name)?.as_str()?;
        (text.len() <= MAX_CLAIM).then(|| text.into())
    };
    told.subject.clone_from(&principal.subject);
    told.client.clone_from(&principal.client);
    told.issuer = claim("/iss");
    told.token_id = claim("/jti");
    told.roles.clone_from(&principal.roles);
    told.launch_patient = principal.patient.as_deref().map(Into::into);
}
