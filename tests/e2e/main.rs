//! End to end: our module in a real Envoy, between clients and an upstream that both may misbehave.

#[cfg(test)]
#[path = "../support/mod.rs"]
#[expect(unreachable_pub, reason = "the demo and the benchmark use these modules too")]
mod support;

#[cfg(test)]
mod harness;
