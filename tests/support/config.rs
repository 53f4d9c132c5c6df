//! The Envoy configuration of the tests, as JSON: a listener with TLS, one without, our filter between them and the
//! upstream.
//!
//! The filter comes by file-based extension discovery (ECDS), as in `envoy/envoy.yaml`, so that a policy can be changed
//! while Envoy runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tls::{Certificates, ClientName};

/// The name under which the filter is discovered.
const FILTER: &str = "carewarden";
const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// What a test's Envoy is like.
pub struct Options {
    /// The policy, as written.
    pub policy: String,
    /// Whether it comes as a `google.protobuf.Struct`, which it must not.
    pub policy_as_struct: bool,
    /// Environment variables of the module.
    pub environment: Vec<(String, String)>,
    /// `allow_on_headers_stop_iteration`, which the filter needs.
    pub hold_headers: bool,
    /// `use_remote_address`, without which a client says its own address.
    pub use_remote_address: bool,
    /// A filter between the clients and ours.
    pub before: Option<Value>,
    /// A filter between ours and the upstream.
    pub behind: Option<Value>,
    /// Clusters beside that of the upstream.
    pub clusters: Vec<(String, SocketAddr)>,
    /// Clusters that are spoken to in HTTP/2, as gRPC is.
    pub grpc_clusters: Vec<(String, SocketAddr)>,
    /// How many workers serve.
    pub workers: usize,
    /// Clients that have certificates; with any, Envoy asks for certificates and validates those that are shown.
    pub client_names: Vec<ClientName>,
    /// `require_client_certificate`.
    pub require_client_certificate: bool,
    /// Whether the access log is kept.
    pub keeps_access_log: bool,
    /// Another module than ours.
    pub module: Option<PathBuf>,
    /// How many connections Envoy accepts.
    pub max_connections: Option<u64>,
    /// Envoy's log level.
    pub log_level: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: String::new(),
            policy_as_struct: false,
            environment: Vec::new(),
            hold_headers: true,
            use_remote_address: true,
            before: None,
            behind: None,
            clusters: Vec::new(),
            grpc_clusters: Vec::new(),
            workers: 1,
            client_names: Vec::new(),
            require_client_certificate: false,
            keeps_access_log: true,
            module: None,
            max_connections: None,
            log_level: "info",
        }
    }
}

/// The files in an Envoy's directory.
pub struct Files<'a> {
    pub directory: &'a Path,
    pub module: &'a Path,
}

impl Files<'_> {
    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

/// What is put into the configuration that is shipped.
pub struct Shipped<'a> {
    /// The policy, as written.
    pub policy: &'a str,
    /// Environment variables of Envoy.
    pub secrets: &'a [(&'a str, &'a str)],
    /// What the listener shows.
    pub certificates: Certificates,
    /// The listener's port; 0 is one that the system picks.
    pub port: u16,
    /// The port of the admin interface.
    pub admin_port: u16,
}

/// `envoy/envoy.yaml` with other ports, in front of this upstream.
pub fn shipped(shipped: &Shipped<'_>, upstream: SocketAddr) -> String {
    let ports = [(9901, shipped.admin_port), (8443, shipped.port), (8080, upstream.port())];
    let yaml = include_str!("../../envoy/envoy.yaml");
    // Marks first, so that no port that was put in is taken for one to replace.
    let marked = ports.iter().fold(yaml.to_owned(), |yaml, (from, _)| {
        let from_text = format!("port_value: {from} }}");
        assert_eq!(yaml.matches(&from_text).count(), 1, "{from_text}");
        yaml.replace(&from_text, &format!("port_value: @{from}@ }}"))
    });
    ports.iter().fold(marked, |yaml, (from, to)| yaml.replace(&format!("@{from}@"), &to.to_string()))
}

/// `envoy/filter.yaml.in` with a policy in it, as `make policy` renders it.
pub fn shipped_filter(module: &Path, policy: &str) -> String {
    let indented: String = policy.lines().map(|line| format!("            {line}\n")).collect();
    shipped_template(module).replace("@POLICY@\n", &indented)
}

/// `envoy/filter.yaml.in` with this module.
pub fn shipped_template(module: &Path) -> String {
    let template = include_str!("../../envoy/filter.yaml.in");
    let built = "target/wasm32-wasip1/release/carewarden.wasm";
    assert!(template.contains("@POLICY@\n") && template.contains(built));
    template.replace(built, &module.display().to_string())
}

