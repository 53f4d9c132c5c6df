//! A route, compiled: everything that its requests and answers are judged by.
//!
//! Limits that neither the route nor `defaults` sets are built in; they hold for FHIR traffic of any usual kind.

use std::rc::Rc;
use std::time::Duration;

use super::engine::Compiler;
use super::parts::PartRules;
use super::validation::Checks;
use crate::access::{AddressRules, Rules, When};
use crate::fhir::Base;
use crate::http::{MediaType, decode};
use crate::identity::Requirement;
use crate::inspect;
use crate::json;
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::model;
use crate::redact::Program;

/// Media types of bodies that a route takes where it does not say.
const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "application/fhir+json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/x-www-form-urlencoded",
];

/// Headers that would be wrong once a body has changed (RFC 9112 section 6), or are a connection's own.
const FRAMING: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "content-range",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// A compiled route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: Rc<str>,
    pub(super) shadow: bool,
    pub(super) require_tls: bool,
    pub(super) fhir: Option<Base>,
    pub(super) envoy_route: Option<String>,
    pub(super) addresses: Option<AddressRules>,
    pub(super) requirement: Requirement,
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    pub(super) checks: Checks,
    /// Which bodies in parts it takes; none where it is absent.
    pub(super) parts: Option<PartRules>,
    /// How requests are inspected; not at all where it is absent.
    pub(super) inspect: Option<inspect::Settings>,
    /// The entries of `redact`; a route without the key has none and does not redact.
    pub(super) redact: Option<Vec<View>>,
    /// The same for the bodies of requests.
    pub(super) request_redact: Option<Vec<View>>,
    /// What holds narratives of answers to what may be shown.
    pub(super) narratives: Option<Rc<Program>>,
    pub(super) unredacted: Rc<[String]>,
    pub(super) answer_headers: Rc<[String]>,
    pub(super) decode: decode::Limits,
}

/// One entry of `redact`.
#[derive(Debug)]
pub(super) struct View {
    pub(super) when: When,
    /// The profile; none is the full view.
    pub(super) profile: Option<(Rc<str>, Rc<Program>)>,
}

/// What a request may be like.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) uri: usize,
    pub(super) headers: usize,
    pub(super) header_bytes: usize,
    pub(super) cookie_bytes: usize,
    pub(super) body: usize,
    pub(super) body_timeout: Duration,
    pub(super) content_types: Vec<String>,
    pub(super) json: json::Limits,
}

