//! The demo's FHIR server by itself, for the stack on machines that cannot pull HAPI FHIR: it keeps what is written to it,
//! in memory, and takes audit events.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a stand-in may fail loudly, as tests do")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod support;

mod fhir;
mod store;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::{env, io, thread};

use crate::store::Store;
use crate::support::upstream::Upstream;

fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = env::args().nth(1).ok_or("usage: fhir_server ADDRESS:PORT")?.parse()?;
    let store = Store::default();
    let upstream = Upstream::forgetful(address, move |request| store.answer(request))?;
    writeln!(io::stdout(), "FHIR R4 on http://{}/fhir", upstream.address)?;
    loop {
        thread::park();
    }
}
