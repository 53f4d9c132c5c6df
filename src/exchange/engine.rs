//! A policy, compiled: what every exchange is judged by.
//!
//! [`Engine::load`] reads a text and lets each module compile its part; all of them report into one list. An engine is
//! immutable but for its cache of verified tokens, and cheap to clone.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::own_headers::OwnHeaders;
use super::reason::{Reason, Rule};
use super::route::{Route, View};
use crate::access::{self, Setting};
use crate::audit::delivery::Delivery;
use crate::audit::{Pseudonyms, Record};
use crate::fhir::Base;
use crate::http::{Headers, Host, Method, Router, Target};
use crate::identity::{self, CacheCounts, Providers, Requirement, TokenCache};
use crate::inspect::{self, Pack};
use crate::policy::diagnostic::{Code, Diagnostic, Report, Severity};
use crate::policy::document::Node;
use crate::policy::model::{self, Mode, RateLimitDescriptor};
use crate::policy::{self, Env, Loaded};
use crate::redact::{self, Narrative, Program};
use crate::validate::schema;

/// What verified tokens may take in memory.
const TOKEN_CACHE_BYTES: usize = 4 << 20;

/// A compiled policy.
#[derive(Clone)]
pub struct Engine(Rc<Compiled>);

struct Compiled {
    name: Rc<str>,
    sha256: Rc<str>,
    shadow: bool,
    router: Router,
    routes: Vec<Rc<Route>>,
    providers: Providers,
    tokens: TokenCache,
    programs: BTreeMap<String, Rc<Program>>,
    own_headers: OwnHeaders,
    pseudonyms: Option<Pseudonyms>,
    logs_records: bool,
    rate_limit_descriptors: Vec<RateLimitDescriptor>,
    delivery: Option<Rc<Delivery>>,
}

/// What there is to reach in a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The routes.
    pub routes: Vec<Reachable>,
    /// The redaction rules of all profiles, by their pointers in the policy.
    pub redaction_rules: BTreeSet<String>,
}

/// What there is to reach in a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reachable {
    /// Its name.
    pub name: Rc<str>,
    /// The number of its rules.
    pub rules: usize,
    /// The profiles that answers are redacted by.
    pub profiles: Vec<Rc<str>>,
    /// The profiles that requests are redacted by.
    pub request_profiles: Vec<Rc<str>>,
}

/// What routes are compiled with.
pub(super) struct Compiler<'c> {
    pub(super) report: &'c mut Report,
    pub(super) loaded: &'c Loaded,
    pub(super) mode: Mode,
    pub(super) programs: &'c BTreeMap<String, Rc<Program>>,
    pub(super) schemas: &'c schema::Compiled,
    router: &'c Router,
    providers: &'c Providers,
    /// The inspection rules, once a route asks for them.
    pack: Option<Rc<Pack>>,
    /// What holds narratives to what may be shown, by whether it refuses; the same once a route asks for it.
    narratives: [Option<Rc<Program>>; 2],
}

impl Engine {
    /// Compiles a policy. All problems are in the list, in the order of the text; with an error among them there is no
    /// engine.
    #[must_use]
    pub fn load(text: &[u8], env: Env<'_>) -> (Option<Self>, Vec<Diagnostic>) {
        let Ok(text) = std::str::from_utf8(text) else { return (None, vec![not_json()]) };
        if !text.trim_start().starts_with('{') {
            return (None, vec![not_json()]);
        }
        let mut report = Report::new(text);
        let compiled = policy::load(text, &mut report).and_then(|loaded| compile(text, &loaded, env, &mut report));
        let engine = compiled.filter(|_| !report.has_errors()).map(|compiled| Self(Rc::new(compiled)));
        (engine, report.into_vec())
    }

    /// Whether records are also lines of the log.
    #[must_use]
    pub fn logs_records(&self) -> bool {
        self.0.logs_records
    }

    /// What Envoy's rate limits are told of a request.
    pub(super) fn rate_limit_descriptors(&self) -> &[RateLimitDescriptor] {
        &self.0.rate_limit_descriptors
    }

    /// Where events of exchanges go, if anywhere.
    #[must_use]
    pub fn delivery(&self) -> Option<&Rc<Delivery>> {
        self.0.delivery.as_ref()
    }

    /// How many routes only record their refusals.
    #[must_use]
    pub fn shadow_routes(&self) -> usize {
        self.0.routes.iter().filter(|route| route.shadow).count()
    }

