//! Envoy's configuration: one listener a variant, all on one worker, in front of one upstream.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// Room for a Bundle that a filter collects; every listener has the same.
const BUFFER_BYTES: u32 = 4 << 20;

/// The secrets that policies here name.
const SECRETS: [(&str, &str); 2] = [
    ("PHI_KEY", "the hashing key of the benchmark, 32 bytes or more"),
    ("AUDIT_KEY", "the audit key of the benchmark, 32 bytes or more"),
];

/// The bootstrap configuration with a listener for each name and its filters.
pub(crate) fn bootstrap<'a>(listeners: impl Iterator<Item = (&'a str, &'a [Value])>, upstream: SocketAddr) -> Value {
    let endpoint = json!({ "endpoint": { "address": address(upstream) } });
    json!({
        "node": { "id": "bench", "cluster": "bench" },
        "admin": { "address": address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": listeners.map(|(name, filters)| listener(name, filters)).collect::<Vec<_>>(),
            "clusters": [{
                "name": "upstream",
                "type": "STATIC",
                "connect_timeout": "2s",
                "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [endpoint] }] },
            }],
        },
    })
}

/// A proxy-wasm filter in a VM of its own.
pub(crate) fn wasm(name: &str, module: &Path, configuration: &str) -> Value {
    let environment: serde_json::Map<String, Value> =
        SECRETS.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    filter(
        "wasm",
        "wasm.v3.Wasm",
        &json!({
            "config": {
                "name": name,
                "root_id": name,
                "allow_on_headers_stop_iteration": true,
                "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration },
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    "environment_variables": { "key_values": environment },
                },
            },
        }),
    )
}

/// Envoy's own check of the tokens that a provider of a policy takes.
pub(crate) fn jwt_authn(provider: &Value, cached: bool) -> Value {
    let mut native = json!({
        "issuer": provider["issuer"],
        "audiences": provider["audiences"],
        "local_jwks": { "inline_string": provider["jwks"]["inline"].to_string() },
        "payload_in_metadata": "token",
    });
    if cached {
        native["jwt_cache_config"] = json!({ "jwt_cache_size": 100 });
    }
    filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        &json!({
            "providers": { "smart": native },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "smart" } }],
        }),
    )
}

/// Envoy's own rules: physicians may read what is below `/fhir/`.
pub(crate) fn rbac() -> Value {
    let is_get = json!({ "header": { "name": ":method", "string_match": { "exact": "GET" } } });
    let is_fhir = json!({ "url_path": { "path": { "prefix": "/fhir/" } } });
    let is_physician = json!({ "metadata": {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{ "key": "token" }, { "key": "roles" }],
        "value": { "list_match": { "one_of": { "string_match": { "exact": "physician" } } } },
    } });
    filter(
        "rbac",
        "rbac.v3.RBAC",
        &json!({ "rules": { "action": "ALLOW", "policies": { "physicians": {
            "permissions": [{ "and_rules": { "rules": [is_get, is_fhir] } }],
            "principals": [is_physician],
        } } } }),
    )
}

fn filter(name: &str, kind: &str, settings: &Value) -> Value {
    let mut config = settings.clone();
    config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}").into();
    json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": config })
}

fn listener(name: &str, filters: &[Value]) -> Value {
    let router = filter("router", "router.v3.Router", &json!({}));
    let filters = [filters, &[router]].concat();
    let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream", "timeout": "0s" } });
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "use_remote_address": true,
            "normalize_path": true,
            "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
            "http_filters": filters,
        },
    });
    json!({
        "name": name,
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [{ "filters": [manager] }],
    })
}

fn address(of: SocketAddr) -> Value {
    json!({ "socket_address": { "address": of.ip().to_string(), "port_value": of.port() } })
}
