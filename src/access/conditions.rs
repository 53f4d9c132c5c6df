//! The part of a rule that speaks of the caller and of HTTP: `providers`, `roles`, `clients`, `methods`, `paths`,
//! `claims`. All that are there must hold.
//!
//! Claims come last, so that a claim that cannot be judged refuses only those that the rule is otherwise about; of
//! several claims all are looked at, so that no order decides.

#[cfg(not(target_family = "wasm"))]
mod explain;

use std::collections::BTreeSet;

use super::claims::ClaimCondition;
use super::{Caller, Facts, NotJudgeable, Setting};
use crate::http::{MethodSet, Template};
use crate::policy::diagnostic::{Code, Report, nearest};
use crate::policy::document::Node;
use crate::policy::model::{self, Authenticate, Provider};

/// Compiled conditions on the caller and the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    providers: Option<Vec<Box<str>>>,
    roles: Option<Vec<Box<str>>>,
    clients: Option<Vec<Box<str>>>,
    methods: Option<MethodSet>,
    paths: Option<Vec<Template>>,
    claims: Vec<ClaimCondition>,
}

impl Conditions {
    pub(super) fn compile(written: &model::Conditions, setting: Setting<'_>, at: &Node, report: &mut Report) -> Self {
        let model::Conditions { providers, roles, clients, methods, paths, claims, .. } = written;
        let identities = Identities::of(setting);
        identities.check_identified(written, at, report);
        let provider = |name: &str, at: &Node, report: &mut Report| identities.check_provider(name, at, report);
        let role = |name: &str, at: &Node, report: &mut Report| {
            check_known("role", name, identities.roles.as_ref(), at, report);
        };
        let client = |name: &str, at: &Node, report: &mut Report| {
            check_known("client", name, identities.clients.as_ref(), at, report);
        };
        let compile_claim = |(pointer, test): (&String, &model::ClaimTest)| {
            ClaimCondition::compile(pointer, test, setting, at.key("claims").key(pointer), report)
        };
        Self {
            claims: claims.iter().filter_map(compile_claim).collect(),
            providers: providers.as_ref().map(|names| named(names, at.key("providers"), report, provider)),
            roles: roles.as_ref().map(|names| named(names, at.key("roles"), report, role)),
            clients: clients.as_ref().map(|names| named(names, at.key("clients"), report, client)),
            methods: methods.as_ref().map(|names| MethodSet::compile(names, at.key("methods"), report)),
            paths: paths.as_ref().map(|texts| Template::compile_all(texts, at.key("paths"), report)),
        }
    }

    /// Warns where tokens can say that their client is one that the rule lets in, and that has a key or a certificate.
    pub(super) fn check_claims_of_clients(
        written: &model::Conditions,
        setting: Setting<'_>,
        at: &Node,
        report: &mut Report,
    ) {
        let identities = Identities::of(setting);
        let named = written.clients.as_deref().filter(|_| written.providers.is_none());
        for (index, name) in named.unwrap_or_default().iter().enumerate() {
            identities.check_claimed(name, at.key("clients").item(index), report);
        }
    }

    pub(super) fn hold(&self, caller: &dyn Caller, facts: &Facts<'_>) -> Result<bool, NotJudgeable> {
        let Self { providers, roles, clients, methods, paths, claims } = self;
        let others_hold = methods.as_ref().is_none_or(|methods| methods.contains(facts.method))
            && fit(paths.as_ref(), facts.path)
            && one_of(providers.as_ref(), &|name| caller.has_provider(name))
            && one_of(roles.as_ref(), &|name| caller.has_role(name))
            && one_of(clients.as_ref(), &|name| caller.is_client(name));
        if !others_hold {
            return Ok(false);
        }
        claims.iter().try_fold(true, |held, claim| Ok(claim.holds(caller, facts)? && held))
    }

    /// Whether these hold whenever `other` do.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let Self { providers, roles, clients, methods, paths, claims } = self;
        fn wider<T>(own: Option<&T>, other: Option<&T>, covers: impl Fn(&T, &T) -> bool) -> bool {
            own.is_none_or(|own| other.is_some_and(|other| covers(own, other)))
        }
        let names = |own: &Vec<Box<str>>, other: &Vec<Box<str>>| other.iter().all(|name| own.contains(name));
        wider(providers.as_ref(), other.providers.as_ref(), names)
            && wider(roles.as_ref(), other.roles.as_ref(), names)
            && wider(clients.as_ref(), other.clients.as_ref(), names)
            && wider(methods.as_ref(), other.methods.as_ref(), MethodSet::covers)
            && wider(paths.as_ref(), other.paths.as_ref(), |own, other| {
                other.iter().all(|other| own.iter().any(|own| own.covers(other)))
            })
            && claims.iter().all(|claim| other.claims.contains(claim))
    }
}

fn fit(paths: Option<&Vec<Template>>, path: &str) -> bool {
    paths.is_none_or(|paths| paths.iter().any(|own| own.matches(path).is_some()))
}

fn one_of(names: Option<&Vec<Box<str>>>, is: &dyn Fn(&str) -> bool) -> bool {
    names.is_none_or(|names| names.iter().any(|name| is(name)))
}

fn named(
    names: &[String],
    at: &Node,
    report: &mut Report,
    mut check: impl FnMut(&str, &Node, &mut Report),
) -> Vec<Box<str>> {
    if names.is_empty() {
        report.error(at, Code::InvalidValue, "an empty list never holds").help("name one, or leave the key out");
    }
    names.iter().enumerate().for_each(|(index, name)| check(name, at.item(index), report));
    names.iter().map(|name| name.as_str().into()).collect()
}

