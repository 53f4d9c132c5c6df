//! What a request asks of a FHIR API: parsed from method and path, query, headers and, where it decides, the body.
//!
//! 1. The path below the base must be one of R4's forms (<http://hl7.org/fhir/R4/http.html#summary>), with the method
//!    that goes with it; `HEAD` reads like `GET`. Types are those of R4, ids fit its grammar, and nothing follows.
//! 2. The query is read by [`super::search`]. Interactions with one resource take the general parameters alone, because
//!    servers know others that change what happens (`_cascade`).
//! 3. `Prefer: respond-async` and `If-None-Exist` are found in any form they may have.
//! 4. Two kinds of request say in their body what they ask: a search by POST and a Bundle sent to the base. They are not
//!    judged before [`Interaction::read_form`] or [`Interaction::read_bundle`] has seen it.

use std::fmt;

use super::base::Below;
use super::resource_type::{ResourceType, TypeSet};
use super::search::{Allowed, Parameters};
use super::vocabulary::{Feature, Features, InteractionKind, InteractionKinds};
use crate::http::{Headers, Method};

mod bundle;
mod search;

pub use bundle::{BundleKind, EntryRequest};

/// Why a request to a FHIR API was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FhirError {
    /// No interaction has this path and method.
    NotAnInteraction,
    /// A type that R4 does not have.
    UnknownType,
    /// An id or version outside the grammar of ids.
    Id,
    /// A parameter that cannot be read, or that two servers could read in two ways.
    Parameter,
    /// A parameter that the interaction does not have.
    UnexpectedParameter,
    /// An answer in another format than JSON is asked for.
    NotJson,
    /// A header that cannot be read.
    Header,
    /// A Bundle entry that is no request that may stand there.
    Entry,
    /// A reference in a body that is a search, and none that can be read.
    Reference,
}

impl FhirError {
    /// A stable name for records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAnInteraction => "fhir_not_an_interaction",
            Self::UnknownType => "fhir_unknown_type",
            Self::Id => "fhir_id",
            Self::Parameter => "fhir_parameter",
            Self::UnexpectedParameter => "fhir_unexpected_parameter",
            Self::NotJson => "fhir_not_json",
            Self::Header => "fhir_header",
            Self::Entry => "fhir_entry",
            Self::Reference => "fhir_reference",
        }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// An interaction.
    Rest(InteractionKind),
    /// An operation, its name with the `$`.
    Operation(Box<str>),
    /// A Bundle that was not read yet: a batch or a transaction.
    UnreadBundle,
}

/// The types that a request reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Those it names.
    pub types: TypeSet,
    /// It may reach any other, and the answer would not show it.
    pub any: bool,
    /// The answer may hold others.
    pub open: bool,
}

impl Touched {
    fn union(self, other: &Self) -> Self {
        Self { types: self.types.union(&other.types), any: self.any || other.any, open: self.open || other.open }
    }
}

/// What a body still has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// Nothing.
    Nothing,
    /// The parameters of a search, as a form: [`Interaction::read_form`].
    Form,
    /// A Bundle of requests: [`Interaction::read_bundle`].
    Bundle,
}

/// What a request asks of a FHIR API.
#[derive(Clone, PartialEq, Eq)]
pub struct Interaction {
    act: Act,
    resource: Option<ResourceType>,
    id: Option<Box<str>>,
    version: Option<Box<str>>,
    compartment: Option<(ResourceType, Box<str>)>,
    parameters: Parameters,
    awaits: Awaits,
    entries: Vec<Entry>,
}

/// One request of a batch or transaction. It has no `Debug`: paths name patients.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its method.
    pub method: Method,
    /// Its path, the base in front.
    pub path: String,
    /// Its query, and the search of its condition (`ifNoneExist`).
    pub searches: Vec<Box<str>>,
    /// What it asks.
    pub interaction: Interaction,
}

impl Interaction {
    /// Parses a request whose path below the base is `below` ([`super::Base::below`]).
    pub fn parse(method: &Method, below: &Below<'_>, query: Option<&str>, headers: &Headers) -> Result<Self, FhirError> {
        let mut interaction = Self::of_path(method, &below.segments().ok_or(FhirError::NotAnInteraction)?)?;
        interaction.parameters.read(query.unwrap_or_default().as_bytes(), interaction.allowed_parameters())?;
        if mentions_respond_async(headers) {
            interaction.note(Feature::RespondAsync);
        }
        // Some servers read `_` in names of headers as `-`.
        let condition = headers.single("if-none-exist").map_err(|_| FhirError::Header)?;
        if headers.first("if_none_exist").is_some() {
            return Err(FhirError::Header);
        }
        if let Some(condition) = condition {
            interaction.condition_of_create(condition)?;
        }
        Ok(interaction)
    }

