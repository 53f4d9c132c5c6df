//! AuditEvents: what an exchange tells, from its request's head to the event, and the policies that ask for it.
// `cfg(test)` is always true here; clippy allows `unwrap` and its like where it says so.

#[cfg(test)]
mod balp;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod events;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod support;
