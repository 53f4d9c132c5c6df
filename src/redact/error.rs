//! Why an answer is refused while it streams.

use crate::json;

/// Why an answer is refused. It holds nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// It is not JSON, or beyond a limit of its form.
    #[error("malformed: {0}")]
    Malformed(#[from] json::Error),
    /// The root is no object or array.
    #[error("the root is a scalar")]
    RootScalar,
    /// Where a resource has to stand there is none, or one that R4 does not know.
    #[error("not a known resource")]
    NotResource,
    /// A `resourceType` stands where R4 allows no resource.
    #[error("a resource where none may stand")]
    MisplacedResource,
    /// A resource of a type that was not granted.
    #[error("a resource type that was not granted")]
    TypeNotGranted,
    /// Nothing of a resource that has to be there was left.
    #[error("nothing was left")]
    Emptied,
    /// A rule would take a `modifierExtension` of a resource, and what is left would say something else.
    #[error("a modifier would be taken")]
    ModifierTaken,
    /// A decision needs more of the answer than may be held back.
    #[error("more held back than allowed")]
    HoldBack,
    /// A string that an action has to see whole is longer than allowed.
    #[error("a string too long for its action")]
    LongString,
    /// A narrative holds what may not be shown.
    #[error("a narrative that may not be shown")]
    Narrative,
    /// It was used after it had finished.
    #[error("used after its end")]
    Ended,
}

impl Error {
    /// A stable name for records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed(json::Error::RepeatedKey) => "repeated_key",
            Self::Malformed(json::Error::Unfinished) => "cut_short",
            Self::Malformed(json::Error::Encoding) => "invalid_unicode",
            Self::Malformed(json::Error::Syntax | json::Error::Trailing) => "malformed",
            Self::Malformed(_) | Self::HoldBack | Self::LongString => "over_limit",
            Self::RootScalar => "root_scalar",
            Self::NotResource => "not_a_resource",
            Self::MisplacedResource => "misplaced_resource",
            Self::TypeNotGranted => "type_not_granted",
            Self::Emptied => "emptied",
            Self::ModifierTaken => "modifier_taken",
            Self::Narrative => "narrative",
            Self::Ended => "used_after_end",
        }
    }
}