/// Warns of a name that no provider of the route gives to anybody.
fn check_known(what: &str, name: &str, known: Option<&BTreeSet<&str>>, at: &Node, report: &mut Report) {
    let Some(known) = known.filter(|known| !known.contains(name)) else { return };
    let hint = report.warning(at, Code::MissingReference, format!("no provider of the route knows a {what} `{name}`"));
    match nearest(name, known.iter().copied()) {
        Some(near) => hint.help(format!("did you mean `{near}`?")),
        None => hint.help(format!("the rule will never hold for this {what}")),
    }
}

/// What can be known beforehand of the callers of a route.
struct Identities<'p> {
    setting: Setting<'p>,
    /// The providers asked; `None` when the route does not say.
    providers: Option<&'p [String]>,
    /// The roles that they can confer, where the policy says it.
    roles: Option<BTreeSet<&'p str>>,
    /// The clients that they can name, where the policy says it.
    clients: Option<BTreeSet<&'p str>>,
}

impl<'p> Identities<'p> {
    fn of(setting: Setting<'p>) -> Self {
        let providers = setting.route.authenticate.as_ref().map(|authenticate| match authenticate {
            Authenticate::None => &[][..],
            Authenticate::Any(names) | Authenticate::All(names) => names,
        });
        let all = || {
            let names = providers.filter(|names| !names.is_empty())?;
            names.iter().map(|name| setting.loaded.model.authentication.get(name)).collect::<Option<Vec<_>>>()
        };
        let of = |read: fn(&Provider) -> Option<BTreeSet<&str>>| {
            all()?.into_iter().map(read).try_fold(BTreeSet::new(), |all, some| Some(all.into_iter().chain(some?).collect()))
        };
        Self { setting, providers, roles: of(roles), clients: of(clients) }
    }

    /// Warns of conditions on the caller where nobody is identified.
    fn check_identified(&self, written: &model::Conditions, at: &Node, report: &mut Report) {
        let speaks_of_caller = written.providers.is_some()
            || written.roles.is_some()
            || written.clients.is_some()
            || !written.claims.is_empty();
        if self.providers.is_some_and(<[_]>::is_empty) && speaks_of_caller {
            let hint =
                report.warning(at, Code::UnreachableRule, "conditions on the caller never hold: nobody is identified");
            hint.help("name providers under `authenticate`");
        }
    }

    /// Warns of a client that has a key or a certificate of its own where tokens say for themselves who the client is.
    fn check_claimed(&self, name: &str, at: &Node, report: &mut Report) {
        let known = &self.setting.loaded.model.authentication;
        let asked = || self.providers.unwrap_or_default().iter().filter_map(|own| Some((own, known.get(own)?)));
        let issues = |provider| clients(provider).is_some_and(|all| all.contains(name));
        let issuer = asked().find(|(_, provider)| issues(provider));
        let claims = asked().find(|(_, provider)| matches!(provider, Provider::Jwt(_) | Provider::Introspection(_)));
        if let (Some((issuer, _)), Some((other, _))) = (issuer, claims) {
            let message = format!("a token of `{other}` may say that its client is `{name}`, which is one of `{issuer}`");
            report.warning(at, Code::Risky, message).help(format!("write `\"providers\": [\"{issuer}\"]` beside it"));
        }
    }

    fn check_provider(&self, name: &str, at: &Node, report: &mut Report) {
        let Some(asked) = self.providers.filter(|asked| !asked.is_empty()) else { return };
        if asked.iter().any(|own| own == name) {
            return;
        }
        let message = if self.setting.loaded.defines("authentication", name) {
            format!("the route does not ask provider `{name}`")
        } else {
            format!("there is no provider `{name}`")
        };
        let hint = report.error(at, Code::MissingReference, message);
        match nearest(name, asked.iter().map(String::as_str)) {
            Some(near) => hint.help(format!("did you mean `{near}`?")),
            None => hint.help(format!("asked here: {}", asked.join(", "))),
        }
    }
}

/// The roles that a provider can confer; `None` when only its tokens say.
fn roles(provider: &Provider) -> Option<BTreeSet<&str>> {
    match provider {
        Provider::Jwt(jwt) => jwt.accept_roles.as_deref().map(texts),
        Provider::Introspection(asked) => asked.accept_roles.as_deref().map(texts),
        Provider::ApiKey(keys) => {
            let accepted = |role: &&str| keys.accept_roles.as_ref().is_none_or(|roles| roles.iter().any(|own| own == role));
            Some(keys.keys.iter().flat_map(|key| &key.roles).map(String::as_str).filter(accepted).collect())
        }
        Provider::Mtls(mtls) => Some(mtls.roles.iter().map(String::as_str).collect()),
    }
}

fn texts(all: &[String]) -> BTreeSet<&str> {
    all.iter().map(String::as_str).collect()
}

/// The clients that a provider can name; `None` when only its tokens or certificates say.
fn clients(provider: &Provider) -> Option<BTreeSet<&str>> {
    match provider {
        Provider::Jwt(_) | Provider::Introspection(_) => None,
        Provider::ApiKey(keys) => Some(keys.keys.iter().map(|key| key.client.as_str()).collect()),
        Provider::Mtls(mtls) => mtls.client.as_deref().map(|client| BTreeSet::from([client])),
    }
}