impl Route {
    pub(super) fn compile(route: &model::Route, index: usize, at: &Node, compiler: &mut Compiler<'_>) -> Option<Self> {
        let model::Route {
            name,
            matches,
            mode,
            require_tls,
            fhir,
            addresses,
            authenticate,
            authorize: _,
            request,
            response,
        } = route;
        compiler.check_name(name, at.key("name"));
        if request.body_timeout.is_some_and(|model::Duration(time)| time.is_zero()) {
            let at = at.key("request").key("body_timeout");
            compiler.report.error(at, Code::InvalidValue, "no body arrives in no time").help("leave it out for 10s");
        }
        let fhir = fhir.as_ref().and_then(|fhir| compiler.base(fhir, index, at.key("fhir")));
        let requirement = match authenticate {
            Some(authenticate) => Some(compiler.requirement(authenticate, at.key("authenticate"))),
            None => {
                let hint = compiler.report.error(
                    at,
                    Code::MissingKey,
                    format!("route `{name}` does not say who identifies the caller"),
                );
                hint.help(
                    "write `\"authenticate\": {\"any\": [\"…\"]}` here or in `defaults`, or `\"none\"` for a public route",
                );
                None
            }
        };
        let rules = Rules::compile(compiler.setting(route, index), at.key("authorize"), compiler.report);
        let addresses = addresses.as_ref().map(|own| AddressRules::compile(own, at.key("addresses"), compiler.report));
        if let (None, Some(_)) = (&response.redact, &route.fhir) {
            let hint =
                compiler.report.error(at, Code::MissingKey, format!("`fhir` route `{name}` does not say what is redacted"));
            hint.help("write `\"response\": {\"redact\": [{\"apply\": \"…\"}]}`; `\"apply\": \"none\"` is the full view");
        }
        let redact =
            response.redact.as_ref().map(|views| views_of(views, route, index, at.key("response").key("redact"), compiler));
        let at_request = at.key("request").key("redact");
        let request_redact = request.redact.as_ref().map(|views| views_of(views, route, index, at_request, compiler));
        let inspect = request.inspect.as_ref().and_then(|own| {
            let pack = compiler.pack(at.key("request").key("inspect"))?;
            inspect::Settings::compile(own, &pack, at.key("request").key("inspect"), compiler.report)
        });
        let views = redact.iter().flatten().map(|view: &View| (&view.when, view.profile.is_some()));
        rules.check_searches(views, at.key("authorize"), compiler.report);
        check_lists(request, response, at, compiler.report);
        let checks = Checks::compile(route, compiler.schemas, compiler.loaded, at, compiler.report);
        let limits = Limits::of(request);
        let parts = PartRules::compile(route, limits.body, at, compiler.report);
        let narratives = response.narrative.and_then(|rule| narratives(rule, fhir.is_some(), at, compiler));
        let decode = decode_limits(&response.decode, at.key("response").key("decode"), compiler.report);
        Some(Self {
            name: name.as_str().into(),
            shadow: mode.unwrap_or(compiler.mode) == model::Mode::Shadow,
            require_tls: require_tls.unwrap_or(true),
            fhir,
            envoy_route: matches.envoy_route.clone(),
            addresses,
            requirement: requirement?,
            rules,
            limits,
            checks,
            parts,
            inspect,
            redact,
            request_redact,
            narratives,
            unredacted: response.unredacted_media_types.iter().map(|listed| listed.to_ascii_lowercase()).collect(),
            answer_headers: response.headers.allow.iter().map(|name| name.to_ascii_lowercase()).collect(),
            decode,
        })
    }
}

/// What holds narratives to what FHIR permits, on a route that has them.
fn narratives(rule: model::NarrativeRule, is_fhir: bool, at: &Node, compiler: &mut Compiler<'_>) -> Option<Rc<Program>> {
    let at = at.key("response").key("narrative");
    if is_fhir {
        return compiler.narratives(rule, at);
    }
    // One in `defaults` is meant for the others.
    if at.pointer.starts_with("/routes/") {
        let hint = compiler.report.error(at, Code::InvalidValue, "only a `fhir` route has answers with narratives");
        hint.help("take it out, or say `fhir`");
    }
    None
}

/// Finds what lists name that would never be met, or would break an answer.
fn check_lists(request: &model::RequestChecks, response: &model::ResponseChecks, at: &Node, report: &mut Report) {
    let plain = |listed: &str| {
        let media_type = MediaType::parse(listed.as_bytes()).ok()?;
        (media_type.essence().len() == listed.len() && !listed.contains('*')).then_some(media_type)
    };
    let no_media_type = |at: &Node, listed: &str, report: &mut Report| {
        let hint = report.error(at, Code::InvalidValue, format!("`{listed}` is not one media type"));
        hint.help("write type and subtype, without parameters and wildcards, as in \"application/json\"");
    };
    let content_types = request.content_types.as_deref().unwrap_or_default();
    for (at, listed) in items(at.key("request").key("content_types"), content_types) {
        if plain(listed).is_none() {
            no_media_type(at, listed, report);
        }
    }
    for (at, listed) in items(at.key("response").key("unredacted_media_types"), &response.unredacted_media_types) {
        match plain(listed) {
            None => no_media_type(at, listed, report),
            Some(media_type) if media_type.json().is_some() => {
                report
                    .error(at, Code::InvalidValue, format!("answers of type `{listed}` are always looked into"))
                    .help("take it out, and write `{\"apply\": \"none\"}` under `redact` for who may see them as they are");
            }
            Some(_) => {
                let hint = report.warning(at, Code::Risky, format!("answers of type `{listed}` leave unredacted"));
                hint.help("make sure that the upstream never puts PHI in them");
            }
        }
    }
    for (at, name) in items(at.key("response").key("headers").key("allow"), &response.headers.allow) {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_name || FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
            let hint =
                report.error(at, Code::InvalidValue, format!("`{name}` cannot stay in the head of a redacted answer"));
            hint.help("name a header that says nothing of the connection and nothing of the body's length or coding");
        }
    }
}

