//! Steps of the head: from the method to the interaction.

use super::{Detail, Found, Mark, Part, Step, Trail};
use crate::exchange::reason::{Reason, Rule};
use crate::exchange::route::{Limits, Route};
use crate::exchange::{Engine, Facts};
use crate::fhir::{FhirError, Interaction, ResourceType};
use crate::http::{EnvoyRouteUnknown, Headers, Host, HostError, Matched, Method, Target, TargetError};
use crate::identity::{self, Context, Finding, Halt, Made, Principal, ProviderTried};
use crate::policy::unmet::{Unmet, listed};

impl Trail {
    pub(in crate::exchange) fn method(&mut self, method: &Result<Method, Reason>) {
        let says = match method {
            Ok(method) => method.as_str().to_owned(),
            Err(reason) if *reason == Rule::MethodRefused.into() => {
                "it is no method in capitals, or CONNECT or TRACE, which are never let through".to_owned()
            }
            Err(reason) if *reason == Rule::UpgradeRefused.into() => "the protocol would be changed".to_owned(),
            Err(reason) => reason.text().to_owned(),
        };
        self.add(Step::new(Part::Request, "method", Found::of(method), says));
    }

    pub(in crate::exchange) fn target(&mut self, raw: &[u8], target: &Result<Target, TargetError>) {
        let (found, says) = match target {
            Ok(target) if target.is_rewritten() => {
                // A query may hold a credential.
                let written = raw.split(|byte| *byte == b'?').next().unwrap_or_default();
                let says = format!("{}, written as {}", target.path(), String::from_utf8_lossy(written));
                (Found::Holds, says)
            }
            Ok(target) => (Found::Holds, target.path().to_owned()),
            Err(error) => (Found::Refuses(Rule::AmbiguousPath.into()), target_in_words(*error).to_owned()),
        };
        self.add(Step::new(Part::Request, "path", found, says));
    }

    pub(in crate::exchange) fn host(&mut self, host: &Result<Host, HostError>) {
        let (found, says) = match host {
            Ok(host) => (Found::Holds, host.as_str()),
            Err(error) => (
                Found::Refuses(Rule::MalformedHost.into()),
                match error {
                    HostError::Missing => "the request names no host",
                    HostError::Repeated => "the request names more than one host",
                    HostError::Malformed => "what the request names is no host",
                },
            ),
        };
        self.add(Step::new(Part::Request, "host", found, says));
    }

    /// Each route, and which takes the request.
    pub(in crate::exchange) fn routes(
        &mut self,
        engine: &Engine,
        (method, target, host): (&Method, &Target, &Host),
        envoy_route: Option<&str>,
        matched: &Result<Option<Matched>, EnvoyRouteUnknown>,
    ) {
        let taken = matched.as_ref().ok().and_then(|matched| matched.as_ref()).map(|matched| matched.route);
        let mut decided = false;
        for (index, unmet) in engine.router().explain(method, target.path(), host, envoy_route).enumerate() {
            let unknown = |Unmet { key, .. }: &Unmet| key == "envoy_route" && envoy_route.is_none();
            let (found, says) = match (taken, matched) {
                _ if decided => (Found::NotTried, "one before it decided"),
                (Some(taken), _) if index == taken => (Found::Holds, "takes the request"),
                (_, Err(EnvoyRouteUnknown)) if unmet.iter().all(unknown) => {
                    (Found::Refuses(Rule::NoRoute.into()), "cannot be judged, and no other route may be taken instead")
                }
                _ => (Found::DoesNotHold, "does not take the request"),
            };
            decided |= found != Found::DoesNotHold;
            // Of the one that takes it there is nothing, or the two have drifted apart: a test looks.
            let details = if found == Found::NotTried { Vec::new() } else { Detail::all_unmet(unmet) };
            let pointer = Some(format!("/routes/{index}/match"));
            self.add(Step::new(Part::Route, engine.route_name(index), found, says).at(pointer).with(details));
        }
        self.route = taken;
        if !decided {
            let says = "no route takes the request";
            self.add(Step::new(Part::Route, "", Found::Refuses(Rule::NoRoute.into()), says).at(Some("/routes".to_owned())));
        }
    }

