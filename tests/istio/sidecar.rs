//! A sidecar as Istio makes one, patched by our manifests: the inbound listener that istiod renders, as far as a plain
//! Envoy knows it, with the patches of our EnvoyFilters merged in, and Istio's agent played by hand.
//!
//! Two things are other than in a mesh: extension discovery reads a file in place of asking istiod, and the module is the
//! one that was built in place of one pulled from a registry.

use std::net::SocketAddr;
use std::path::Path;
use std::{fs, slice};

use serde_json::{Value, json};

use crate::support::envoy::{Envoy, module};
use crate::support::tls::{Certificates, ClientName};
use crate::support::upstream::Upstream;

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
pub(crate) const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

pub(crate) const GATEWAY: &str = "spiffe://cluster.local/ns/istio-ingress/sa/istio-ingress";
pub(crate) const BILLING: &str = "spiffe://cluster.local/ns/billing/sa/invoices";

/// Manifests that `make istio` has rendered.
pub(crate) fn rendered(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/istio").join(name).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}: run `make istio`", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// The patches of all EnvoyFilters among manifests.
fn patches(manifests: &Value) -> Vec<Value> {
    let filters = manifests.as_array().unwrap().iter().filter(|manifest| manifest["kind"] == "EnvoyFilter");
    filters.flat_map(|filter| filter["spec"]["configPatches"].as_array().unwrap().clone()).collect()
}

/// The filter of a workload, as istiod hands it out.
pub(crate) fn guard(workload: &str) -> Value {
    let patches = patches(&rendered(workload));
    let [patch] = patches.as_slice() else { panic!("{workload} has one guard") };
    assert_eq!((&patch["applyTo"], &patch["patch"]["operation"]), (&json!("EXTENSION_CONFIG"), &json!("ADD")));
    patch["patch"]["value"].clone()
}

/// What a test's sidecar is like.
pub(crate) struct Sidecar {
    /// The filter that extension discovery gives it.
    pub(crate) filter: Value,
    /// Which of the namespace's patches Istio applies.
    pub(crate) applied: fn(&Value) -> bool,
    /// Whether istiod has been told of `mesh.yaml`.
    pub(crate) mesh: bool,
    /// What the key server is behind.
    pub(crate) key_server: Option<SocketAddr>,
}

impl Sidecar {
    pub(crate) fn of(workload: &str) -> Self {
        Self { filter: guard(workload), applied: |_| true, mesh: true, key_server: None }
    }

    /// Starts it before a server; the clients have the certificates of the gateway and of billing.
    pub(crate) fn start(self, upstream: &Upstream) -> Envoy {
        let clients = [ClientName::uri(GATEWAY), ClientName::uri(BILLING)];
        let certificates = Certificates::with_clients(&["localhost"], &clients).unwrap();
        let mut listener = listener(self.mesh);
        for patch in patches(&rendered("namespace")).iter().filter(|patch| (self.applied)(patch)) {
            apply(&mut listener, patch);
        }
        let clusters = [("inbound|8080||", Some(upstream.address)), ("outbound|80||idp.clinic.example", self.key_server)];
        let clusters = clusters.into_iter().filter_map(|(name, address)| Some(cluster(name, address?)));
        let bootstrap = json!({
            "node": { "id": "sidecar~10.1.1.1~fhir.clinic~clinic.svc.cluster.local", "cluster": "fhir.clinic" },
            "admin": { "address": address("127.0.0.1:0".parse().unwrap()) },
            "static_resources": { "listeners": [listener], "clusters": clusters.collect::<Vec<_>>() },
        });
        let mut resource = as_the_agent_rewrites_it(self.filter);
        resource["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
        let files = [("ecds.json", json!({ "resources": [resource] }).to_string())];
        let secrets =
            [("AUDIT_KEY", "the audit key of the tests, 32 bytes"), ("PHI_KEY", "the tests' key, of 32 bytes or more")];
        let mut envoy = Envoy::beside(&files, &bootstrap, &certificates, &secrets);
        envoy.identities = certificates.clients;
        envoy
    }
}

/// Istio's agent takes the image from the registry, and gives Envoy a file.
fn as_the_agent_rewrites_it(mut resource: Value) -> Value {
    if resource["typed_config"]["@type"] == WASM {
        let code = &mut resource["typed_config"]["config"]["vm_config"]["code"];
        let remote = &code["remote"];
        let named = format!("oci://registry.clinic.example/carewarden@sha256:{}", remote["sha256"].as_str().unwrap());
        assert_eq!(remote["http_uri"]["uri"], named);
        *code = json!({ "local": { "filename": module() } });
    }
    resource
}

/// What the agent hands to Envoy for a module that it could not fetch.
pub(crate) fn denial() -> Value {
    json!({
        "name": "carewarden",
        "typed_config": { "@type": RBAC, "rules": {}, "rules_stat_prefix": "wasm-default-deny" },
    })
}

/// `virtualInbound`, with the chain of the one port: mutual TLS, and the filters that Istio has there without any policy.
fn listener(mesh: bool) -> Value {
    let values = rendered("mesh");
    assert_eq!(values["env"]["ENABLE_100_CONTINUE_HEADERS"], "false");
    let labels = &values["meshConfig"]["extensionProviders"][0]["envoyFileAccessLog"]["logFormat"]["labels"];
    let filter = |name: &str, kind: &str| {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
        json!({ "name": name, "typed_config": { "@type": kind } })
    };
    let manager = json!({
        "@type":
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound_0.0.0.0_8080",
        "use_remote_address": false,
        "normalize_path": true,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "forward_client_cert_details": "APPEND_FORWARD",
        "set_current_client_cert_details": { "subject": true, "uri": true },
        "proxy_100_continue": !mesh,
        "route_config": {
            "name": "inbound|8080||",
            "virtual_hosts": [{
                "name": "inbound|http|8080",
                "domains": ["*"],
                "routes": [{ "name": "default", "match": { "prefix": "/" }, "route": { "cluster": "inbound|8080||" } }],
            }],
        },
        "http_filters": [
            filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            filter("envoy.filters.http.cors", "cors.v3.Cors"),
            filter("envoy.filters.http.router", "router.v3.Router"),
        ],
        "access_log": [{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": "/dev/stdout",
                "log_format": { "json_format": labels },
            },
        }],
    });
    let tls = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": true,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates":
                    [{ "certificate_chain": { "filename": "server.crt" }, "private_key": { "filename": "server.key" } }],
                "validation_context": { "trusted_ca": { "filename": "ca.crt" } },
            },
        },
    });
    json!({
        "name": "virtualInbound",
        "address": address("127.0.0.1:0".parse().unwrap()),
        "filter_chains": [{ "transport_socket": tls, "filters": [{ "name": MANAGER, "typed_config": manager }] }],
    })
}

