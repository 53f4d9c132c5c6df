//! The clusters that the policy has asked, and the upstream's.

use super::Rule;
use super::certificates::{is_validated, validations};
use super::listener::is_local;
use crate::cli::envoy::document::At;
use crate::cli::envoy::policy::{Asked, Purpose};
use crate::cli::envoy::scene::{Scene, endpoints_of};
use crate::policy::diagnostic::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "missing-cluster",
        severity: Error,
        why: "",
        help: "define the cluster, or name the right one in the policy",
        find: |scene, found| {
            if scene.clusters.is_empty() || scene.has_other_clusters {
                return;
            }
            for plugin in &scene.plugins {
                for Asked { name, place, purpose } in &plugin.needs.clusters {
                    if scene.cluster(name).is_some() {
                        continue;
                    }
                    let why = match purpose {
                        Purpose::Identity => "keys and answers cannot be fetched, and who needs them is refused with 503",
                        Purpose::Audit { .. } => {
                            "events wait until there is no room, and then requests are refused or events dropped"
                        }
                    };
                    found.report(
                        plugin.policy.unwrap_or(plugin.at),
                        format!("the policy's {place} names the cluster `{name}`, which is not there: {why}"),
                    );
                }
            }
        },
    },
    Rule {
        code: "unverified-server",
        severity: Error,
        why: "",
        help: "give the cluster a `transport_socket` of UpstreamTlsContext with `sni` and a `validation_context` that has \
               `trusted_ca` and `match_typed_subject_alt_names`",
        find: |scene, found| {
            for asked in scene.plugins.iter().flat_map(|plugin| &plugin.needs.clusters) {
                let Some(cluster) = scene.cluster(&asked.name) else { continue };
                let Asked { name, place, purpose } = asked;
                let why = match purpose {
                    Purpose::Identity => {
                        "whoever stands between gives the keys that tokens are verified with, or reads what it is asked and told"
                    }
                    Purpose::Audit { with_token: true } => {
                        "whoever stands between reads events that name patients, and the token of `authorization`, with which \
                         events can be forged"
                    }
                    Purpose::Audit { with_token: false } => {
                        "whoever stands between reads events that name patients, or keeps them from arriving"
                    }
                };
                // Records go that way in clear already, and `plaintext-upstream` says so.
                let is_upstream = *purpose != Purpose::Identity && is_plain_upstream(scene, cluster);
                let is_harmless = is_plain(cluster) && (is_here(cluster) || is_upstream);
                for (at, what) in unverified(cluster) {
                    let what = format!("`{name}`, which the policy's {place} asks, {what}: {why}");
                    if is_harmless { found.warn(at, what) } else { found.report(at, what) }
                }
            }
        },
    },
    Rule {
        code: "plaintext-upstream",
        severity: Warning,
        why: "requests and whole answers, before they are redacted, can be read on their way",
        help: "give the cluster a `transport_socket` of UpstreamTlsContext",
        find: |scene, found| {
            for cluster in scene.clusters.iter().filter(|at| at.text_at("name").is_some_and(|name| scene.is_guarded(name)))
            {
                let is_elsewhere = endpoints_of(*cluster).any(|(at, _)| !is_local(at));
                if is_elsewhere && sockets_of(*cluster).all(|socket| context_of(socket).is_none()) {
                    found.report(*cluster, "the upstream is reached without TLS");
                }
            }
        },
    },
];

/// What is wrong with the proof of who answers in a cluster, and where.
fn unverified(cluster: At<'_>) -> Vec<(At<'_>, &'static str)> {
    if is_plain(cluster) {
        return vec![(cluster, "is reached without TLS")];
    }
    let judge = |socket| {
        let Some(context) = context_of(socket) else { return Some((socket, "is reached without TLS")) };
        let untrusted = "trust_chain_verification";
        let accepts = validations(context).into_iter().find(|at| at.is_one(untrusted, "ACCEPT_UNTRUSTED", "1"));
        if let Some(at) = accepts.and_then(|validation| validation.get(untrusted)) {
            Some((at, "may show a certificate that nobody signed"))
        } else if !is_validated(context) {
            Some((context, "may show any certificate: there is no `trusted_ca`"))
        } else if !has_names(context, cluster) {
            Some((context, "may be anybody whom that authority knows: no name is compared"))
        } else {
            None
        }
    };
    sockets_of(cluster).filter_map(judge).collect()
}

/// Whether nothing is said of how a cluster is spoken to.
fn is_plain(cluster: At<'_>) -> bool {
    sockets_of(cluster).next().is_none()
}

/// Whether a cluster is on this machine.
fn is_here(cluster: At<'_>) -> bool {
    endpoints_of(cluster).next().is_some() && endpoints_of(cluster).all(|(at, _)| is_local(at))
}

/// Whether all endpoints of a cluster are such as requests that were let through are sent to, without TLS as well.
fn is_plain_upstream(scene: &Scene<'_>, cluster: At<'_>) -> bool {
    let routed: Vec<_> = scene.guards().flat_map(|(_, manager, _)| manager.clusters()).map(|(_, name)| name).collect();
    let plain = routed.into_iter().filter_map(|name| scene.cluster(name)).filter(|upstream| is_plain(*upstream));
    let ends: Vec<_> = plain.flat_map(endpoints_of).map(|(_, end)| end).collect();
    endpoints_of(cluster).next().is_some() && endpoints_of(cluster).all(|(_, end)| ends.contains(&end))
}

fn sockets_of(cluster: At<'_>) -> impl Iterator<Item = At<'_>> {
    let matched = cluster.list("transport_socket_matches").filter_map(|one| one.get("transport_socket"));
    cluster.get("transport_socket").into_iter().chain(matched)
}

fn context_of(socket: At<'_>) -> Option<At<'_>> {
    let all = socket.within().into_iter().filter_map(At::typed);
    all.filter(|typed| typed.is("UpstreamTlsContext")).map(|typed| typed.body).next()
}

/// Whether the name in a certificate is compared with something.
fn has_names(context: At<'_>, cluster: At<'_>) -> bool {
    const LISTS: &[&str] =
        &["match_typed_subject_alt_names", "match_subject_alt_names", "verify_certificate_spki", "verify_certificate_hash"];
    let listed = |validation: At<'_>| {
        let lists = LISTS.iter().any(|field| validation.list(field).next().is_some());
        lists || validation.get("custom_validator_config").is_some()
    };
    let options = cluster.get("typed_extension_protocol_options");
    let options = options.into_iter().flat_map(At::members).map(|(_, options)| options);
    let common = context.get("common_tls_context");
    // What a secret says of names is not seen; it is the one that Envoy's own server would give.
    let by_secret = common.is_some_and(|common| common.get("validation_context_sds_secret_config").is_some());
    validations(context).into_iter().any(listed)
        || by_secret
        || context.is_true("auto_sni_san_validation")
        || options.into_iter().any(|options| options.is_true("upstream_http_protocol_options/auto_san_validation"))
}
