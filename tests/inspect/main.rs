//! Inspection: what is caught, what passes, and what it costs at worst.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

mod attacks;
mod benign;
mod support;
mod worst;
