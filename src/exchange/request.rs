//! The request: its head is judged in the order that [`super`] gives; with the last word it is let through.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::answer::{Answer, Plan};
use super::effect::{Change, Effects};
use super::forward;
use super::identity_token::Asked;
use super::noted::{known_method, request_id, trace_id};
use super::outgoing::{Body, Reframing};
use super::reason::{Reason, Rule};
use super::route::{Limits, Route, View};
use super::waiting::Stop;
use super::{Exchange, Facts, Host, Stage, validation};
use crate::access::{self, Grant};
use crate::audit::Decision;
use crate::fhir::{Awaits, FhirError, Interaction, TypeSet};
use crate::http::{self, Captures, Headers, Method, Target};
use crate::identity::{Context, PeerCertificate, Principal};
use crate::redact::Program;

/// What is known of a request once its head was judged.
pub(super) struct Judged {
    pub(super) route: Rc<Route>,
    pub(super) principal: Rc<Principal>,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) captures: Captures,
    pub(super) host: http::Host,
    pub(super) interaction: Option<Interaction>,
    /// The path of the FHIR base.
    pub(super) base: Option<String>,
    /// What to change before it is sent on.
    pub(super) changes: Vec<Change>,
    /// What to change beside that where the answer is guarded; noted where the head is held.
    whole: Vec<Change>,
    /// What to change beside that where the body is; noted where there is one.
    reframing: Reframing,
}

/// A profile and its name.
type Profile = (Rc<str>, Rc<Program>);

impl Judged {
    /// Completes the interaction of a request that has no body: a search by POST may have its parameters in the query.
    pub(super) fn without_body(mut self) -> Result<Self, Reason> {
        match &mut self.interaction {
            Some(interaction) if interaction.awaits() == Awaits::Form => interaction.read_form(&[])?,
            _ => (),
        }
        Ok(self)
    }

    /// The profile of the first entry that holds; `None` for the full view.
    pub(super) fn view(&self, views: &[View]) -> Result<Option<Profile>, Reason> {
        let facts = self.facts();
        let holds = views.iter().find_map(|view| match view.when.holds(&*self.principal, &facts) {
            Ok(true) => Some(Ok(view.profile.clone())),
            Ok(false) => None,
            Err(unclear) => Some(Err(unclear)),
        });
        Ok(holds.ok_or(Rule::NoRedactionApplies)?.map_err(|_| Rule::ClaimNotJudgeable)?)
    }

    /// The request as rules see it.
    pub(super) fn facts(&self) -> access::Facts<'_> {
        let Self { method, target, captures, host, interaction, .. } = self;
        access::Facts { method, path: target.path(), captures, host, interaction: interaction.as_ref() }
    }
}

impl Exchange {
    /// The request's head has come. `None` is a head that could not be read.
    pub fn request_head(&mut self, head: Option<Headers>, end: bool, host: &Host<'_>) -> Effects {
        let Some(head) = head else { return self.turn_away(Rule::MalformedHeaders.into(), host.now_ns) };
        self.started_ns = host.now_ns;
        self.record.request_id = request_id(&head);
        self.record.trace_id = trace_id(&head);
        self.tell_source(host.facts);
        self.forged = forward::strip_forged(&head, self.engine.own_headers().all());
        self.judge_request(head, end, host)
    }

    /// Judges a request whose head is here, or has it wait for who knows its caller.
    pub(super) fn judge_request(&mut self, head: Headers, end: bool, host: &Host<'_>) -> Effects {
        let judged = self.judge_head(&head, host).and_then(|judged| Ok(self.expect_body(judged, &head, end, host)?));
        match judged {
            Ok(effects) => effects,
            Err(Stop::Refused(reason)) => self.refuse_request(reason),
            Err(Stop::Awaits(timeout)) => self.wait(head, end, timeout),
        }
    }

