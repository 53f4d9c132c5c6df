//! Who is accepted and who is refused, from the policy's text to the caller.

mod cache;
mod diagnostics;
mod support;
mod vectors;
