//! The redactor, from outside: fixtures, attacks and properties.
//!
//! Each fixture runs whole, byte by byte, and cut in two at every offset, with the same outcome each time.

//mod attacks;
mod fixtures;
//mod properties;
//mod reference;
mod support;