    /// What became of lookups in the token cache so far.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.0.tokens.counts()
    }

    /// The API keys used since this was asked last: provider, key, and when, in seconds since 1970.
    #[must_use]
    pub fn take_key_uses(&self) -> Vec<(Rc<str>, Rc<str>, i64)> {
        self.0.providers.take_key_uses()
    }

    /// The redaction profile of this name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<Rc<Program>> {
        self.0.programs.get(name).cloned()
    }

    /// What there is to reach.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let profiles = |views: &Option<Vec<View>>| {
            let profiles = views.iter().flatten().filter_map(|view| view.profile.as_ref());
            profiles.map(|(name, _)| Rc::clone(name)).collect()
        };
        let routes = self.0.routes.iter().map(|route| Reachable {
            name: Rc::clone(&route.name),
            rules: route.rules.count(),
            profiles: profiles(&route.redact),
            request_profiles: profiles(&route.request_redact),
        });
        let redaction_rules = self.0.programs.values().flat_map(|program| program.rules()).map(str::to_owned);
        Inventory { routes: routes.collect(), redaction_rules: redaction_rules.collect() }
    }

    /// How the request with this head is inspected, whoever sends it, and whether its bodies are FHIR's: what a desk asks.
    pub fn inspection(&self, head: &Headers) -> Result<(Option<inspect::Settings>, bool), Reason> {
        let method = head.single(":method").ok().flatten().and_then(|method| Method::parse(method).ok());
        let path = head.single(":path").ok().flatten().ok_or(Rule::AmbiguousPath)?;
        let target = Target::parse(path).map_err(|_| Rule::AmbiguousPath)?;
        let host = Host::of(head).map_err(|_| Rule::MalformedHost)?;
        let method = method.ok_or(Rule::MethodRefused)?;
        let matched = self.0.router.find(&method, target.path(), &host, || None).map_err(|_| Rule::NoRoute)?;
        let route = matched.and_then(|matched| self.0.routes.get(matched.route)).ok_or(Rule::NoRoute)?;
        Ok((route.inspect.clone(), route.fhir.is_some()))
    }

    /// Whether what no route takes is only recorded.
    pub(super) fn is_shadow(&self) -> bool {
        self.0.shadow
    }

    /// Whether nothing at all is enforced.
    pub(super) fn is_shadow_throughout(&self) -> bool {
        self.0.shadow && self.shadow_routes() == self.0.routes.len()
    }

    pub(super) fn blank_record(&self) -> Record {
        Record {
            policy: Rc::clone(&self.0.name),
            policy_sha256: Rc::clone(&self.0.sha256),
            version: env!("CARGO_PKG_VERSION"),
            reason: "unfinished",
            ..Record::default()
        }
    }

    pub(super) fn router(&self) -> &Router {
        &self.0.router
    }

    pub(super) fn route(&self, index: usize) -> Option<Rc<Route>> {
        self.0.routes.get(index).cloned()
    }

    /// Who may identify a caller. They ask other servers of their own accord.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.0.providers
    }

    pub(super) fn tokens(&self) -> &TokenCache {
        &self.0.tokens
    }

    pub(super) fn own_headers(&self) -> &OwnHeaders {
        &self.0.own_headers
    }

    pub(super) fn pseudonyms(&self) -> Option<&Pseudonyms> {
        self.0.pseudonyms.as_ref()
    }
}

/// What a host hands over that is no JSON text: in plain Envoy a `Struct` arrives as protobuf bytes.
fn not_json() -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: Code::Syntax,
        pointer: String::new(),
        line: 1,
        column: 1,
        message: "the configuration is not a JSON object in UTF-8".to_owned(),
        help: Some(
            "in Envoy give the policy's text as a google.protobuf.StringValue; a Struct arrives as protobuf bytes"
                .to_owned(),
        ),
    }
}

