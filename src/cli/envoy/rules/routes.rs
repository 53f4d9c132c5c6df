//! Where a request goes that was let through.

use super::Rule;
use crate::cli::envoy::document::At;
use crate::cli::envoy::scene::Manager;
use crate::policy::diagnostic::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "mirror",
        severity: Error,
        why: "each request goes to a second place, which no rule of the policy covers",
        help: "take the mirror out, or try a new version with a weighted cluster",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for at in levels(manager).filter_map(|at| at.get("request_mirror_policies")) {
                    if at.items().next().is_some() {
                        found.report(at, "requests are mirrored");
                    }
                }
            }
        },
    },
    Rule {
        code: "cluster-by-header",
        severity: Error,
        why: "a client that writes it chooses the upstream, and the policy was made for another",
        help: "name the cluster in the route",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for action in manager.actions() {
                    if let Some(at) = action.get("cluster_header") {
                        found.report(at, "a header of the request names the cluster");
                    }
                    let plugins = ["cluster_specifier_plugin", "inline_cluster_specifier_plugin"];
                    if let Some(at) = plugins.iter().find_map(|field| action.get(field)) {
                        found.warn(at, "an extension names the cluster");
                    }
                }
            }
        },
    },
    Rule {
        code: "identity-header",
        severity: Error,
        why: "it tells the upstream who asks, and Carewarden alone knows",
        help: "take it out, or give the policy's `identity_headers` other names",
        find: |scene, found| {
            for (_, manager, plugin) in scene.guards() {
                for at in levels(manager).flat_map(|at| at.list("request_headers_to_add")) {
                    let name = at.text_at("header/key").unwrap_or_default();
                    let folded = fold(name);
                    let is_named = || plugin.needs.identity.iter().any(|identity| fold(identity) == folded);
                    if folded.starts_with("x-carewarden-") || is_named() {
                        found.report(at, format!("Envoy sets `{name}` behind Carewarden"));
                    }
                }
            }
        },
    },
    Rule {
        code: "path-rewritten",
        severity: Warning,
        why: "what the upstream serves is not what was judged",
        help: "let the policy speak of the paths that the upstream has, and send them on as they are",
        find: |scene, found| {
            const REWRITES: &[&str] = &[
                "prefix_rewrite",
                "regex_rewrite",
                "path_rewrite",
                "path_rewrite_policy",
                "host_rewrite_header",
                "host_rewrite_path_regex",
            ];
            for (_, manager, _) in scene.guards() {
                for (action, field) in
                    manager.actions().flat_map(|action| REWRITES.iter().map(move |field| (action, field)))
                {
                    if let Some(at) = action.get(field) {
                        found.report(at, format!("`{field}` changes a request behind Carewarden"));
                    }
                }
            }
        },
    },
];

/// A header's name as servers read it that make a variable of it: `X_User` and `x-user` are one.
fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// All that may say something of a request on its way out: tables, virtual hosts, routes, their actions and clusters.
fn levels<'d>(manager: &Manager<'d>) -> impl Iterator<Item = At<'d>> {
    let hosts = manager.routes.iter().flat_map(|table| table.list("virtual_hosts"));
    let weighted = manager.actions().flat_map(|action| action.list("weighted_clusters/clusters"));
    manager.routes.iter().copied().chain(hosts).chain(manager.all_routes()).chain(manager.actions()).chain(weighted)
}
