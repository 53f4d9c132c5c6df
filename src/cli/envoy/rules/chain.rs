//! Whether every request passes our filter, and what stands before and behind it.

use super::Rule;
use crate::cli::envoy::document::{At, Typed};
use crate::cli::envoy::scene::{Filter, Manager, Scene, is_wasm, wrapped_in};
use crate::policy::diagnostic::Severity::{Error, Warning};

/// Filters that answer from what they keep.
const CACHES: &[&str] = &["CacheConfig", "CacheV2Config", "FileSystemHttpCacheConfig"];
/// Filters that run somebody's code, or ask somebody else, and so can answer, send on and change what they like.
const CODE: &[&str] = &["Lua", "LuaPerRoute", "ExternalProcessor", "ExtAuthz", "Config", "DynamicModuleFilter"];
/// Filters that change a request after it was judged.
const CHANGES: &[&str] =
    &["HeaderMutation", "DynamicForwardProxy", "FilterConfig", "GrpcJsonTranscoder", "ProtoMessageExtractionConfig"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "not-seen",
        severity: Error,
        why: "what is not seen is not judged, and traffic may pass there",
        help: "give it what the running Envoy has: `curl localhost:9901/config_dump > dump.json`",
        find: |scene, found| {
            scene.gaps.iter().for_each(|(at, what)| found.report(*at, what));
            if scene.listeners.is_empty() && scene.gaps.is_empty() {
                if scene.plugins.is_empty() {
                    found.report(scene.root, "there is neither a listener nor a filter of Carewarden here");
                } else {
                    found.warn(scene.root, "there is no listener here, so the filter alone was judged");
                }
            }
        },
    },
    Rule {
        code: "no-filter",
        severity: Error,
        why: "nothing that comes in is judged",
        help: "insert the filter before the router, as envoy/envoy.yaml does; if it is there under another name, say --filter NAME",
        find: |scene, found| {
            if scene.guards().next().is_none() && !scene.listeners.is_empty() && scene.gaps.is_empty() {
                found.report(scene.root, "no listener has Carewarden's filter");
            }
        },
    },
    Rule {
        code: "filter-disabled",
        severity: Error,
        why: "requests pass unjudged, with answers unredacted",
        help: "take `disabled` out; what is to be open is for a route of the policy to say, with `\"authenticate\": \"none\"`",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for filter in manager.filters.iter().filter(|filter| filter.plugin.is_some()) {
                    if filter.at.is_true("disabled") {
                        found.report(
                            filter.at.get("disabled").unwrap_or(filter.at),
                            "the filter is off unless a route turns it on",
                        );
                    }
                    for (at, place) in overrides(manager, filter.name) {
                        if at.is_true("disabled") {
                            found.report(at, format!("the filter is off on {place}"));
                        }
                    }
                }
            }
        },
    },
    Rule {
        code: "filter-conditional",
        severity: Error,
        why: "requests for which the condition does not hold pass unjudged",
        help: "let it stand in the chain as it is, and put conditions into the policy's routes",
        find: |scene, found| {
            for (_, manager) in scene.managers() {
                for filter in &manager.filters {
                    if let Some(at) = filter.conditional {
                        found.report(at, format!("the filter stands inside `{}`", filter.name));
                    }
                }
            }
        },
    },
    Rule {
        code: "filter-optional",
        severity: Error,
        why: "an Envoy that cannot load it leaves it out and serves on",
        help: "take `is_optional` out",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                let ours = manager.filters.iter().filter(|filter| filter.plugin.is_some());
                for at in ours.filter(|filter| filter.at.is_true("is_optional")).map(|filter| filter.at) {
                    found.report(at.get("is_optional").unwrap_or(at), "the filter is optional");
                }
            }
        },
    },
    Rule {
        code: "permissive-default",
        severity: Error,
        why: "until the filter's own configuration has come, requests pass by what stands there",
        help: "take `default_config` out: without it Envoy answers 500 until the filter is there",
        find: |scene, found| {
            for (_, manager) in scene.managers() {
                for discovery in manager.filters.iter().filter(|filter| filter.plugin.is_some()).filter_map(discovery) {
                    let default = discovery.get("default_config").map(|at| (at, at.typed().is_some_and(is_wasm)));
                    let without = "apply_default_config_without_warming";
                    match default {
                        Some((at, false)) => found.report(at, "another filter stands in for Carewarden's"),
                        Some((at, true)) => found.warn(at, "another configuration of Wasm stands in for Carewarden's"),
                        None if discovery.is_true(without) => {
                            found.warn(
                                discovery.get(without).unwrap_or(discovery),
                                "listeners serve before the filter is there",
                            );
                        }
                        None => (),
                    }
                }
            }
        },
    },
    Rule {
        code: "cache-ahead",
        severity: Error,
        why: "an answer to one caller is given to the next without the policy being asked",
        help: "move it behind Carewarden: what it keeps is then judged and redacted for each caller",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for (filter, _) in ahead(manager).filter(|(_, typed)| CACHES.iter().any(|name| typed.is(name))) {
                    found.report(filter.at, format!("the cache `{}` stands before Carewarden", filter.name));
                }
            }
        },
    },
    Rule {
        code: "tap",
        severity: Error,
        why: "it copies credentials, requests and answers to where no rule covers them",
        help: "take it out; audit records say who saw what",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                let filters =
                    manager.filters.iter().flat_map(|filter| filter.typed.iter().map(move |typed| (filter, typed)));
                for (filter, _) in filters.filter(|(_, typed)| typed.is("Tap")) {
                    found.report(filter.at, format!("`{}` is a tap", filter.name));
                }
            }
            for (at, _) in upstream(scene).into_iter().filter(|(_, typed)| typed.is("Tap")) {
                found.report(at, "a filter of the upstream is a tap");
            }
            let guarded = scene.clusters.iter().filter(|at| at.text_at("name").is_some_and(|name| scene.is_guarded(name)));
            let chains = scene.guards().map(|(chain, ..)| chain.at);
            for at in chains.chain(guarded.copied()) {
                for socket in sockets(at).filter(|(_, typed)| typed.is("Tap")) {
                    found.report(socket.0, "the transport socket is a tap");
                }
            }
        },
    },
    Rule {
        code: "code-ahead",
        severity: Warning,
        why: "it sees requests unjudged, can answer them itself and can say who asks",
        help: "move it behind Carewarden, or make sure of what it does",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for (filter, _) in ahead(manager).filter(|(_, typed)| runs_code(*typed)) {
                    found.report(filter.at, format!("`{}`, which runs code, stands before Carewarden", filter.name));
                }
            }
        },
    },
    Rule {
        code: "changed-behind",
        severity: Warning,
        why: "what is sent on need not be what was judged, and the answer is seen before it is redacted",
        help: "move it before Carewarden, or make sure of what it does",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                let changes = |typed: Typed<'_>| runs_code(typed) || CHANGES.iter().any(|name| typed.is(name));
                for (filter, typed) in behind(manager).filter(|(_, typed)| changes(*typed)) {
                    if !typed.is("FilterConfig") || typed.kind.contains("dynamic_forward_proxy") {
                        found.report(filter.at, format!("`{}` stands behind Carewarden", filter.name));
                    }
                }
            }
            for (at, typed) in upstream(scene) {
                if CACHES.iter().any(|name| typed.is(name)) {
                    found.push(at, Error, "a cache stands among the filters of the upstream");
                } else if runs_code(typed) || typed.is("HeaderMutation") {
                    found.report(at, "a filter of the upstream stands behind Carewarden");
                }
            }
        },
    },
];

