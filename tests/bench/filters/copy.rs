//! A proxy-wasm filter that copies each part of an answer's body into the module and back: what any redactor costs before
//! it has read a byte.

#![cfg(target_os = "wasi")]
#![expect(missing_docs, reason = "the entry points that the SDK makes have none")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

struct Root;
struct Stream;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        if let Ok(Some(body)) = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size) {
            // A failure here would show as an answer that is not the upstream's.
            let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, &body);
        }
        Action::Continue
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}
