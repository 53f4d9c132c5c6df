//! End to end: our module in a real Envoy, between clients and an upstream that may both misbehave.
//!
//! Every claim is made over HTTP/1.1 and HTTP/2 where both can express it. A refusal is only one when the upstream never
//! saw the request.

#[cfg(test)]
#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the demo and the benchmark use these modules too")]
mod support;

#[cfg(test)]
mod access;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod described;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod forgery;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inspection;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limiter;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mangled;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod onward;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod places;
#[cfg(test)]
mod records;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod smuggled;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod vouched;
