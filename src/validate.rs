//! What may come in: queries, headers, forms and documents as the policy and FHIR R4 describe them.
//!
//! - [`Parameters`] and [`Fields`]: names, forms and counts of what stands in a query, a form and the head.
//! - [`Schema`]: JSON Schema, compiled once; [`Shape`]: the elements of R4, read as the lexer shows them, without a tree.
//! - [`FhirLimits`]: how much one request may ask of a FHIR server.
//! - [`Origins`]: whose pages may write with a browser's cookies.
//!
//! What does not fit is a [`Violation`]: a place and the rule that does not hold there. A place is made of names that the
//! policy, a schema or R4 have, and of indices. Nothing that was sent is in it, no value and no name: so it can stand in a
//! reply and in a record.

mod accept;
mod limits;
mod origin;
mod parameters;
mod pattern;
pub mod schema;
pub mod shape;
mod value;

pub use accept::wants_other_format;
pub use limits::FhirLimits;
pub use origin::{Foreign, Origins};
pub use parameters::{Fields, Parameters};
pub use schema::{Schema, Schemas};
pub use shape::Shape;

use std::borrow::Cow;

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: a JSON Pointer, an element's path, or a parameter's name.
    pub place: String,
    /// Which kind of place it is.
    pub kind: Place,
    /// The rule that does not hold there: a keyword of JSON Schema, or one of ours.
    pub rule: Cow<'static, str>,
}

/// What kind of place a [`Violation`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A JSON Pointer (RFC 6901). A name that the schema does not have is `*` in it.
    Pointer,
    /// Elements of R4 from a resource on: `Patient.name[0].given`.
    Element,
    /// A parameter of the query or a form.
    Parameter,
    /// A header.
    Header,
    /// A part of a body, by its number from 1.
    Part,
}

impl Violation {
    pub(crate) fn new(kind: Place, place: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), kind, rule: rule.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, kind, rule } = self;
        let place = if place.is_empty() { "(root)" } else { place };
        let kind = if *kind == Place::Part { "part " } else { "" };
        write!(f, "{rule} at {kind}{place}")
    }
}
