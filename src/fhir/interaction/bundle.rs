//! Batches and transactions (<http://hl7.org/fhir/R4/http.html#transaction>): each entry is a request of its own.
//!
//! Nothing normalises an entry's URL on its way, so it must be written as a normalised path below the base. An entry
//! cannot hold another Bundle, nor search by POST, whose form would stand nowhere.

use super::{Act, Awaits, Entry, FhirError, Interaction};
use crate::fhir::base::Below;
use crate::fhir::vocabulary::InteractionKind;
use crate::http::{Headers, Method, Target};

/// What a Bundle sent to the base asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// Each entry for itself.
    Batch,
    /// All entries or none.
    Transaction,
}

impl BundleKind {
    /// Reads `Bundle.type`. The other types ask for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "batch" => Some(Self::Batch),
            "transaction" => Some(Self::Transaction),
            _ => None,
        }
    }
}

/// `Bundle.entry.request`, and what goes with it.
#[derive(Clone, Copy)]
pub struct EntryRequest<'b> {
    /// `method`
    pub method: &'b str,
    /// `url`
    pub url: &'b str,
    /// `ifNoneExist`
    pub if_none_exist: Option<&'b str>,
    /// Whether there is a `Bundle.entry.resource`.
    pub has_resource: bool,
    /// `Bundle.entry.resource.resourceType`
    pub resource_type: Option<&'b str>,
    /// `Bundle.entry.resource.parameter.name`, each
    pub parameters: &'b [String],
}

impl Interaction {
    /// Says what the Bundle is and which requests it holds. `path` is the path that it was sent to, the base.
    pub fn read_bundle<'b>(
        &mut self,
        kind: BundleKind,
        path: &str,
        requests: impl IntoIterator<Item = EntryRequest<'b>>,
    ) -> Result<(), FhirError> {
        let base = path.strip_suffix('/').unwrap_or(path);
        self.entries = requests.into_iter().map(|request| read_entry(base, request)).collect::<Result<_, _>>()?;
        self.act = Act::Rest(match kind {
            BundleKind::Batch => InteractionKind::Batch,
            BundleKind::Transaction => InteractionKind::Transaction,
        });
        self.awaits = Awaits::Nothing;
        Ok(())
    }
}

fn read_entry(base: &str, request: EntryRequest<'_>) -> Result<Entry, FhirError> {
    let EntryRequest { method, url, if_none_exist, has_resource, resource_type, parameters } = request;
    let method = Method::parse(method.as_bytes()).map_err(|_| FhirError::Entry)?;
    let target = Target::parse(format!("/{url}").as_bytes()).map_err(|_| FhirError::Entry)?;
    if target.is_rewritten() {
        return Err(FhirError::Entry);
    }
    let headers = Headers::from_pairs(if_none_exist.map(|condition| ("if-none-exist", condition)));
    let mut interaction = Interaction::parse(&method, &Below::root(target.path()), target.query(), &headers)?;
    // Some servers create what the resource says, whatever the URL says.
    let says_otherwise = interaction.body_type().is_some_and(|expected| resource_type != Some(expected.name()));
    if interaction.awaits != Awaits::Nothing || says_otherwise {
        return Err(FhirError::Entry);
    }
    if has_resource {
        interaction.note_operation_body(resource_type, parameters.iter().map(String::as_str));
    }
    let path = format!("{base}{}", target.path());
    let searches = target.query().into_iter().chain(if_none_exist).map(Box::from).collect();
    Ok(Entry { method, path, searches, interaction })
}