/// Where routes, virtual hosts and tables say something else of a filter.
fn overrides<'d>(manager: &Manager<'d>, filter: &str) -> Vec<(At<'d>, String)> {
    let named = |at: At<'d>| at.text_at("name").unwrap_or("(no name)");
    let tables = manager.routes.iter().map(|table| (*table, format!("the routes `{}`", named(*table))));
    let hosts = manager.routes.iter().flat_map(|table| table.list("virtual_hosts"));
    let hosts = hosts.map(|host| (host, format!("the virtual host `{}`", named(host))));
    let routes = manager.all_routes().map(|route| (route, format!("the route `{}`", named(route))));
    let weighted = manager.actions().flat_map(|action| action.list("weighted_clusters/clusters"));
    let weighted = weighted.map(|cluster| (cluster, format!("the weighted cluster `{}`", named(cluster))));
    let places = tables.chain(hosts).chain(routes).chain(weighted);
    let of_filter = |at: At<'d>| {
        let all = at.get("typed_per_filter_config")?;
        all.members().find(|(name, _)| *name == filter).map(|(_, config)| config)
    };
    places.filter_map(|(at, place)| Some((of_filter(at)?.typed()?.body, place))).collect()
}

fn discovery<'d>(filter: &Filter<'d>) -> Option<At<'d>> {
    filter.at.get("config_discovery")
}