/// Applies a patch as istiod would; one of a kind that none of ours is does not pass.
fn apply(listener: &mut Value, patch: &Value) {
    let value = &patch["patch"]["value"];
    assert_eq!(patch["match"]["context"], "SIDECAR_INBOUND");
    let matched = &patch["match"]["listener"];
    let operation = (patch["applyTo"].as_str().unwrap(), patch["patch"]["operation"].as_str().unwrap());
    match operation {
        ("LISTENER", "MERGE") => {
            assert_eq!(matched["name"], listener["name"]);
            merge(listener, value);
        }
        ("NETWORK_FILTER", "MERGE") => {
            assert_eq!(matched["filterChain"]["filter"]["name"], MANAGER);
            merge(&mut listener["filter_chains"][0]["filters"][0], value);
        }
        ("HTTP_FILTER", "INSERT_BEFORE") => {
            let before = &matched["filterChain"]["filter"]["subFilter"]["name"];
            let filters =
                listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"].as_array_mut().unwrap();
            let place = filters.iter().position(|filter| filter["name"] == *before).expect("the filter to insert before");
            filters.insert(place, from_a_file(value.clone()));
        }
        _ => panic!("a patch of a new kind: {operation:?}"),
    }
}

/// Extension discovery from a file in place of istiod.
fn from_a_file(mut filter: Value) -> Value {
    let source = &mut filter["config_discovery"]["config_source"];
    assert_eq!(*source, json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" }));
    let fields = source.as_object_mut().unwrap();
    fields.remove("ads");
    fields.insert("path_config_source".to_owned(), json!({ "path": "./ecds.json" }));
    filter
}

/// As protobuf messages are merged: what is said replaces what was, lists are appended. A `false` or 0 outside of a wrapper
/// says nothing, so a patch must not rely on one.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                assert!(*value != json!(false) && *value != json!(0), "{name} would not be merged");
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend_from_slice(from),
        (into, from) => *into = from.clone(),
    }
}

fn cluster(name: &str, to: SocketAddr) -> Value {
    let endpoint = json!({ "endpoint": { "address": address(to) } });
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": slice::from_ref(&endpoint) }] },
    })
}

fn address(to: SocketAddr) -> Value {
    json!({ "socket_address": { "address": to.ip(), "port_value": to.port() } })
}
