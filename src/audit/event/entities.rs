//! What was asked for: the request, the patient, and the resource or the search.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::MAX_QUERY;
use super::json::Json;
use super::particulars::Particulars;
use crate::audit::{Record, balp};

impl Json {
    /// The request, the patient, and the search or what is read or written.
    pub(super) fn entities(&mut self, record: &Record, told: &Particulars, patient: Option<&str>, is_query: bool) {
        self.raw(",\"entity\":[");
        if let Some(id) = &record.request_id {
            self.all(&["{\"what\":{\"identifier\":{\"value\":\"", id, "\"}},\"type\":"]);
            self.coding((balp::REQUEST_ID, "XrequestId"));
            self.raw("},");
        }
        if let Some(patient) = patient {
            self.raw("{\"what\":");
            self.reference("Patient", Some(patient), None);
            self.entity_kind("1", "1");
            self.raw("},");
        }
        if is_query {
            let cut = told.query.len() > MAX_QUERY;
            let query = told.query.get(..MAX_QUERY).unwrap_or(&told.query);
            self.raw("{\"query\":\"");
            STANDARD.encode_string(query, &mut self.0);
            self.raw(if cut { "\",\"description\":\"the query was cut\"" } else { "\"" });
            self.entity_kind("2", "24");
        } else {
            self.object(told, record);
            self.entity_kind("2", "4");
        }
        self.raw("}]");
    }

    /// What is read or written.
    fn object(&mut self, told: &Particulars, record: &Record) {
        let Record { interaction, resource_type, route, .. } = record;
        self.0.push('{');
        match (interaction, resource_type) {
            (_, Some(kind)) => {
                self.raw("\"what\":");
                match (&told.id, &told.location) {
                    (None, Some(location)) => {
                        self.all(&["{\"reference\":\"", location, "\"}"]);
                    }
                    (id, _) => self.reference(kind, id.as_deref(), told.version.as_deref()),
                }
            }
            (Some("batch" | "transaction" | "bundle"), None) => {
                self.raw("\"what\":");
                self.reference("Bundle", None, None);
            }
            _ => (),
        }
        let name = told.operation.as_deref().or(if interaction.is_some() { None } else { route.as_deref() });
        if let Some(name) = name {
            let before = if self.0.ends_with('{') { "\"name\":" } else { ",\"name\":" };
            self.text(before, name);
        }
    }

    #[inline(never)]
    fn entity_kind(&mut self, kind: &'static str, role: &'static str) {
        self.raw(if self.0.ends_with('{') { "\"type\":" } else { ",\"type\":" });
        self.coding((balp::ENTITY_TYPE, kind));
        self.raw(",\"role\":");
        self.coding((balp::OBJECT_ROLE, role));
    }
}
