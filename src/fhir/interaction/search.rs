//! What an interaction searches by: its form, its conditions, and what its parameters ask about.

use super::{Act, Awaits, FhirError, Interaction};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::search::{Allowed, asked_form};
use crate::fhir::vocabulary::{Feature, InteractionKind};

impl Interaction {
    /// Reads the form of a search by POST, whose parameters count like those of the query.
    pub fn read_form(&mut self, body: &[u8]) -> Result<(), FhirError> {
        self.parameters.read(body, Allowed::Any)?;
        self.awaits = Awaits::Nothing;
        Ok(())
    }

    /// What its parameters ask about, each in the form in which an access rule grants it. What a server can do is no
    /// secret of anybody's, so nothing is asked about capabilities.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        let is_open = self.act == Act::Rest(InteractionKind::Capabilities);
        self.parameters.asked.iter().filter(move |_| !is_open).map(|form| &**form)
    }

    /// The form in which a parameter of this name asks; `None` when it is no name.
    #[must_use]
    pub fn asked_form(name: &str) -> Option<String> {
        asked_form(name)
    }

    /// Notes a reference in a body that the server resolves by a search (<http://hl7.org/fhir/R4/http.html#trules>): a
    /// type and its parameters, which reach as far as those of a query. Some servers read an address before the type and
    /// drop it, so what is no type alone is refused.
    pub fn note_conditional_reference(&mut self, reference: &str) -> Result<(), FhirError> {
        self.note(Feature::ConditionalReference);
        let (resource, search) = reference.split_once('?').ok_or(FhirError::Reference)?;
        self.parameters.touched.types.insert(ResourceType::parse(resource).ok_or(FhirError::Reference)?);
        self.read_beside(search.as_bytes()).map_err(|_| FhirError::Reference)
    }

    /// Notes what the body of an operation asks about (<http://hl7.org/fhir/R4/operations.html#request>): each parameter
    /// by its name. Any other resource stands for the parameter `resource`, and any body of `$graphql` for its `query`,
    /// which is looked for in the body whatever it calls itself.
    pub fn note_operation_body<'n>(&mut self, resource_type: Option<&str>, names: impl IntoIterator<Item = &'n str>) {
        let Act::Operation(operation) = &self.act else { return };
        if &**operation == "$graphql" {
            self.parameters.ask_by_name("query");
        } else if resource_type != Some("Parameters") {
            self.parameters.ask_by_name("resource");
        }
        names.into_iter().for_each(|name| self.parameters.ask_by_name(name));
    }

    /// The search that decides whether a resource is created.
    pub(super) fn condition_of_create(&mut self, search: &[u8]) -> Result<(), FhirError> {
        self.note(Feature::ConditionalCreate);
        self.read_beside(search)
    }

    /// Reads a search that stands beside that of the request, and so does not say which types the request means.
    fn read_beside(&mut self, search: &[u8]) -> Result<(), FhirError> {
        let types_listed = self.parameters.types_listed;
        self.parameters.read(search, Allowed::Any)?;
        self.parameters.types_listed = types_listed;
        Ok(())
    }
}