fn compile(text: &str, loaded: &Loaded, env: Env<'_>, report: &mut Report) -> Option<Compiled> {
    let (model, root) = (&loaded.model, &loaded.root);
    let providers = identity::compile(&model.authentication, root.key("authentication"), env, report);
    identity::check_key_routes(loaded, report);
    let own_headers = OwnHeaders::compile(loaded, &providers, env, report);
    let programs = redact::compile(loaded, env, report);
    let schemas = schema::compile(loaded, report);
    let router = Router::compile(&model.routes, root.key("routes"), report);
    let pseudonyms = model.audit.key.as_ref().and_then(|secret| {
        let at = root.key("audit").key("key");
        if secret.previous.is_some() {
            let hint = report.error(at.key("previous"), Code::NotSupported, "a record is hashed with one key");
            hint.help("keep the old key with the records that were hashed with it");
        }
        let key = policy::secret::resolve(secret, 32, at, env, report)?;
        Pseudonyms::new(&key)
    });
    let delivery = model.audit.delivery.as_ref().and_then(|delivery| {
        let at = root.key("audit").key("delivery");
        Delivery::compile(delivery, &model.name, at, env, report).map(Rc::new)
    });
    if model.routes.iter().any(|route| route.addresses.is_some()) {
        access::addresses::warn_of_trust(root.key("routes"), report);
    }
    let mut compiler = Compiler {
        report,
        loaded,
        mode: model.mode,
        programs: &programs,
        schemas: &schemas,
        router: &router,
        providers: &providers,
        pack: None,
        narratives: [None, None],
    };
    compiler.check_name(&model.name, root.key("name"));
    if loaded.has_no_routes() {
        compiler
            .report
            .error(root.key("routes"), Code::InvalidValue, "there are no routes")
            .help("every request would be refused");
    }
    let compiled = model
        .routes
        .iter()
        .enumerate()
        .map(|(index, route)| Route::compile(route, index, root.key("routes").item(index), &mut compiler).map(Rc::new));
    let routes = compiled.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()?;
    let sha256: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Compiled {
        name: model.name.as_str().into(),
        sha256: sha256.into(),
        shadow: model.mode == Mode::Shadow,
        router,
        routes,
        providers,
        tokens: TokenCache::new(TOKEN_CACHE_BYTES),
        programs,
        own_headers,
        pseudonyms,
        logs_records: model.audit.log,
        rate_limit_descriptors: rate_limit_descriptors(model, root, report),
        delivery,
    })
}

/// A limit that is keyed on what nobody ever says would limit nobody.
fn rate_limit_descriptors(model: &model::Policy, root: &Node, report: &mut Report) -> Vec<RateLimitDescriptor> {
    let at = root.key("rate_limit_descriptors");
    for (index, descriptor) in model.rate_limit_descriptors.iter().enumerate() {
        if model.rate_limit_descriptors.iter().take(index).any(|other| other == descriptor) {
            report.error(at.item(index), Code::DuplicateName, "it is listed twice");
        } else if *descriptor == RateLimitDescriptor::Subject && model.audit.key.is_none() {
            report
                .error(at.item(index), Code::InvalidValue, "subjects are told by their keyed hash, and there is no key")
                .help("name a secret in `audit.key`");
        }
    }
    model.rate_limit_descriptors.clone()
}

impl Compiler<'_> {
    pub(super) fn check_name(&mut self, name: &str, at: &Node) {
        policy::label::check(name, at, self.report);
    }

    /// The inspection rules, which all routes share.
    pub(super) fn pack(&mut self, at: &Node) -> Option<Rc<Pack>> {
        if self.pack.is_none() {
            match Pack::standard() {
                Ok(pack) => self.pack = Some(Rc::new(pack)),
                Err(error) => drop(self.report.error(at, Code::InvalidRule, error.to_string())),
            }
        }
        self.pack.clone()
    }

    /// What holds narratives of answers to what FHIR permits, which all routes share.
    pub(super) fn narratives(&mut self, rule: model::NarrativeRule, at: &Node) -> Option<Rc<Program>> {
        let refuses = rule == model::NarrativeRule::Refuse;
        let [strips, refusing] = &mut self.narratives;
        let known = if refuses { refusing } else { strips };
        if known.is_none() {
            let is_harmless = |text: &str| inspect::narrative::faults(text).is_empty();
            *known = Program::narratives(Narrative { is_harmless, refuses }).map(Rc::new);
        }
        if known.is_none() {
            self.report
                .error(at, Code::NotSupported, "narratives cannot be judged")
                .help("report this as a bug; leave it out");
        }
        known.clone()
    }

    pub(super) fn base(&mut self, fhir: &model::Fhir, route: usize, at: &Node) -> Option<Base> {
        Base::compile(fhir, self.router.templates(route), at, self.report)
    }

    pub(super) fn requirement(&mut self, authenticate: &model::Authenticate, at: &Node) -> Requirement {
        self.providers.requirement(authenticate, at, self.loaded, self.report)
    }

    /// What conditions of a route are compiled against.
    pub(super) fn setting<'s>(&self, route: &'s model::Route, index: usize) -> Setting<'s>
    where
        Self: 's,
    {
        Setting { loaded: self.loaded, route, templates: self.router.templates(index) }
    }
}
