//! What may come in, from outside: FHIR documents of every type, valid and broken, and what is said of a policy that
//! describes what cannot be.

#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod worst;