    fn judge_head(&mut self, head: &Headers, host: &Host<'_>) -> Result<Judged, Stop> {
        let method = method(head);
        told!(self, method(&method));
        let method = method?;
        self.record.method = known_method(&method);
        let path = head.single(":path").map_err(|_| Rule::MalformedHeaders)?.ok_or(Rule::AmbiguousPath)?;
        let target = Target::parse(path);
        told!(self, target(path, &target));
        let target = target.map_err(|_| Rule::AmbiguousPath)?;
        let named = http::Host::of(head);
        told!(self, host(&named));
        let named = named.map_err(|_| Rule::MalformedHost)?;
        self.tell_host(&named);
        let router = self.engine.clone();
        let matched = router.router().find(&method, target.path(), &named, || host.facts.envoy_route());
        told!(self, routes(&router, (&method, &target, &named), host.facts.envoy_route().as_deref(), &matched));
        let matched = matched.map_err(|_| Rule::NoRoute)?.ok_or(Rule::NoRoute)?;
        let captures = matched.captures;
        let route = self.engine.route(matched.route).ok_or(Rule::Internal)?;
        self.record.route = Some(Rc::clone(&route.name));
        self.record.shadow = route.shadow;
        self.route = Some(Rc::clone(&route));
        if self.lacks_room {
            return Err(Rule::AuditUnavailable.into());
        }

        let checked = check_head(head, path.len(), &route.limits);
        told!(self, head(head, path.len(), &route.limits, &checked));
        checked?;
        let overrides = forward::refuse_method_override(head)
            .and_then(|()| forward::refuse_method_parameter(target.query().unwrap_or_default()));
        told!(self, method_override(&overrides));
        overrides?;
        if route.fhir.is_some() {
            let extensions = forward::refuse_fhir_extension(head);
            told!(self, fhir_extension(&extensions));
            extensions?;
        }
        if route.envoy_route.is_some() && target.is_rewritten() {
            // Envoy chose its route by the path as it came, and would choose again by the one we send.
            told!(self, rewritten_for_envoy());
            return Err(Rule::AmbiguousPath.into());
        }
        told!(self, tls(&route, host.facts));
        if route.require_tls && !host.facts.is_tls() {
            return Err(Rule::TlsRequired.into());
        }
        let permitted = check_address(&route, || host.facts.source());
        told!(self, addresses(&route, host.facts, &permitted));
        permitted?;
        let principal = self.identify(&route, head, host)?;
        self.note_caller(&principal);
        // Where credentials stand, nothing is asked of the upstream.
        let asked = target.without_parameters(&self.engine.providers().parameters());
        let read = interaction(&route, &method, &asked, head);
        told!(self, interaction(read.as_ref().map(|(own, _)| own.as_ref()).map_err(|error| *error)));
        let (interaction, base) = read?;
        if let Some(interaction) = &interaction {
            self.note_interaction(interaction);
            self.tell_query(interaction, &method, &named, &asked);
        }
        Ok(Judged {
            route,
            principal,
            method,
            target,
            captures,
            host: named,
            interaction,
            base,
            changes: Vec::new(),
            whole: Vec::new(),
            reframing: Reframing::default(),
        })
    }

    fn identify(&mut self, route: &Route, head: &Headers, host: &Host<'_>) -> Result<Rc<Principal>, Stop> {
        if let Some(principal) = &self.stated {
            told!(self, stated(principal));
            return Ok(Rc::clone(principal));
        }
        let certificate_sha256 = &|| host.facts.certificate_sha256();
        let context = Context {
            now: host.now(),
            moment: Duration::from_nanos(host.now_ns),
            verifier: host.verifier,
            cache: self.engine.tokens(),
            certificate_sha256,
            certificate: &Peer(host.facts),
            route: &route.name,
        };
        let judged = self.engine.providers().authenticate(&route.requirement, head, &context);
        told!(self, providers(&self.engine, route, head, &context, &judged));
        Ok(judged?)
    }

