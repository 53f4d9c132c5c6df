//! FHIR R4: resource types, their elements, and REST interactions.

mod base;
pub mod elements;
mod interaction;
mod named;
mod resource_type;
mod search;
mod vocabulary;

pub use base::{Base, Below};
pub use interaction::{Act, Awaits, BundleKind, Entry, EntryRequest, FhirError, Interaction, Touched};
pub use resource_type::{ResourceType, TypeSet};
pub use vocabulary::{Feature, Features, InteractionKind, InteractionKinds};
