//! Carewarden: a policy filter for healthcare APIs behind Envoy and Istio.
//!
//! One library, two shells. The core takes bytes, a compiled policy and the time, and gives back what has to be done; it
//! makes no calls, reads no clock and logs nothing. `proxy` runs it inside Envoy as a WebAssembly module, [`cli`] on a
//! desk. So a policy's test and the filter that guards a hospital give the same answer, because they are the same code.
//!
//! # The life of an exchange
//!
//! 1. Envoy loads the module and hands over the policy. [`exchange::Engine::load`] reads it ([`policy`]), lets each
//!    module compile its part, and refuses it with all that is wrong.
//! 2. A request's head comes. [`exchange`] reads method, path and host in one form ([`http`]), finds the route, and asks
//!    who it is ([`identity`]), what it wants ([`fhir`]) and whether it may ([`access`]).
//! 3. What it asks has to be as described ([`validate`]) and no attack ([`inspect`]): its head now, its body, which is held
//!    in Envoy until it is whole, as it is read once ([`json`]). What the answer has to be is decided now, before anything
//!    is sent on.
//! 4. The request goes upstream without its credentials, with the identity that we vouch for, and with the path that was
//!    judged; its body too passes [`redact`] where the policy says so.
//! 5. The answer streams through [`redact`]. Its head leaves with the first byte that is proven, and never earlier.
//! 6. One record of it all goes to the access log ([`audit`]) and into the [`metrics`].
//!
//! # Trust
//!
//! Envoy, the policy and the environment are trusted. The client is not: everything it sends is hostile until it was
//! judged. Neither is the upstream, as far as a rule covers what it says: it may be wrong about what it serves, and an
//! answer is what its bytes are, not what its head says. Tokens are trusted as far as their issuer's signature and the
//! roles that the policy lets that issuer confer.
//!
//! # Where things are
//!
//! Arrows of dependency lead down this list, never up.
//!
//! | module | its one idea |
//! | --- | --- |
//! | `proxy`, [`cli`] | shells: callbacks and host calls, commands and documents |
//! | [`exchange`] | the state machine of one exchange: events in, effects out |
//! | [`access`], [`validate`], [`inspect`] | may they; what comes in; is it an attack |
//! | [`redact`], [`audit`], [`metrics`] | what leaves; what is told |
//! | [`identity`], [`fhir`] | who asks; what a request means to a FHIR API |
//! | [`json`], [`http`] | bytes, read strictly |
//! | [`policy`] | what was written, what it says, what is wrong with it |
//!
//! JSON Schema stands in a package of its own, `src/json-schema`, which is compiled for size.

pub mod access;
pub mod audit;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
pub mod exchange;
pub mod fhir;
pub mod http;
pub mod identity;
pub mod inspect;
pub mod json;
pub mod metrics;
pub mod policy;
#[cfg(target_os = "wasi")]
mod proxy;
pub mod redact;
pub mod validate;
