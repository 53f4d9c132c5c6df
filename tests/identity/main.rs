//! Who is accepted and who is refused, from the policy's text to the caller.
// `cfg(test)` is always true here; clippy allows `unwrap` and its like where it says so.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod explained;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod support;
#[cfg(test)]
mod vectors;