    /// How large the head is.
    pub(in crate::exchange) fn head(&mut self, head: &Headers, uri: usize, own: &Limits, checked: &Result<(), Reason>) {
        let Limits { uri: max_uri, headers, header_bytes, cookie_bytes, .. } = own;
        let (count, bytes) = (head.len(), head.byte_len());
        let cookies: usize = head.all("cookie").map(<[u8]>::len).sum();
        let all = [
            ("max_uri", "bytes of path and query", uri, *max_uri, Rule::UriTooLong),
            ("max_headers", "header fields", count, *headers, Rule::HeadersTooLarge),
            ("max_header_bytes", "bytes of headers", bytes, *header_bytes, Rule::HeadersTooLarge),
            ("max_cookie_bytes", "bytes of cookies", cookies, *cookie_bytes, Rule::HeadersTooLarge),
        ];
        let Err(reason) = checked else {
            let within: Vec<_> = all.iter().map(|(_, what, is, most, _)| format!("{is} of {most} {what}")).collect();
            return self.add(Step::new(Part::Head, "limits", Found::Holds, within.join(", ")));
        };
        let over = all.iter().find(|(_, _, is, most, rule)| is > most && *reason == (*rule).into());
        let step = match over {
            Some((key, what, is, most, _)) => {
                let says = format!("{is} {what}, and at most {most} are let through");
                Step::new(Part::Head, *key, Found::Refuses(*reason), says).at(self.place(&format!("/request/{key}")))
            }
            None => Step::new(Part::Head, "range", Found::Refuses(*reason), reason.text()),
        };
        self.add(step);
    }

    pub(in crate::exchange) fn method_override(&mut self, checked: &Result<(), Reason>) {
        if checked.is_err() {
            let says = "a header asks for another method than the request's";
            self.add(Step::new(Part::Head, "method override", Found::of(checked), says));
        }
    }

    pub(in crate::exchange) fn fhir_extension(&mut self, checked: &Result<(), Reason>) {
        if checked.is_err() {
            let says = "a header asks a FHIR server for more than what the rules see: `X-Provenance`, or one of HAPI's";
            self.add(Step::new(Part::Head, "FHIR headers", Found::of(checked), says));
        }
    }

    pub(in crate::exchange) fn rewritten_for_envoy(&mut self) {
        let says = "the path has to be rewritten, and Envoy, whose route this one is for, would choose again";
        let pointer = self.place("/match/envoy_route");
        self.add(Step::new(Part::Head, "path", Found::Refuses(Rule::AmbiguousPath.into()), says).at(pointer));
    }

    pub(in crate::exchange) fn tls(&mut self, route: &Route, facts: &dyn Facts) {
        let (found, says) = match (route.require_tls, facts.is_tls()) {
            (_, true) => (Found::Holds, "the request came over TLS"),
            (false, false) => (Found::Holds, "the request came in clear, and the route takes it"),
            (true, false) => {
                (Found::Refuses(Rule::TlsRequired.into()), "the request came in clear, and the route wants TLS")
            }
        };
        let pointer = self.place("/require_tls");
        self.add(Step::new(Part::Tls, "", found, says).at(pointer));
    }

    pub(in crate::exchange) fn addresses(&mut self, route: &Route, facts: &dyn Facts, checked: &Result<(), Reason>) {
        let Some(addresses) = &route.addresses else { return };
        let unknown = || "the source of the request is not known (`source` of the request says it)".to_owned();
        let says = facts.source().map_or_else(unknown, |source| addresses.explain(source));
        let pointer = self.place("/addresses");
        self.add(Step::new(Part::Addresses, "", Found::of(checked), says).at(pointer));
    }

    /// Each provider of the route, and who asks.
    pub(in crate::exchange) fn providers(
        &mut self,
        engine: &Engine,
        route: &Route,
        head: &Headers,
        context: &Context<'_>,
        judged: &Result<std::rc::Rc<Principal>, Halt>,
    ) {
        let refusal = judged.as_ref().err().map(|halt| match halt {
            Halt::Refused(refusal) => *refusal,
            // Nobody is asked from a desk.
            Halt::Awaits(_) => identity::Refusal::Unavailable,
        });
        let mut said = false;
        for tried in engine.providers().explain_request(&route.requirement, head, context) {
            let ProviderTried { name, made, says, token } = tried;
            let found = match made {
                Made::Vouched => Found::Holds,
                Made::Refused(own) if refusal == Some(own) => Found::Refuses(own.into()),
                Made::Refused(_) | Made::NothingFound => Found::DoesNotHold,
                Made::NotAsked => Found::NotTried,
            };
            said |= matches!(found, Found::Refuses(_));
            let checks = token.map(|token| token.steps).unwrap_or_default();
            let detail = |identity::Step { check, finding, says }| {
                let mark = match finding {
                    Finding::Passed => Mark::Good,
                    Finding::Failed(_) => Mark::Bad,
                    Finding::NotJudged => Mark::Neutral,
                };
                Detail::new(check, mark, says)
            };
            let details = checks.into_iter().map(detail).collect();
            let pointer = Some(format!("/authentication/{name}"));
            self.add(Step::new(Part::Provider, &*name, found, says).at(pointer).with(details));
        }
        let pointer = self.place("/authenticate");
        match (judged, refusal) {
            (Ok(caller), _) => self.caller(caller, pointer),
            (Err(_), Some(refusal)) if !said => {
                let reason = Reason::from(refusal);
                let says = match refusal {
                    identity::Refusal::Missing => "no provider found a credential",
                    identity::Refusal::UnknownCertificate => "no provider knows the client certificate",
                    _ => reason.text(),
                };
                self.add(Step::new(Part::Caller, "", Found::Refuses(reason), says).at(pointer));
            }
            (Err(_), _) => (),
        }
    }