    /// What is done.
    #[must_use]
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// The kind of interaction by name, for records: `operation` for all operations.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.act {
            Act::Rest(kind) => kind.as_str(),
            Act::Operation(_) => "operation",
            Act::UnreadBundle => "bundle",
        }
    }

    /// The type that the path names; of a compartment search the type searched for.
    #[must_use]
    pub fn resource(&self) -> Option<ResourceType> {
        self.resource
    }

    /// The id that the path names.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The version that the path names.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The compartment searched in: its type and id.
    #[must_use]
    pub fn compartment(&self) -> Option<(ResourceType, &str)> {
        self.compartment.as_ref().map(|(kind, id)| (*kind, &**id))
    }

    /// The type that the resource in the body must have. Servers differ in which they believe, body or path.
    #[must_use]
    pub fn body_type(&self) -> Option<ResourceType> {
        let written = matches!(self.act, Act::Rest(InteractionKind::Create | InteractionKind::Update));
        self.resource.filter(|_| written)
    }

    /// What reaches beyond the resource named.
    #[must_use]
    pub fn features(&self) -> Features {
        self.parameters.features
    }

    /// The requests of a batch or transaction.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the body still has to say before the request can be judged.
    #[must_use]
    pub fn awaits(&self) -> Awaits {
        self.awaits
    }

    /// Adds a feature found elsewhere: a conditional reference in a body.
    pub fn note(&mut self, feature: Feature) {
        self.parameters.features.insert(feature);
    }

    /// The types reached, by the entries of a batch too.
    #[must_use]
    pub fn touched(&self) -> Touched {
        let mut touched = self.parameters.touched;
        match (&self.act, self.resource) {
            (_, Some(resource)) => touched.types.insert(resource),
            (Act::Rest(InteractionKind::Capabilities | InteractionKind::Batch | InteractionKind::Transaction), _) => (),
            (Act::Rest(_), None) => touched.any |= !self.parameters.types_listed,
            (Act::Operation(_) | Act::UnreadBundle, None) => touched.any = true,
        }
        touched.open |= matches!(self.act, Act::Operation(_));
        self.entries.iter().fold(touched, |touched, entry| touched.union(&entry.interaction.touched()))
    }

    /// Whether resources of this type are written.
    #[must_use]
    pub fn writes(&self, resource: ResourceType) -> bool {
        self.resource == Some(resource) && matches!(self.act, Act::Rest(kind) if InteractionKinds::WRITES.contains(kind))
    }

    /// Whether a resource that is there is changed by a document that says how.
    #[must_use]
    pub fn patches(&self) -> bool {
        self.act == Act::Rest(InteractionKind::Patch)
    }

    /// Whether a resource that is there is changed.
    #[must_use]
    pub fn overwrites(&self) -> bool {
        matches!(self.act, Act::Rest(InteractionKind::Update | InteractionKind::Patch))
    }

    fn new(act: Act) -> Self {
        Self {
            act,
            resource: None,
            id: None,
            version: None,
            compartment: None,
            parameters: Parameters::default(),
            awaits: Awaits::Nothing,
            entries: Vec::new(),
        }
    }

    fn of_path(method: &Method, below: &[&str]) -> Result<Self, FhirError> {
        let method = if *method == Method::Head { &Method::Get } else { method };
        if let [before @ .., operation] = below
            && operation.starts_with('$')
        {
            return Self::operation(method, before, operation);
        }
        use InteractionKind::{Capabilities, History, Search};
        match (method, below) {
            (Method::Post, []) => Ok(Self { awaits: Awaits::Bundle, ..Self::new(Act::UnreadBundle) }),
            (Method::Options, []) | (Method::Get, ["metadata"] | [".well-known", "smart-configuration"]) => {
                Ok(Self::new(Act::Rest(Capabilities)))
            }
            (Method::Get, []) => Ok(Self::new(Act::Rest(Search))),
            (Method::Get, ["_history"]) => Ok(Self::new(Act::Rest(History))),
            (Method::Post, [before @ .., "_search"]) => {
                Ok(Self { awaits: Awaits::Form, ..Self::search(before).ok_or(FhirError::NotAnInteraction)?? })
            }
            (_, [resource, rest @ ..]) => Self::of_type(method, parse_type(resource)?, rest),
            _ => Err(FhirError::NotAnInteraction),
        }
    }

    fn of_type(method: &Method, resource: ResourceType, rest: &[&str]) -> Result<Self, FhirError> {
        use InteractionKind::{Create, Delete, History, Patch, Read, Search, Update, VRead};
        let (kind, conditional) = match (method, rest) {
            (Method::Get, []) => (Search, None),
            (Method::Post, []) => (Create, None),
            (Method::Put, []) => (Update, Some(Feature::ConditionalUpdate)),
            (Method::Patch, []) => (Patch, Some(Feature::ConditionalPatch)),
            (Method::Delete, []) => (Delete, Some(Feature::ConditionalDelete)),
            (Method::Get, ["_history"]) => return Ok(Self { resource: Some(resource), ..Self::new(Act::Rest(History)) }),
            (Method::Get, [_]) => (Read, None),
            (Method::Put, [_]) => (Update, None),
            (Method::Patch, [_]) => (Patch, None),
            (Method::Delete, [_]) => (Delete, None),
            (Method::Get, [_, "_history"]) => (History, None),
            (Method::Get, [_, "_history", _]) => (VRead, None),
            (Method::Get, [id, searched]) => return Self::compartment_search(resource, id, searched),
            _ => return Err(FhirError::NotAnInteraction),
        };
        let mut interaction = Self { resource: Some(resource), ..Self::new(Act::Rest(kind)) };
        conditional.into_iter().for_each(|feature| interaction.note(feature));
        interaction.id = rest.first().map(|id| parse_id(id)).transpose()?;
        interaction.version = rest.get(2).map(|version| parse_id(version)).transpose()?;
        Ok(interaction)
    }

    /// What stands before `_search`.
    fn search(before: &[&str]) -> Option<Result<Self, FhirError>> {
        let of_type = |resource: &str| {
            Ok(Self { resource: Some(parse_type(resource)?), ..Self::new(Act::Rest(InteractionKind::Search)) })
        };
        Some(match before {
            [] => Ok(Self::new(Act::Rest(InteractionKind::Search))),
            [resource] => of_type(resource),
            [kind, id] => parse_type(kind).and_then(|kind| Self::compartment_search(kind, id, "*")),
            [kind, id, searched] => parse_type(kind).and_then(|kind| Self::compartment_search(kind, id, searched)),
            _ => return None,
        })
    }

    fn compartment_search(kind: ResourceType, id: &str, searched: &str) -> Result<Self, FhirError> {
        // http://hl7.org/fhir/R4/compartmentdefinition.html
        if !["Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"].contains(&kind.name()) {
            return Err(FhirError::NotAnInteraction);
        }
        let resource = if searched == "*" { None } else { Some(parse_type(searched)?) };
        let compartment = Some((kind, parse_id(id)?));
        Ok(Self { resource, compartment, ..Self::new(Act::Rest(InteractionKind::CompartmentSearch)) })
    }

    fn operation(method: &Method, before: &[&str], name: &str) -> Result<Self, FhirError> {
        let word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let named = name.strip_prefix('$').is_some_and(|name| (1..=64).contains(&name.len()) && word(name));
        if !named || !matches!(method, Method::Get | Method::Post) {
            return Err(FhirError::NotAnInteraction);
        }
        let mut interaction = Self::new(Act::Operation(name.into()));
        match before {
            [] => (),
            [resource] => interaction.resource = Some(parse_type(resource)?),
            [resource, id] => {
                interaction.resource = Some(parse_type(resource)?);
                interaction.id = Some(parse_id(id)?);
            }
            _ => return Err(FhirError::NotAnInteraction),
        }
        Ok(interaction)
    }

    fn allowed_parameters(&self) -> Allowed {
        use InteractionKind::{Create, Delete, Patch, Read, Update, VRead};
        match self.act {
            Act::Rest(Read | VRead | Create) | Act::UnreadBundle => Allowed::General,
            Act::Rest(Update | Patch | Delete) if self.id.is_some() => Allowed::General,
            _ => Allowed::Any,
        }
    }
}

/// Ids are patients' to know.
impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interaction")
            .field("name", &self.name())
            .field("resource", &self.resource)
            .field("features", &self.parameters.features)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

fn parse_type(name: &str) -> Result<ResourceType, FhirError> {
    ResourceType::parse(name).ok_or(FhirError::UnknownType)
}

/// <http://hl7.org/fhir/R4/datatypes.html#id>
fn parse_id(text: &str) -> Result<Box<str>, FhirError> {
    let holds = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if holds && (1..=64).contains(&text.len()) { Ok(text.into()) } else { Err(FhirError::Id) }
}

/// RFC 7240 lets a preference stand in lists, quoted, with parameters, in several fields: none of these changes the
/// word, and nothing else holds it.
fn mentions_respond_async(headers: &Headers) -> bool {
    let word = b"respond-async";
    headers.all("prefer").any(|value| value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}