fn decode_limits(written: &model::Decode, at: &Node, report: &mut Report) -> decode::Limits {
    let model::Decode { max_ratio, max_size } = *written;
    let default = decode::Limits::default();
    if max_ratio.is_some_and(|ratio| !(1..=decode::MAX_RATIO).contains(&ratio)) {
        let hint = report.error(at.key("max_ratio"), Code::InvalidValue, "no answer can be decoded so");
        hint.help("write a number from 1 to 1032, which is the most that DEFLATE reaches; 100 when left out");
    }
    decode::Limits {
        ratio: max_ratio.unwrap_or(default.ratio),
        size: max_size.map_or(default.size, |model::Size(bytes)| bytes),
    }
}

/// Values of a list with their places.
fn items<'n, 'v, T>(at: &'n Node, values: &'v [T]) -> impl Iterator<Item = (&'n Node, &'v T)> {
    values.iter().enumerate().map(|(index, value)| (at.item(index), value))
}

fn views_of(
    views: &[model::Redact],
    route: &model::Route,
    index: usize,
    at: &Node,
    compiler: &mut Compiler<'_>,
) -> Vec<View> {
    let mut compiled = Vec::new();
    for (at, view) in items(at, views) {
        let when = When::compile(&view.when, compiler.setting(route, index), at.key("when"), compiler.report);
        let profile = match view.apply.as_str() {
            "none" => None,
            name => match compiler.programs.get(name) {
                Some(program) => Some((Rc::from(name), Rc::clone(program))),
                None => {
                    if !compiler.loaded.defines("redaction", name) {
                        let message = format!("there is no redaction profile `{name}`");
                        let near = nearest(name, compiler.programs.keys().map(String::as_str)).map(str::to_owned);
                        let hint = compiler.report.error(at.key("apply"), Code::MissingReference, message);
                        hint.help(near.map_or_else(
                            || "define it under `redaction`".to_owned(),
                            |near| format!("did you mean `{near}`?"),
                        ));
                    }
                    continue;
                }
            },
        };
        compiled.push(View { when, profile });
    }
    compiled
}

impl Limits {
    fn of(request: &model::RequestChecks) -> Self {
        let model::RequestChecks {
            content_types,
            max_uri,
            max_headers,
            max_header_bytes,
            max_body,
            body_timeout,
            json,
            inspect: _,
            redact: _,
            // What is said of bodies in parts is compiled by `parts`.
            multipart: _,
            max_cookie_bytes,
            // What is described is compiled by `validation`.
            origins: _,
            query: _,
            headers: _,
            form: _,
            schema: _,
            shape: _,
        } = request;
        let size = |size: Option<model::Size>, default: usize| {
            size.map_or(default, |model::Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX))
        };
        let model::JsonLimits { max_depth, max_keys, max_key, max_string, max_number } = json;
        let types = |listed: &Vec<String>| listed.iter().map(|listed| listed.to_ascii_lowercase()).collect();
        let body = size(*max_body, 1 << 20);
        Self {
            uri: size(*max_uri, 8 << 10),
            headers: max_headers.unwrap_or(100),
            header_bytes: size(*max_header_bytes, 60 << 10),
            cookie_bytes: size(*max_cookie_bytes, 16 << 10),
            body,
            body_timeout: body_timeout.map_or(Duration::from_secs(10), |model::Duration(time)| time),
            content_types: content_types
                .as_ref()
                .map_or_else(|| CONTENT_TYPES.iter().map(|own| (*own).to_owned()).collect(), types),
            json: json::Limits {
                max_depth: max_depth.unwrap_or(32),
                max_keys: max_keys.unwrap_or(1_000),
                max_key: size(*max_key, 256),
                max_string: size(*max_string, body),
                max_number: size(*max_number, 64),
            },
        }
    }
}
