//! Listeners that show Envoy's metrics and whether it is up, and nothing else.

use super::listener::{is_loopback, named_in};
use crate::cli::envoy::document::{At, Typed};
use crate::cli::envoy::scene::{Manager, Scene, endpoints_of};

/// What the admin interface says that names no patient and changes nothing.
const PATHS: &[&str] = &["/stats/prometheus", "/ready"];

/// Filters that leave a request's path alone.
const FILTERS: &[&str] = &["Router", "LocalRateLimit", "RBAC"];

/// Fields of an action that neither change a path nor send a request anywhere else.
const FIELDS: &[&str] = &["cluster", "timeout", "idle_timeout", "idleTimeout"];

/// Whether every way through a listener that our filter does not guard leads to one of these paths of the admin interface.
pub(super) fn shows_only_metrics(scene: &Scene<'_>, listener: At<'_>) -> bool {
    let chains = || scene.chains.iter().filter(|chain| chain.listener.is_same(listener));
    let packets = listener.list("listener_filters").filter_map(|filter| filter.get("typed_config")?.typed());
    let others = packets.chain(chains().flat_map(|chain| chain.others.iter().copied()));
    let mut open = chains().flat_map(|chain| &chain.managers).filter(|manager| manager.guard().is_none());
    others.flat_map(named_in).next().is_none() && open.all(|manager| is_of_metrics(scene, manager))
}

fn is_of_metrics(scene: &Scene<'_>, manager: &Manager<'_>) -> bool {
    let is_known =
        |typed: &[Typed<'_>]| !typed.is_empty() && typed.iter().all(|typed| FILTERS.iter().any(|name| typed.is(name)));
    let hosts = manager.routes.iter().flat_map(|table| table.list("virtual_hosts"));
    let mut levels = manager.routes.iter().copied().chain(hosts);
    manager.upgrades.is_empty()
        && manager.filters.iter().all(|filter| is_known(&filter.typed))
        && levels.all(|level| level.get("request_mirror_policies").is_none())
        && manager.all_routes().all(|route| is_to_metrics(scene, route))
}

fn is_to_metrics(scene: &Scene<'_>, route: At<'_>) -> bool {
    let is_path = route.text_at("match/path").is_some_and(|path| PATHS.contains(&path));
    let action = route.get("route").filter(|action| action.members().all(|(field, _)| FIELDS.contains(&field)));
    let cluster = action.and_then(|action| scene.cluster(action.text_at("cluster")?));
    is_path && cluster.is_some_and(|cluster| is_admin(scene, cluster))
}

/// Whether a cluster is the admin interface, by loopback.
fn is_admin(scene: &Scene<'_>, cluster: At<'_>) -> bool {
    let port = |address: At<'_>| address.at("socket_address/port_value").and_then(At::number);
    let Some(admin) = scene.bootstrap.and_then(|bootstrap| port(bootstrap.at("admin/address")?)) else { return false };
    let is_there = |(address, _): (At<'_>, String)| {
        address.text_at("socket_address/address").is_some_and(is_loopback) && port(address) == Some(admin)
    };
    admin > 0 && endpoints_of(cluster).next().is_some() && endpoints_of(cluster).all(is_there)
}