    /// Judges what the head alone decides, and waits for the body where there is one.
    fn expect_body(&mut self, mut judged: Judged, head: &Headers, end: bool, host: &Host<'_>) -> Result<Effects, Reason> {
        judged.changes = self.changes(&judged, head);
        if end {
            let judged = judged.without_body()?;
            let grant = self.decide(&judged)?;
            self.validate_head(&judged, head, end)?;
            self.inspect_head(&judged, head)?;
            return self.let_through(judged, grant, Some(head), None, host);
        }
        judged.whole = forward::ask_for_whole(head);
        judged.reframing = Reframing::of(head);
        // Who may do nothing of the kind need not send a body first.
        if judged.interaction.as_ref().is_none_or(|interaction| interaction.awaits() == Awaits::Nothing) {
            self.decide(&judged)?;
        }
        self.validate_head(&judged, head, end)?;
        self.inspect_head(&judged, head)?;
        self.await_body(judged, head)
    }

    /// The last word on a request: what of the answer the caller may see, then what of the body is sent on. The head is
    /// given unless what it asks for was noted before, since it was held.
    pub(super) fn let_through(
        &mut self,
        judged: Judged,
        grant: Grant,
        head: Option<&Headers>,
        body: Option<Body>,
        host: &Host<'_>,
    ) -> Result<Effects, Reason> {
        let plan = Self::plan(&judged, grant.types);
        told!(self, views("response", &judged, judged.route.redact.as_deref(), plan.as_ref().err().copied()));
        let plan = plan?;
        if plan.profile.is_some() && !grant.search {
            told!(self, search(&judged, &grant));
            return Err(Rule::SearchNotGranted.into());
        }
        let mut body = match body {
            Some(body) => self.redact_request(&judged, body, host)?,
            None => None,
        };
        let vouched = self.vouch(&judged, host);
        let Judged { route, principal, mut changes, whole, reframing, .. } = judged;
        if plan.is_guarded() {
            changes.extend(head.map_or(whole, forward::ask_for_whole));
        }
        if let Some(body) = &body {
            changes.extend(reframing.changes(body.len()));
        }
        changes.extend(vouched);
        self.record.decision = Decision::Allow;
        self.record.reason = "allowed";
        self.stage = Stage::Sent(Box::new(Answer::new(plan)));
        if route.shadow {
            changes = std::mem::take(&mut self.forged);
            body = None;
        }
        Ok(Effects { changes, body, descriptors: self.descriptors(&principal), ..Effects::default() })
    }

    /// The signed token for a request that is let through, where the policy asks for one.
    fn vouch(&self, judged: &Judged, host: &Host<'_>) -> Option<Change> {
        let token = self.engine.own_headers().token.as_ref()?;
        // The upstream sees the path without credentials.
        let withheld = self.engine.providers().withheld_parameters(&judged.principal);
        let target = judged.target.without_parameters(&withheld).to_request_target();
        let asked = Asked {
            principal: &judged.principal,
            method: judged.method.as_str(),
            target: &target,
            request_id: self.record.request_id.as_deref(),
        };
        token.change(&asked, host.now())
    }

    /// Asks the rules.
    pub(super) fn decide(&mut self, judged: &Judged) -> Result<Grant, Reason> {
        let decision = judged.route.rules.judge(&*judged.principal, &judged.facts());
        told!(self, rules(judged, &decision));
        match decision {
            access::Decision::Allow(grant) => {
                self.record.rule = Some(grant.rule);
                Ok(grant)
            }
            access::Decision::Deny(denial) => {
                self.record.rule = denial.rule;
                Err(denial.reason.into())
            }
        }
    }

    /// What the answer has to be.
    fn plan(judged: &Judged, granted: Option<TypeSet>) -> Result<Plan, Reason> {
        let Judged { route, base, .. } = judged;
        Ok(Plan {
            profile: route.redact.as_deref().map_or(Ok(None), |views| judged.view(views))?,
            narratives: route.narratives.clone(),
            granted,
            base: base.clone(),
            unredacted: Rc::clone(&route.unredacted),
            headers: Rc::clone(&route.answer_headers),
            decode: route.decode,
            envoy_route: route.envoy_route.clone(),
            timeout: route.limits.body_timeout,
            shadow: route.shadow,
        })
    }

