//! Settings of the connection managers that our filter stands in.

use super::Rule;
use crate::cli::envoy::document::At;
use crate::cli::envoy::scene::{Filter, Manager};
use crate::policy::diagnostic::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "client-says-address",
        severity: Error,
        why: "a client writes the address that the policy's rules judge into X-Forwarded-For",
        help: "write `use_remote_address: true`, with the `xff_num_trusted_hops` of the proxies before it",
        find: |scene, found| {
            for (_, manager, _) in scene.guards().filter(|(_, _, plugin)| plugin.needs.addresses) {
                let extensions = manager.at.get("original_ip_detection_extensions");
                if let Some(at) = extensions.filter(|extensions| extensions.items().next().is_some()) {
                    found.warn(at, "addresses come from an extension, which may believe a header");
                } else if !manager.at.is_true("use_remote_address") {
                    found.report(
                        manager.at.get("use_remote_address").unwrap_or(manager.at),
                        "`use_remote_address` is not true",
                    );
                }
            }
        },
    },
    Rule {
        code: "100-continue",
        severity: Error,
        why: "the head of an upstream's 100 passes every filter unseen",
        help: "take `proxy_100_continue` out",
        find: |scene, found| {
            for at in scene.guards().map(|(_, manager, _)| manager.at).filter(|at| at.is_true("proxy_100_continue")) {
                found.report(at.get("proxy_100_continue").unwrap_or(at), "`proxy_100_continue` is set");
            }
        },
    },
    Rule {
        code: "upgrades",
        severity: Error,
        why: "what follows an upgrade is a stream of bytes that nobody judges or redacts",
        help: "take `upgrade_configs` out; where a listener needs them, give it no route to the guarded upstream",
        find: |scene, found| {
            for (_, manager, plugin) in scene.guards() {
                for (upgrade, is_unguarded) in upgrades(manager) {
                    let name = upgrade.text_at("upgrade_type").unwrap_or_default();
                    let what = format!("upgrades to `{name}` are allowed");
                    if is_unguarded {
                        found.report(upgrade, format!("{what}, by a chain without Carewarden"));
                    } else if plugin.needs.shadow {
                        found.report(upgrade, format!("{what}, and on routes in shadow mode Carewarden lets them through"));
                    } else {
                        found.warn(upgrade, format!("{what}, though Carewarden refuses them"));
                    }
                }
            }
        },
    },
    Rule {
        code: "paths-not-plain",
        severity: Warning,
        why: "Envoy chooses a route by another spelling of the path than Carewarden judges",
        help: "write `normalize_path: true` and `merge_slashes: true`",
        find: |scene, found| {
            for (_, manager, _) in scene.guards() {
                for field in ["normalize_path", "merge_slashes"].into_iter().filter(|field| !manager.at.is_true(field)) {
                    found.report(manager.at.get(field).unwrap_or(manager.at), format!("`{field}` is not true"));
                }
            }
        },
    },
    Rule {
        code: "underscores",
        severity: Warning,
        why: "many application servers take `x_name` and `x-name` for one",
        help: "write `common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }`",
        find: |scene, found| {
            for at in scene.guards().map(|(_, manager, _)| manager.at) {
                let action = "common_http_protocol_options/headers_with_underscores_action";
                if !at.is_one(action, "REJECT_REQUEST", "1") && !at.is_one(action, "DROP_HEADER", "2") {
                    found.report(at.at(action).unwrap_or(at), "headers with underscores pass");
                }
            }
        },
    },
    Rule {
        code: "certificate-header",
        severity: Warning,
        why: "a client writes X-Forwarded-Client-Cert itself, and an upstream that reads it believes so",
        help: "leave `forward_client_cert_details` as it is (SANITIZE), or write SANITIZE_SET",
        find: |scene, found| {
            let field = "forward_client_cert_details";
            for at in scene.guards().map(|(_, manager, _)| manager.at) {
                if at.is_one(field, "ALWAYS_FORWARD_ONLY", "4") {
                    found.report(at.get(field).unwrap_or(at), "X-Forwarded-Client-Cert is sent on as it came");
                }
            }
        },
    },
    Rule {
        code: "two-lengths",
        severity: Warning,
        why: "of two lengths one server takes the first and another the second, and so a request hides in another",
        help: "take `allow_chunked_length` out",
        find: |scene, found| {
            let field = "http_protocol_options/allow_chunked_length";
            for at in scene.guards().map(|(_, manager, _)| manager.at).filter(|at| at.is_true(field)) {
                found.report(at.at(field).unwrap_or(at), "a request may have a length beside chunks");
            }
        },
    },
];

/// The upgrades that are on, by the manager or by a route, and whether each has a chain of its own without our filter.
fn upgrades<'d>(manager: &Manager<'d>) -> Vec<(At<'d>, bool)> {
    let guards = |filter: &Filter<'d>| filter.plugin.is_some() && !filter.at.is_true("disabled");
    let own = manager.upgrades.iter().map(|(at, filters)| (*at, !filters.is_empty() && !filters.iter().any(guards)));
    let of_routes = manager.actions().flat_map(|action| action.list("upgrade_configs")).map(|at| (at, false));
    let is_off = |at: At<'d>| at.get("enabled").is_some() && !at.is_true("enabled");
    own.chain(of_routes).filter(|(at, is_unguarded)| *is_unguarded || !is_off(*at)).collect()
}
