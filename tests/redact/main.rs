//! The redactor, from outside: fixtures, attacks and properties.
//!
//! Each fixture runs whole, byte by byte, and cut in two at every offset, with the same outcome each time.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod presets;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod support;
