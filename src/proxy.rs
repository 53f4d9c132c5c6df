//! The shell around the engine that runs inside Envoy: callbacks in, host calls out, and no decision of its own.
//!
//! [`root`] holds the configuration of one plugin, [`stream`] one exchange; [`facts`] answers what the engine asks about
//! a connection; [`outboxes`] brings events to the
//! audit repository; [`host`] makes the calls. One module instance serves one worker thread, so everything is shared by `Rc`.

mod errands;
mod facts;
mod host;
mod logger;
mod meters;
mod outboxes;
mod root;
mod stream;

proxy_wasm::main! {{
    logger::install();
    proxy_wasm::set_root_context(|context| Box::new(root::Root::new(context)));
}}