    /// What to change in the head before it is sent on.
    fn changes(&self, judged: &Judged, head: &Headers) -> Vec<Change> {
        let mut changes = self.forged.clone();
        changes.extend(forward::strip_rewriting(head));
        changes.extend(forward::strip_baggage(head));
        let providers = self.engine.providers();
        let withheld: Vec<&str> = providers.withheld_headers(&judged.principal).collect();
        changes.extend(forward::strip_named(head, &withheld));
        let forwarded: Vec<&str> = providers.forwarded_headers(&judged.principal).collect();
        changes.extend(forward::strip_misspelt(head, &forwarded));
        changes.extend(forward::strip_cookies(head, &providers.withheld_cookies(&judged.principal)));
        let withheld = providers.withheld_parameters(&judged.principal);
        changes.extend(forward::strip_referer(head, &withheld));
        let target = judged.target.without_parameters(&withheld);
        if target.is_rewritten() {
            changes.push(Change::Set(":path".into(), target.to_request_target().into_bytes()));
        }
        changes.extend(forward::identify(&judged.principal, &self.engine.own_headers().identity));
        changes.extend(forward::tell_claims(&judged.principal, self.engine.providers()));
        changes
    }
}

/// The client certificate, as the connection tells of it.
struct Peer<'a>(&'a dyn Facts);

impl PeerCertificate for Peer<'_> {
    fn is_presented(&self) -> bool {
        self.0.has_certificate()
    }
    fn uri_san(&self) -> Option<String> {
        self.0.certificate_uri_san()
    }
    fn dns_san(&self) -> Option<String> {
        self.0.certificate_dns_san()
    }
    fn subject(&self) -> Option<String> {
        self.0.certificate_subject()
    }
}

fn method(head: &Headers) -> Result<Method, Reason> {
    let raw = head.single(":method").map_err(|_| Rule::MalformedHeaders)?.ok_or(Rule::MalformedHeaders)?;
    let method = Method::parse(raw).map_err(|_| Rule::MethodRefused)?;
    // RFC 8441 changes the protocol by CONNECT and `:protocol`, HTTP/1.1 by `Upgrade`.
    if head.first("upgrade").is_some() || head.first(":protocol").is_some() {
        return Err(Rule::UpgradeRefused.into());
    }
    Ok(method)
}

fn check_head(head: &Headers, uri: usize, limits: &Limits) -> Result<(), Reason> {
    if uri > limits.uri {
        return Err(Rule::UriTooLong.into());
    }
    if head.len() > limits.headers || head.byte_len() > limits.header_bytes {
        return Err(Rule::HeadersTooLarge.into());
    }
    validation::check_framing(head)?;
    validation::check_bulk(head, limits.cookie_bytes)
}

fn check_address(route: &Route, source: impl FnOnce() -> Option<IpAddr>) -> Result<(), Reason> {
    let Some(addresses) = &route.addresses else { return Ok(()) };
    match source() {
        Some(source) if addresses.permits(source) => Ok(()),
        _ => Err(Rule::AddressDenied.into()),
    }
}

/// The FHIR interaction of a request, and the path of the base that it is below.
fn interaction(
    route: &Route,
    method: &Method,
    target: &Target,
    head: &Headers,
) -> Result<(Option<Interaction>, Option<String>), FhirError> {
    let Some(base) = &route.fhir else { return Ok((None, None)) };
    let below = base.below(target.path()).ok_or(FhirError::NotAnInteraction)?;
    let interaction = Interaction::parse(method, &below, target.query(), head)?;
    Ok((Some(interaction), Some(below.base_of(target.path()))))
}
