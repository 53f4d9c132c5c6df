//! What an event tells beside its record, and whom it is about.

use std::net::IpAddr;
use std::rc::Rc;

use super::MAX_QUERY;
use super::reference::patient_id;
use crate::http::query::pairs;

/// What an event tells beside its record.
#[derive(Default)]
pub struct Particulars {
    /// The client's address.
    pub source: Option<IpAddr>,
    /// The host that was asked.
    pub host: Option<Box<str>>,
    /// The user, as the issuer names them.
    pub subject: Option<Rc<str>>,
    /// The issuer that does.
    pub issuer: Option<Box<str>>,
    /// The client application.
    pub client: Option<Rc<str>>,
    /// The token's `jti`.
    pub token_id: Option<Box<str>>,
    /// The roles conferred.
    pub roles: Vec<Rc<str>>,
    /// The patient that the token is for, by id.
    pub launch_patient: Option<Box<str>>,
    /// The id that the path names.
    pub id: Option<Box<str>>,
    /// The version that it names.
    pub version: Option<Box<str>>,
    /// The operation.
    pub operation: Option<Box<str>>,
    /// The patient whose compartment is searched.
    pub compartment_patient: Option<Box<str>>,
    /// A search, as it was asked: its first line, and its form. At most a byte more than [`MAX_QUERY`].
    pub query: Vec<u8>,
    /// Whom it names.
    pub named: Named,
    /// Where the upstream put what was created: `Type/id`, perhaps with its version.
    pub location: Option<Box<str>>,
}

/// The patient that a search names.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// None.
    #[default]
    Nobody,
    /// One, by this id.
    One(Box<str>),
    /// Several, or somebody who cannot be told.
    Unclear,
}

impl Particulars {
    /// Notes a search: its first line, or its form.
    pub(crate) fn note_search(&mut self, text: &[u8], parameters: &[u8], is_patient: bool) {
        if !self.query.is_empty() {
            self.query.extend_from_slice(b"\n\n");
        }
        // One byte more shows that it was cut.
        let room = (MAX_QUERY + 1).saturating_sub(self.query.len());
        self.query.extend_from_slice(text.get(..room).unwrap_or(text));
        for pair in pairs(parameters) {
            let Ok((name, value)) = pair else {
                self.named = Named::Unclear;
                return;
            };
            let is_about_one = match &*name {
                "patient" | "patient:Patient" | "subject:Patient" => true,
                // Of a bare id nobody knows the type.
                "subject" => value.contains("Patient/"),
                "_id" => is_patient,
                _ => false,
            };
            if !is_about_one {
                continue;
            }
            self.named = match (patient_id(&value), &self.named) {
                (Some(id), Named::Nobody) => Named::One(id.into()),
                (Some(id), Named::One(before)) if *id == **before => continue,
                _ => Named::Unclear,
            };
        }
    }

    /// The patient that a request is about, by id.
    pub(super) fn patient(&self, resource_type: Option<&str>) -> Option<&str> {
        let is_patient = resource_type == Some("Patient");
        if let Some(id) = self.id.as_deref().filter(|_| is_patient).or(self.compartment_patient.as_deref()) {
            return Some(id);
        }
        // A patient that has just been created.
        let created = self.location.as_deref().filter(|_| is_patient).and_then(|location| location.split('/').nth(1));
        if created.is_some() {
            return created;
        }
        match &self.named {
            Named::One(id) => Some(id),
            Named::Unclear => None,
            Named::Nobody => self.launch_patient.as_deref().and_then(patient_id),
        }
    }
}