/// The bootstrap configuration. Ports are 0: the system picks them and the admin interface tells them.
pub fn bootstrap(options: &Options, files: &Files<'_>, upstream: SocketAddr) -> Value {
    let mut tls = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": { "filename": files.path("server.crt") },
                    "private_key": { "filename": files.path("server.key") },
                }],
            },
        },
    });
    if !options.client_names.is_empty() {
        let context = &mut tls["typed_config"];
        context["require_client_certificate"] = options.require_client_certificate.into();
        context["common_tls_context"]["validation_context"] = json!({ "trusted_ca": { "filename": files.path("ca.crt") } });
    }
    let listener = |name: &str, transport: Option<&Value>| {
        let mut chain = json!({ "filters": [connection_manager(options, files)] });
        if let Some(transport) = transport {
            chain["transport_socket"] = transport.clone();
        }
        json!({ "name": name, "address": address("127.0.0.1", 0), "filter_chains": [chain] })
    };
    let mut bootstrap = json!({
        "node": { "id": "test", "cluster": "test" },
        "admin": { "address": address("127.0.0.1", 0) },
        "static_resources": {
            "listeners": [listener("tls", Some(&tls)), listener("plain", None)],
            "clusters": clusters(options, upstream),
        },
    });
    if let Some(most) = options.max_connections {
        let typed =
            "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig";
        let config = json!({ "@type": typed, "max_active_downstream_connections": most });
        let monitor =
            json!({ "name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config });
        bootstrap["overload_manager"] = json!({ "resource_monitors": [monitor] });
    }
    bootstrap
}

fn clusters(options: &Options, upstream: SocketAddr) -> Vec<Value> {
    let others = options.clusters.iter().map(|(name, address)| cluster(name, *address));
    let grpc = options.grpc_clusters.iter().map(|(name, address)| {
        let mut cluster = cluster(name, *address);
        let protocol =
            &mut cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        protocol["explicit_http_config"] = json!({ "http2_protocol_options": {} });
        cluster
    });
    [cluster("upstream", upstream)].into_iter().chain(others).chain(grpc).collect()
}

/// The discovery response that carries our filter.
pub fn filter(options: &Options, files: &Files<'_>, policy: &str) -> Value {
    let configuration = if options.policy_as_struct {
        let policy: Value = serde_json::from_str(policy).expect("a policy that is JSON");
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": policy })
    } else {
        json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy })
    };
    let environment: serde_json::Map<String, Value> =
        options.environment.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": FILTER,
            "typed_config": {
                "@type": WASM_TYPE,
                "config": {
                    "name": "carewarden",
                    "root_id": "carewarden",
                    "failure_policy": "FAIL_RELOAD",
                    "allow_on_headers_stop_iteration": options.hold_headers,
                    "configuration": configuration,
                    "vm_config": {
                        "vm_id": "carewarden",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": files.module } },
                        "environment_variables": { "key_values": environment },
                    },
                },
            },
        }],
    })
}

fn connection_manager(options: &Options, files: &Files<'_>) -> Value {
    let discovered = json!({
        "name": FILTER,
        "config_discovery": {
            "config_source": { "path_config_source": { "path": files.path("filter.json") }, "resource_api_version": "V3" },
            "type_urls": [WASM_TYPE],
        },
    });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters = [options.before.clone(), Some(discovered), options.behind.clone(), Some(router)];
    let filters: Vec<Value> = filters.into_iter().flatten().collect();
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress",
            "codec_type": "AUTO",
            "use_remote_address": options.use_remote_address,
            "http_protocol_options": { "enable_trailers": true },
            "http2_protocol_options": { "allow_connect": true },
            // The filter must refuse what Envoy can be told to let through.
            "upgrade_configs": [{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }],
            "proxy_100_continue": true,
            "route_config": {
                "name": "local",
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        { "match": { "connect_matcher": {} }, "route": { "cluster": "upstream" } },
                        { "name": "named", "match": { "prefix": "/routed/named" }, "route": { "cluster": "upstream" } },
                        // Routing on what the filter strips: forbidden, and so tried.
                        {
                            "name": "keyed",
                            "match": {
                                "prefix": "/routed/keyed",
                                "headers": [{ "name": "x-api-key", "present_match": true }],
                            },
                            "route": { "cluster": "upstream" },
                        },
                        { "match": { "prefix": "/" }, "route": { "cluster": "upstream", "timeout": "120s" } },
                    ],
                }],
            },
            "http_filters": filters,
            "access_log": [access_log(options, files)],
        },
    })
}

fn access_log(options: &Options, files: &Files<'_>) -> Value {
    let path = if options.keeps_access_log { files.path("access.log") } else { "/dev/null".to_owned() };
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": { "json_format": {
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                // The path tells the tests which line is theirs; `envoy/envoy.yaml` has no path in its log.
                "path": "%REQ(:PATH)%",
                "audit": "%FILTER_STATE(wasm.carewarden.audit:PLAIN)%",
                "client": "%FILTER_STATE(wasm.carewarden.client:PLAIN)%",
            } },
        },
    })
}

fn cluster(name: &str, to: SocketAddr) -> Value {
    let endpoint = json!({ "endpoint": { "address": address(&to.ip().to_string(), to.port()) } });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
            },
        },
    })
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}
