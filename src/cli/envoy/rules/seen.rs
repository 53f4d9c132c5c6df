//! What logs and traces say of a request. Paths and queries name patients (`/Patient/123`, `?family=Doe`).

use regex::Regex;

use super::Rule;
use crate::cli::envoy::document::At;
use crate::cli::envoy::policy::Needs;
use crate::cli::envoy::scene::Manager;
use crate::policy::diagnostic::Severity::Error;

/// Headers that say what was asked for, in lower case.
const OF_PATH: &[&str] = &[":path", "x-envoy-original-path", "referer", "location", "content-location"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "path-in-log",
        severity: Error,
        why: "paths and queries name patients, and the log has readers of its own",
        help: "write what envoy/envoy.yaml writes; the audit record says which interaction on which type",
        find: |scene, found| {
            for (_, manager, plugin) in scene.guards() {
                for log in logs(manager) {
                    let Some(typed) = log.get("typed_config").and_then(At::typed) else { continue };
                    let name = typed.kind.rsplit('.').next().unwrap_or_default();
                    let formats: Vec<_> =
                        FORMATS.iter().filter_map(|format| typed.body.get(format)).flat_map(At::within).collect();
                    match name {
                        "FileAccessLog" | "StdoutAccessLog" | "StderrAccessLog" if formats.is_empty() => {
                            found.report(log, "a log without a format writes the path");
                        }
                        "HttpGrpcAccessLogConfig" => found.report(log, "the log service is sent the path"),
                        "WasmAccessLog" => found.warn(log, "what a module logs is not seen here"),
                        _ => report_in(&typed.body.within(), &plugin.needs, |at, what| {
                            found.report(at, format!("the log has {what}"));
                        }),
                    }
                    for at in formats.into_iter().filter(|at| at.key() == Some("text_format_source")) {
                        if at.get("inline_string").is_none() {
                            found.warn(at, "the format stands elsewhere");
                        }
                    }
                }
            }
        },
    },
    Rule {
        code: "path-in-span",
        severity: Error,
        why: "paths and queries name patients, and who reads traces is seldom who may read records",
        help: "write `max_path_tag_length: 0` under `tracing`, and no tag or operation of the path",
        find: |scene, found| {
            let elsewhere = scene.bootstrap.is_some_and(|bootstrap| bootstrap.at("tracing/http").is_some());
            for (_, manager, plugin) in scene.guards() {
                let Some(tracing) = manager.at.get("tracing") else { continue };
                let provider = tracing.get("provider");
                if provider.is_none() && !elsewhere {
                    continue;
                }
                if tracing.get("max_path_tag_length").and_then(At::number) != Some(0) {
                    found
                        .report(tracing.get("max_path_tag_length").unwrap_or(tracing), "spans have the path in `http.url`");
                }
                if provider.and_then(|at| at.get("typed_config")?.typed()).is_some_and(|typed| typed.is("SkyWalkingConfig"))
                {
                    found.report(provider.unwrap_or(tracing), "SkyWalking names spans by the path");
                }
                let of_routes = manager.all_routes().filter_map(|route| route.get("tracing"));
                let places: Vec<_> = std::iter::once(tracing).chain(of_routes).collect();
                for tag in places.iter().flat_map(|place| place.list("custom_tags")) {
                    let header = tag.at("request_header/name").filter(|at| {
                        let name = at.text().unwrap_or_default().to_ascii_lowercase();
                        OF_PATH.contains(&name.as_str()) || plugin.needs.credentials.contains(&name)
                    });
                    if let Some(at) = header {
                        found.report(at, format!("spans have `{}`", at.text().unwrap_or_default()));
                    }
                }
                let formats: Vec<_> = ["custom_tags", "operation", "upstream_operation"]
                    .iter()
                    .flat_map(|field| places.iter().filter_map(|place| place.get(field)))
                    .flat_map(At::within)
                    .collect();
                report_in(&formats, &plugin.needs, |at, what| found.report(at, format!("spans have {what}")));
            }
        },
    },
];

/// Where the formats of a log stand.
const FORMATS: &[&str] = &["log_format", "format", "json_format", "typed_json_format"];

/// The logs of requests: of the manager and the router. That of a listener knows connections alone.
fn logs<'d>(manager: &Manager<'d>) -> Vec<At<'d>> {
    let routers = manager.filters.iter().flat_map(|filter| &filter.typed).filter(|typed| typed.is("Router"));
    let upstream = routers.flat_map(|router| router.body.list("upstream_log"));
    manager.at.list("access_log").chain(upstream).collect()
}

/// Reports each text that has a path, a query or a credential in it.
fn report_in<'d>(texts: &[At<'d>], needs: &Needs, mut report: impl FnMut(At<'d>, String)) {
    for at in texts {
        if let Some(command) = at.text().and_then(|text| unspeakable(text, needs)) {
            report(*at, format!("`{command}`"));
        }
    }
}

/// The first command of a format that writes what no log may have.
fn unspeakable(text: &str, needs: &Needs) -> Option<String> {
    // As Envoy finds them, so that an argument may have parentheses of its own.
    let command = Regex::new(r"(?s)%([A-Z0-9_]+)(?:\((.*?)\))?(?::[0-9]+)?%").ok()?;
    let part = |found: &regex::Captures<'_>, index| found.get(index).map_or("", |part| part.as_str()).to_owned();
    command.captures_iter(text).find(|found| is_bad(&part(found, 1), &part(found, 2), needs)).map(|found| part(&found, 0))
}

fn is_bad(name: &str, argument: &str, needs: &Needs) -> bool {
    match name {
        "PATH" | "QUERY_PARAM" | "QUERY_PARAMS" | "COOKIE" => true,
        "CEL" => is_bad_expression(argument),
        "COALESCE" => serde_json::from_str::<serde_json::Value>(argument).is_ok_and(|value| {
            let operators = value.get("operators").and_then(serde_json::Value::as_array);
            operators.into_iter().flatten().any(|operator| {
                let field = |name| operator.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
                is_bad(operator.as_str().unwrap_or(field("command")), field("param"), needs)
            })
        }),
        _ => argument.to_ascii_lowercase().split('?').any(|header| {
            let header = header.trim();
            name.starts_with("RE") && (OF_PATH.contains(&header) || needs.credentials.contains(header))
        }),
    }
}

/// Whether an expression may say more of a request than how it came. `request['path']` is `request.path`.
fn is_bad_expression(expression: &str) -> bool {
    const HARMLESS: &[&str] = &["method", "protocol", "time", "duration", "size", "total_size", "id", "host", "scheme"];
    let folded = expression.to_ascii_lowercase().replace('[', ".").replace(['\'', '"', ']', ' '], "");
    let attributes = folded.split("request").skip(1).map(|rest| {
        let rest = rest.strip_prefix('.').unwrap_or_default();
        rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default()
    });
    attributes.into_iter().any(|attribute| !HARMLESS.contains(&attribute)) || folded.contains("location")
}