/// The filters before ours, with what they are.
fn ahead<'m, 'd>(manager: &'m Manager<'d>) -> impl Iterator<Item = (&'m Filter<'d>, Typed<'d>)> {
    let ours = manager.position().unwrap_or(0);
    let filters = manager.filters.iter().take(ours);
    filters.flat_map(|filter| filter.typed.iter().map(move |typed| (filter, *typed)))
}

/// The filters behind ours, with what they are.
fn behind<'m, 'd>(manager: &'m Manager<'d>) -> impl Iterator<Item = (&'m Filter<'d>, Typed<'d>)> {
    let ours = manager.position().unwrap_or(usize::MAX);
    let filters = manager.filters.iter().skip(ours.saturating_add(1));
    filters.flat_map(|filter| filter.typed.iter().map(move |typed| (filter, *typed)))
}

/// The filters that requests pass behind the router: its own, and those of the clusters.
fn upstream<'d>(scene: &Scene<'d>) -> Vec<(At<'d>, Typed<'d>)> {
    let filters = scene.guards().flat_map(|(_, manager, _)| &manager.filters).flat_map(|filter| &filter.typed);
    let routers = filters.filter(|typed| typed.is("Router"));
    let of_routers = routers.flat_map(|router| router.body.list("upstream_http_filters"));
    let guarded = scene.clusters.iter().filter(|at| at.text_at("name").is_some_and(|name| scene.is_guarded(name)));
    let options = guarded.filter_map(|at| at.get("typed_extension_protocol_options")).flat_map(At::members);
    let all = of_routers.chain(options.flat_map(|(_, options)| options.list("http_filters")));
    let typed = all.filter_map(|filter| Some((filter, filter.get("typed_config")?.typed()?)));
    typed.flat_map(|(at, typed)| std::iter::once(typed).chain(wrapped_in(typed)).map(move |typed| (at, typed))).collect()
}

/// Whether a filter runs code or asks a service that does.
fn runs_code(typed: Typed<'_>) -> bool {
    let is_golang = !typed.is("Config") || typed.kind.contains("golang");
    is_wasm(typed) || (CODE.iter().any(|name| typed.is(name)) && is_golang)
}

/// The transport sockets of a chain or a cluster, and what they wrap.
fn sockets(at: At<'_>) -> impl Iterator<Item = (At<'_>, Typed<'_>)> {
    let matched = at.list("transport_socket_matches").filter_map(|one| one.get("transport_socket"));
    let sockets = at.get("transport_socket").into_iter().chain(matched);
    let all = sockets.flat_map(At::within).filter(|at| at.get("@type").is_some());
    all.filter_map(|at| Some((at, at.typed()?)))
}
