//! A proxy-wasm filter that copies each part of an answer's body and reads it by the lexer's fastest way, which shows
//! nothing: what any redactor costs that knows its input to be JSON.

#![cfg(target_os = "wasi")]
#![expect(missing_docs, reason = "the entry points that the SDK makes have none")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

use library::json::{Error, Framing, Lexer, Limits};

// The library is a filter itself, and two in one module have the same entry points.
#[path = "../../../src"]
mod library {
    #[expect(dead_code, unreachable_pub, unused_imports, reason = "this needs a part of it")]
    pub(super) mod json;
}

struct Root;

struct Stream {
    lexer: Lexer,
    has_begun: bool,
}

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { lexer: Lexer::new(Limits::default(), Framing::One), has_begun: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl Stream {
    fn read(&mut self, piece: &[u8]) -> Result<(), Error> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.lexer.next(piece)?;
        }
        self.lexer.skip(piece, 1, &[])?;
        self.lexer.rebase(piece.len());
        Ok(())
    }
}

impl HttpContext for Stream {
    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        if let Ok(Some(body)) = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size) {
            // What is not JSON shows as an answer that is not the upstream's.
            let sent = if self.read(&body).is_ok() { &body[..] } else { b"not JSON" };
            let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, sent);
        }
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}