    pub(in crate::exchange) fn stated(&mut self, caller: &Principal) {
        self.add(Step::new(Part::Provider, "", Found::NotTried, "the caller is stated, and no provider was asked"));
        self.caller(caller, None);
    }

    fn caller(&mut self, caller: &Principal, pointer: Option<String>) {
        self.add(Step::new(Part::Caller, "", Found::Noted, identity::describe(caller)).at(pointer));
    }

    /// What is asked of a FHIR API.
    pub(in crate::exchange) fn interaction(&mut self, read: Result<Option<&Interaction>, FhirError>) {
        let (found, says) = match read {
            Ok(None) => return,
            Ok(Some(interaction)) => (Found::Holds, interaction_in_words(interaction)),
            Err(error) => (Found::Refuses(error.into()), error_in_words(error).to_owned()),
        };
        let pointer = self.place("/fhir");
        let step = Step::new(Part::Interaction, "", found, says).at(pointer);
        // The body may have said nothing new.
        if !self.steps.contains(&step) {
            self.add(step);
        }
        self.asked = read.ok().flatten().cloned();
    }
}

impl Detail {
    pub(super) fn all_unmet(unmet: Vec<Unmet>) -> Vec<Self> {
        unmet.into_iter().map(Self::unmet).collect()
    }
}

fn target_in_words(error: TargetError) -> &'static str {
    match error {
        TargetError::NotAPath => "it does not begin with `/`",
        TargetError::Character => "it holds a control, a space, `\\`, `;`, `#`, or a character that has to be escaped",
        TargetError::Escape => "`%` stands without two hexadecimal digits",
        TargetError::HiddenCharacter => "an escape hides a slash, a control or a dot segment, or is itself escaped",
        TargetError::Utf8 => "its escapes do not add up to UTF-8",
        TargetError::AboveRoot => "`..` leads above the root",
        TargetError::DotsAfterEmpty => "`..` stands behind a repeated slash",
    }
}

fn error_in_words(error: FhirError) -> &'static str {
    match error {
        FhirError::NotAnInteraction => "no interaction of R4 has this path and method",
        FhirError::UnknownType => "R4 has no such resource type",
        FhirError::Id => "an id or version is outside the grammar of ids",
        FhirError::Parameter => "a search parameter cannot be read, or two servers could read it in two ways",
        FhirError::UnexpectedParameter => "the interaction does not take a parameter of the query",
        FhirError::NotJson => "another format than JSON is asked for",
        FhirError::Header => "`If-None-Exist` stands twice or in another spelling",
        FhirError::Entry => "an entry of the Bundle is no request that may stand there",
        FhirError::Reference => "a reference in the body is a search that cannot be read, or not one of a type of R4",
    }
}

pub(super) fn interaction_in_words(interaction: &Interaction) -> String {
    use crate::fhir::{Act, Awaits};
    let mut says = match interaction.act() {
        Act::Rest(kind) => format!("`{}`", kind.as_str()),
        Act::Operation(name) => format!("the operation `{name}`"),
        Act::UnreadBundle => "a Bundle whose kind its body says".to_owned(),
    };
    if let Some(kind) = interaction.resource() {
        says.push_str(&format!(" of {}", kind.name()));
    }
    if let Some((kind, _)) = interaction.compartment() {
        says.push_str(&format!(" in the compartment of a {}", kind.name()));
    }
    let touched = interaction.touched();
    let others = ResourceType::each().filter(|kind| touched.types.contains(*kind) && interaction.resource() != Some(*kind));
    let others: Vec<_> = others.map(ResourceType::name).collect();
    let (features, asked) = (interaction.features(), interaction.asked().collect::<Vec<_>>());
    if !asked.is_empty() {
        says.push_str(&format!(", by {}", listed(asked)));
    }
    if !features.is_empty() {
        says.push_str(&format!(", with {}", listed(features.iter().map(|feature| feature.as_str()))));
    }
    if !others.is_empty() {
        says.push_str(&format!(", which reaches {} too", others.join(", ")));
    }
    if touched.any {
        says.push_str(", which may reach types it does not name");
    }
    if !interaction.entries().is_empty() {
        says.push_str(&format!(", {} entries", interaction.entries().len()));
    }
    if interaction.awaits() == Awaits::Form {
        says.push_str("; the rest stands in the form");
    }
    says
}
