//! The redactor, from outside: fixtures, attacks and properties.
//!
//! Each fixture runs whole, byte by byte, and cut in two at every offset, with the same outcome each time.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod presets;
#[cfg(test)]
mod properties;
#[cfg(test)]
#[expect(dead_code, reason = "a fuzzer's bytes decide only in `tests/fuzz`")]
mod random;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod regressions;
#[cfg(test)]
mod safe_harbor;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod support;
