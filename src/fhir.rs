//! FHIR R4: resource types and REST interactions.

mod resource_type;

pub use resource_type::{ResourceType, TypeSet};
