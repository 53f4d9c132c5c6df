//! Which ways lead in, and which of them lead around our filter.

use super::Rule;
use super::metrics::shows_only_metrics;
use crate::cli::envoy::document::{At, Typed};
use crate::cli::envoy::scene::{Chain, Scene};
use crate::policy::diagnostic::Severity::{Error, Warning};

/// Clusters by which Istio sends on what it knows nothing about, to the port it came for.
const CATCH_ALL: &[&str] = &["InboundPassthroughCluster", "InboundPassthroughClusterIpv4", "InboundPassthroughClusterIpv6"];

/// Istio's cluster without endpoints.
const NOWHERE: &str = "BlackHoleCluster";

/// What Envoy holds of a connection where a listener does not say.
const DEFAULT_BUFFER: u64 = 1 << 20;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "way-around",
        severity: Error,
        why: "who connects there reaches the upstream unjudged",
        help: "insert Carewarden's filter there too, or take the way out",
        find: |scene, found| {
            for (_, at, cluster) in unguarded(scene) {
                if !scene.is_guarded(cluster) {
                    if leads_anywhere(scene, cluster) {
                        found.report(at, format!("a request says where `{cluster}` leads, without Carewarden"));
                    }
                    continue;
                }
                let what = format!("this leads to `{cluster}` without Carewarden, and so does a way with it");
                if CATCH_ALL.contains(&cluster) { found.warn(at, what) } else { found.report(at, what) }
            }
            let open = scene.managers().filter(|(_, manager)| manager.guard().is_none());
            for action in open.flat_map(|(_, manager)| manager.actions()) {
                if let Some(at) = action.get("cluster_header") {
                    found.report(at, "a header of the request names the cluster, without Carewarden");
                }
                let plugins = ["cluster_specifier_plugin", "inline_cluster_specifier_plugin"];
                if let Some(at) = plugins.iter().find_map(|field| action.get(field)) {
                    found.warn(at, "an extension names the cluster, without Carewarden");
                }
            }
        },
    },
    Rule {
        code: "unguarded-listener",
        severity: Warning,
        why: "nothing that comes there is judged, whatever stands behind it",
        help: "insert Carewarden's filter, or make sure that no patient's data is there",
        find: |scene, found| {
            if scene.guards().next().is_none() {
                return;
            }
            for (listener, at, cluster) in unguarded(scene) {
                if scene.is_guarded(cluster) || leads_anywhere(scene, cluster) || shows_only_metrics(scene, listener) {
                    continue;
                }
                found.report(at, format!("this leads to `{cluster}` without Carewarden"));
            }
        },
    },
    Rule {
        code: "plaintext-listener",
        severity: Error,
        why: "credentials and answers can be read and changed on their way",
        help: "give the chain a `transport_socket` with TLS; in Istio a PeerAuthentication with mode STRICT",
        find: |scene, found| {
            for (chain, ..) in scene.guards().filter(|(chain, ..)| !chain.is_encrypted()) {
                let place = chain.at.get("transport_socket").unwrap_or(chain.at);
                if addresses_of(chain.listener).all(is_local) {
                    found.warn(place, "the listener takes HTTP without TLS from this machine");
                } else {
                    found.report(place, "the listener takes HTTP without TLS");
                }
            }
        },
    },
    Rule {
        code: "old-tls",
        severity: Error,
        why: "both are broken, and a client or who stands between can ask for them",
        help: "write `tls_minimum_protocol_version: TLSv1_2`, or leave it out",
        find: |scene, found| {
            for context in scene.guards().filter_map(|(chain, ..)| chain.tls()) {
                let place = "common_tls_context/tls_params/tls_minimum_protocol_version";
                let Some(at) = context.at(place) else { continue };
                if ["TLSv1_0", "TLSv1_1", "1", "2"].iter().any(|old| at.text() == Some(old)) {
                    found.report(at, "TLS 1.0 or 1.1 is taken");
                }
            }
        },
    },
    Rule {
        code: "small-buffer",
        severity: Warning,
        why: "larger bodies get a 413 from Envoy before the policy is asked, and no record says why",
        help: "raise `per_connection_buffer_limit_bytes`, or lower `max_body`",
        find: |scene, found| {
            for (chain, _, plugin) in scene.guards() {
                let at = chain.listener.get("per_connection_buffer_limit_bytes");
                let limit = at.and_then(At::number).unwrap_or(DEFAULT_BUFFER);
                let needed = plugin.needs.max_body;
                if limit < needed {
                    let what = format!("the listener holds {limit} bytes, the policy's largest `max_body` is {needed}");
                    found.report(at.unwrap_or(chain.listener), what);
                }
            }
        },
    },
    Rule {
        code: "open-admin",
        severity: Error,
        why: "it shows the policy, taps requests, drains listeners and stops Envoy for whoever asks",
        help: "bind it to 127.0.0.1 or to a socket in the file system",
        find: |scene, found| {
            let Some(address) = scene.bootstrap.and_then(|bootstrap| bootstrap.at("admin/address")) else { return };
            if !is_local(address) {
                found.report(address, "the admin interface can be reached from elsewhere");
            }
        },
    },
    Rule {
        code: "address-by-prefix",
        severity: Warning,
        why: "a client that reaches the listener itself writes the address that rules judge",
        help: "take `allow_requests_without_proxy_protocol` out, and let nobody but the balancer reach the listener",
        find: |scene, found| {
            for (chain, ..) in scene.guards().filter(|(_, _, plugin)| plugin.needs.addresses) {
                let filters = chain.listener.list("listener_filters").filter_map(|filter| filter.get("typed_config"));
                for body in filters.filter_map(At::typed).filter(|typed| typed.is("ProxyProtocol")).map(|typed| typed.body)
                {
                    let optional = "allow_requests_without_proxy_protocol";
                    if body.is_true(optional) {
                        found.report(
                            body.get(optional).unwrap_or(body),
                            "the PROXY protocol is optional, beside rules on addresses",
                        );
                    }
                }
            }
        },
    },
];

