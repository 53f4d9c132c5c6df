//! A proxy-wasm filter that makes the host calls which a judged request takes (its headers, the caller's address, what the
//! upstream is told, a record, two metrics) and judges nothing: what any filter costs that does as much.

#![cfg(target_os = "wasi")]
#![expect(missing_docs, reason = "the entry points that the SDK makes have none")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType, Status};

/// As long as a record is.
const RECORD: &str = concat!(
    r#"{"time":1700000100000,"sequence":230001,"request_id":"8a7cf1f2-0000-4000-8000-0123456789ab","policy":"bench","#,
    r#""policy_sha256":"067c9c234093f94aba0aa6ffc518e2e812eb20471e8da7ee41de2a6a4014b30a","version":"0.1.0","#,
    r#""shadow":false,"route":"fhir","decision":"allow","reason":"allowed","rule":2,"providers":["smart"],"#,
    r#""client":"clinic-portal","subject":"6895befacb73c175d219a1e37079fb12","#,
    r#""resource":"82debec89270cdb8468ac2a7f0b6e48a","method":"GET","interaction":"read","resource_type":"Patient","#,
    r#""status":200,"latency_ms":0}"#
);

#[derive(Clone, Copy)]
struct Metrics {
    requests: u32,
    duration: u32,
}

struct Root {
    metrics: Option<Metrics>,
}

struct Stream {
    metrics: Option<Metrics>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let define = |kind, name| hostcalls::define_metric(kind, name).ok();
        self.metrics = define(MetricType::Counter, "calls.requests").and_then(|requests| {
            let duration = define(MetricType::Histogram, "calls.duration")?;
            Some(Metrics { requests, duration })
        });
        self.metrics.is_some()
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { metrics: self.metrics }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Stream {}

impl Stream {
    fn request() -> Result<(), Status> {
        let head = MapType::HttpRequestHeaders;
        hostcalls::get_map_bytes(head)?;
        hostcalls::get_current_time()?;
        hostcalls::get_property(vec!["source", "address"])?.ok_or(Status::NotFound)?;
        hostcalls::remove_map_value(head, "authorization")?;
        for (name, value) in [
            ("x-carewarden-provider", "smart"),
            ("x-carewarden-client", "clinic-portal"),
            ("x-carewarden-subject", "8f4c2a90-dr-house"),
            ("x-carewarden-roles", "physician"),
        ] {
            hostcalls::add_map_value(head, name, value)?;
        }
        hostcalls::set_property(vec!["carewarden.client"], Some(b"clinic-portal"))
    }

    fn log(&self) -> Result<(), Status> {
        hostcalls::get_map_value(MapType::HttpResponseHeaders, ":status")?.ok_or(Status::NotFound)?;
        hostcalls::get_current_time()?;
        if let Some(metrics) = self.metrics {
            hostcalls::increment_metric(metrics.requests, 1)?;
            hostcalls::record_metric(metrics.duration, 1)?;
        }
        hostcalls::set_property(vec!["carewarden.audit"], Some(RECORD.as_bytes()))
    }
}

// A call that fails costs less than one that works: the trap shows as an answer that is not the upstream's.
impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        assert_eq!(Self::request(), Ok(()));
        Action::Continue
    }

    fn on_log(&mut self) {
        assert_eq!(self.log(), Ok(()));
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { metrics: None }));
}}
