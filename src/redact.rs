//! Redaction: an answer streams through and leaves without what the caller may not see.
//!
//! A profile of the policy becomes a [`Program`] ([`compile()`]); each answer gets a [`Redactor`] of it, which takes the
//! body in pieces and gives what may leave. It never builds a tree: a lexer reads tokens, an automaton over keys says
//! where rules are, and everything else is copied as it came, byte for byte.
//!
//! In the order in which a value is judged:
//!
//! 1. In FHIR, a resource has to stand where R4 puts one, of a type that is known and granted; nowhere else may an
//!    object have a `resourceType`.
//! 2. Of the rules that select the value and whose `where` and `having` hold, the first counts. `remove`, `replace` and
//!    `keep` take what is inside, too, but for what an earlier rule takes from there. After all rules comes what the
//!    profile says of elements that R4 does not have, or not as a scalar, then what it says of the rest.
//! 3. What acts on strings is for the elements of an array; any other value that an action does not fit is removed.
//! 4. A rule on `name` removes the twin `_name`, or keeps it where it keeps `name`.
//! 5. A resource that loses a modifier which is its direct element, or of which an element loses a `modifierExtension`,
//!    goes; the root cannot, so its answer is refused.
//! 6. A member or element goes with the comma before it, the first with the one after it; a container that lost all it
//!    had goes as well, one that came empty stays. An element under a `_name` becomes `null`, since its place counts.
//! 7. A resource that is left is tagged with what the profile does to its type.
//!
//! What is held back: an unfinished key, number or string that an action has to see; a comma, a key and opening
//! brackets until something after them stays; a resource until its `resourceType` was read; an object from the first
//! member that a `where` decides about to its end, or as far as the limit allows if all siblings asked for were read; an
//! object that `having` asks about; what is left of a resource that may still lose a modifier. Past
//! [`Options::hold_back`] the answer is refused. All else leaves with the piece it came in.
//!
//! An answer is refused with an [`Error`], and nothing more leaves. What left before was proven; since it streams, a
//! key that stands twice may be found after its first value has left, redacted as that value's rules ask.

mod action;
mod age;
mod automaton;
mod compile;
mod date;
mod detect;
mod draft;
mod error;
mod express;
mod frame;
mod locator;
mod outcome;
mod place;
pub mod preset;
mod program;
mod recent;
mod redactor;
mod reference;
mod resource;
mod scout;
mod streaming;
mod summary;
mod syntax;
mod tag;
mod trace;
mod transitions;
mod walk;
mod within;
mod zip;

pub use action::Narrative;
pub use compile::{check_preset, compile, compile_preset};
pub use error::Error;
pub use program::Program;
pub use redactor::{Format, Options, Redactor};
pub use summary::Summary;
pub use trace::{Path, Touch};