impl<'d> Chain<'d> {
    /// The TLS of its connections.
    pub(super) fn tls(&self) -> Option<At<'d>> {
        let socket = self.at.get("transport_socket")?;
        let all = socket.within().into_iter().filter_map(At::typed);
        all.filter(|typed| typed.is("DownstreamTlsContext")).map(|typed| typed.body).next().or_else(|| {
            let quic = socket.get("typed_config")?.typed()?;
            quic.body.get("downstream_tls_context").filter(|_| quic.is("QuicDownstreamTransport"))
        })
    }

    fn is_encrypted(&self) -> bool {
        let socket = self.at.at("transport_socket/typed_config").and_then(At::typed);
        // StartTls begins in clear, and may stay there.
        self.tls().is_some() && !socket.is_some_and(|typed| typed.is("StartTlsConfig"))
            || socket.is_some_and(|typed| typed.is("Alts"))
    }
}

/// Whether requests themselves say where a cluster leads.
fn leads_anywhere(scene: &Scene<'_>, cluster: &str) -> bool {
    scene.cluster(cluster).is_some_and(|cluster| {
        let kind = cluster.at("cluster_type/typed_config").and_then(At::typed);
        cluster.is_true("original_dst_lb_config/use_http_header")
            || kind.is_some_and(|typed| typed.kind.contains("dynamic_forward_proxy"))
    })
}

/// The ways that have no filter of ours: the listener, the place of a cluster's name, and the name. What goes out of a mesh's workload is
/// left out, unless it goes where requests to it go.
fn unguarded<'d>(scene: &Scene<'d>) -> Vec<(At<'d>, At<'d>, &'d str)> {
    let mut ways = Vec::new();
    for chain in &scene.chains {
        let open = chain.managers.iter().filter(|manager| manager.guard().is_none());
        let mut found: Vec<_> = open.flat_map(|manager| manager.clusters()).collect();
        found.extend(chain.others.iter().flat_map(|typed| named_in(*typed)));
        let packets = chain.listener.list("listener_filters").filter_map(|filter| filter.get("typed_config")?.typed());
        found.extend(packets.flat_map(named_in));
        let is_outbound = chain.listener.is_one("traffic_direction", "OUTBOUND", "2");
        let leads_in = |cluster: &str| cluster != NOWHERE && (!is_outbound || scene.is_guarded(cluster));
        let found = found.into_iter().filter(|(_, cluster)| leads_in(cluster));
        ways.extend(found.map(|(at, cluster)| (chain.listener, at, cluster)));
    }
    ways
}

/// The clusters that a filter of connections or packets names.
pub(super) fn named_in(typed: Typed<'_>) -> Vec<(At<'_>, &str)> {
    let is_name = |at: &At<'_>| match at.key() {
        Some("cluster") => true,
        Some("name") => at.up().and_then(At::up).is_some_and(|list| list.key() == Some("clusters")),
        _ => false,
    };
    typed.body.within().into_iter().filter(is_name).filter_map(|at| Some((at, at.text()?))).collect()
}

fn addresses_of(listener: At<'_>) -> impl Iterator<Item = At<'_>> {
    let more = listener.list("additional_addresses").filter_map(|one| one.get("address"));
    listener.get("address").into_iter().chain(more)
}

/// Whether an address is one of this machine alone.
pub(super) fn is_local(address: At<'_>) -> bool {
    match address.text_at("socket_address/address") {
        Some(host) => is_loopback(host),
        // A socket in the file system, or one inside Envoy.
        None => address.get("pipe").is_some() || address.get("envoy_internal_address").is_some(),
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
