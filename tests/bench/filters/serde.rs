//! A proxy-wasm filter that does what redaction by a tree costs at the least: it waits for the whole body, parses it into
//! a [`serde_json::Value`] and writes that anew, with nothing redacted.

#![cfg(target_os = "wasi")]
#![expect(missing_docs, reason = "the entry points that the SDK makes have none")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};
use serde_json::Value;

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
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        // The host does not mend it.
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "content-length");
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        if let Ok(Some(body)) = hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size)
            && let Some(body) = rewritten(&body)
        {
            let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, &body);
        }
        Action::Continue
    }
}

fn rewritten(body: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&value).ok()
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}
