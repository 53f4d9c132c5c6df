//! JSON Schema as Carewarden uses it: offline, in two drafts, with patterns in linear time.
//!
//! It is a package of its own for one reason: what the `jsonschema` crate defines generically is compiled where it is used,
//! and here that is with the optimisation that the profile gives this package, for size. In the main package, which is
//! compiled for speed, the module for Envoy would be larger by more than a megabyte.

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

/// The most that a compiled pattern may take, and the table of its states, in bytes.
const MAX_COMPILED: usize = 1 << 18;
const MAX_STATES: usize = 1 << 20;

/// The draft that a schema is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// 2020-12
    Latest,
    /// 7
    Seven,
}

/// A compiled schema.
pub struct Validator(jsonschema::Validator);

/// One step to a value inside of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member of this name.
    Name(String),
    /// The element at this place.
    Index(usize),
}

/// What is wrong: with a document, or with a schema.
#[derive(Debug)]
pub struct Problem {
    /// Where, from the root.
    pub place: Vec<Step>,
    /// The keyword that does not hold.
    pub keyword: String,
    /// What is behind a `not`, where that does not hold.
    pub negated: Option<Value>,
    /// The same in words, without the value.
    pub message: String,
}

impl Validator {
    /// Compiles a schema. `formats` says whether `format` is an assertion, and each has to be a known one.
    pub fn compile(schema: &Value, draft: Draft, formats: bool) -> Result<Self, Box<Problem>> {
        let draft = match draft {
            Draft::Latest => jsonschema::Draft::Draft202012,
            Draft::Seven => jsonschema::Draft::Draft7,
        };
        let patterns = PatternOptions::regex().size_limit(MAX_COMPILED).dfa_size_limit(MAX_STATES);
        let options = jsonschema::options()
            .with_draft(draft)
            .offline()
            .with_pattern_options(patterns)
            .should_validate_formats(formats)
            .should_ignore_unknown_formats(!formats);
        options.build(schema).map(Self).map_err(|error| Problem::of(&error))
    }

    /// Whether a document is valid.
    #[must_use]
    pub fn is_valid(&self, document: &Value) -> bool {
        self.0.is_valid(document)
    }

    /// The first thing that is wrong with a document.
    pub fn check(&self, document: &Value) -> Result<(), Box<Problem>> {
        self.0.validate(document).map_err(|error| Problem::of(&error))
    }
}

impl Problem {
    fn of(error: &ValidationError<'_>) -> Box<Self> {
        let step = |segment| match segment {
            LocationSegment::Index(index) => Step::Index(index),
            LocationSegment::Property(name) => Step::Name(name.into_owned()),
        };
        let negated = match error.kind() {
            ValidationErrorKind::Not { schema } => Some(schema.clone()),
            _ => None,
        };
        Box::new(Self {
            place: error.instance_path().segments().map(step).collect(),
            keyword: error.kind().keyword().to_owned(),
            negated,
            message: error.masked().to_string(),
        })
    }
}
