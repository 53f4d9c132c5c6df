//! Where clusters lead, said so that two names of one place are the same.

use crate::cli::envoy::document::At;

/// Where a cluster leads, by its endpoints or by the name that discovery has for them.
pub(super) fn ends_of(cluster: At<'_>) -> impl Iterator<Item = String> {
    let service = cluster.get("eds_cluster_config").and_then(|eds| {
        let named = eds.text_at("service_name").filter(|name| !name.is_empty());
        Some(format!("eds {}", named.or_else(|| cluster.text_at("name"))?))
    });
    endpoints_of(cluster).map(|(_, end)| end).chain(service)
}

/// One word for all names of this machine: what a socket is bound to everywhere, `0.0.0.0` reaches too.
fn machine(host: &str) -> String {
    let is_here = host
        .parse::<std::net::IpAddr>()
        .map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback() || address.is_unspecified());
    if is_here { "localhost".to_owned() } else { host.to_ascii_lowercase() }
}

/// The endpoints of a cluster: `address:port`, or the path of a socket.
pub(in crate::cli::envoy) fn endpoints_of(cluster: At<'_>) -> impl Iterator<Item = (At<'_>, String)> {
    let localities = cluster.list("load_assignment/endpoints");
    localities.flat_map(|locality| locality.list("lb_endpoints")).filter_map(|endpoint| {
        let address = endpoint.at("endpoint/address")?;
        let (host, port) = (address.text_at("socket_address/address"), address.text_at("socket_address/port_value"));
        let text = match (host, address.text_at("pipe/path")) {
            (Some(host), _) => format!("{}:{}", machine(host), port.unwrap_or_default()),
            (_, path) => path?.to_owned(),
        };
        Some((address, text))
    })
}
