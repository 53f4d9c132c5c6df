//! Who asks: from a request's headers to a [`Principal`], or a [`Refusal`].
//!
//! A policy names providers, each with its own header, keys and rules; a route names those that may vouch for its
//! callers. Rules, in order:
//!
//! 1. A credential is looked for in the headers of the route's providers, and nowhere else. A header that stands twice,
//!    or whose value could be two credentials, is refused (`credential`).
//! 2. Where one provider is to vouch (`any`), credentials in two headers are refused: which of them counts would be a
//!    guess, and whoever wants both writes `all`. Under `all` each provider's credential must be there.
//! 3. The provider is chosen by the header and, for tokens, by the issuer that the token claims, before anything is
//!    judged. That provider alone judges. A credential that fails is a refusal: no other provider is asked, and nobody
//!    becomes anonymous by showing a bad credential.
//! 4. The provider judges (`jwt`, `api_key`).
//!
//! Credentials for providers that the route does not name are not looked at. None of any provider goes upstream, but
//! those of a provider that vouched and says `forward` ([`Providers::withheld_headers`]).
//!
//! Everything here costs at most one pass over a credential of 16 KiB and one signature check
//! (two where a shared secret is being rotated), whoever asks.

mod api_key;
mod cache;
mod compile;
mod credential;
mod jwt;
mod principal;
mod refusal;
mod requirement;
mod stand_in;

use std::cell::Cell;
use std::rc::Rc;

use api_key::ApiKeys;
use cache::{Entry, Known, Origin, Refused};
use jwt::{Jwt, Token};
use requirement::{Site, Sites};

pub use cache::{CacheCounts, TokenCache};
pub use compile::compile;
pub use jwt::{Hash, NoHost, SignatureVerifier, Verification};
pub use principal::Principal;
pub use refusal::Refusal;
pub use requirement::Requirement;
pub use stand_in::{StandIn, StandInError};

use crate::http::Headers;

/// The providers of a policy.
#[derive(Debug)]
pub struct Providers {
    list: Vec<Provider>,
    /// The headers of all of them, each once.
    headers: Vec<Rc<str>>,
    anonymous: Rc<Principal>,
    /// Tells a cache whose tokens it holds.
    stamp: Rc<()>,
}

#[derive(Debug)]
struct Provider {
    name: Rc<str>,
    /// In lower case.
    header: Rc<str>,
    forward: bool,
    kind: Kind,
    /// How often its keys have changed: tokens judged by others do not count.
    epoch: Cell<u64>,
}

#[derive(Debug)]
enum Kind {
    Jwt(Box<Jwt>),
    ApiKey(ApiKeys),
}

/// What a decision depends on beside the request.
pub struct Context<'a> {
    /// Seconds since 1970, UTC.
    pub now: i64,
    /// Checks signatures outside of the module, where it can.
    pub verifier: &'a dyn SignatureVerifier,
    /// Tokens verified before.
    pub cache: &'a TokenCache,
    /// SHA-256 of the client certificate, if one was presented and verified. Asked only for a token that is bound to one.
    pub certificate_sha256: &'a dyn Fn() -> Option<[u8; 32]>,
}

impl Providers {
    /// Who asks, as `requirement` wants to know it.
    pub fn authenticate(
        &self,
        requirement: &Requirement,
        headers: &Headers,
        context: &Context<'_>,
    ) -> Result<Rc<Principal>, Refusal> {
        match requirement {
            Requirement::None => Ok(Rc::clone(&self.anonymous)),
            Requirement::Any(sites) => self.any(sites, headers, context),
            Requirement::All(sites) => self.all(sites, headers, context),
        }
    }

    /// The headers that must not go upstream with a request of this caller: every provider's, but those in which a
    /// provider that vouched wants its credential forwarded.
    pub fn withheld_headers<'p>(&'p self, principal: &'p Principal) -> impl Iterator<Item = &'p str> {
        let forwards = |provider: &&Provider| provider.forward && principal.providers.contains(&provider.name);
        let kept = move |header: &Rc<str>| self.list.iter().filter(forwards).any(|provider| provider.header == *header);
        self.headers.iter().filter(move |header| !kept(header)).map(|header| &**header)
    }

    /// The names of all providers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|provider| &*provider.name)
    }

    fn any(&self, Sites(sites): &Sites, headers: &Headers, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
        let mut presented = None;
        for site in sites {
            if let Some(credential) = credential::read(headers, &site.header)?
                && presented.replace((site, credential)).is_some()
            {
                return Err(Refusal::Several);
            }
        }
        let (site, credential) = presented.ok_or(Refusal::Missing)?;
        self.judge(site, credential, context)
    }

    fn all(&self, Sites(sites): &Sites, headers: &Headers, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
        let mut joined: Option<Rc<Principal>> = None;
        for site in sites {
            let credential = credential::read(headers, &site.header)?.ok_or(Refusal::Missing)?;
            let principal = self.judge(site, credential, context)?;
            match &mut joined {
                Some(joined) => Rc::make_mut(joined).join(&principal),
                None => joined = Some(principal),
            }
        }
        joined.ok_or(Refusal::Missing)
    }

    /// Has the one provider judge that this credential is for.
    fn judge(&self, site: &Site, credential: &str, context: &Context<'_>) -> Result<Rc<Principal>, Refusal> {
        let first = site.providers.first().and_then(|index| self.list.get(*index));
        if let Some(Provider { kind: Kind::ApiKey(keys), .. }) = first {
            return keys.verify(credential, context.now);
        }
        let key = TokenCache::key(&site.header, credential);
        match context.cache.find(&self.stamp, &key, context.now, |origin| self.is_current(origin)) {
            Some(Known::Accepted(entry)) if site.providers.contains(&entry.origin.provider) => {
                let judged = entry.verified.judge(context);
                if judged == Err(Refusal::Expired) {
                    context.cache.forget(&key);
                }
                return judged;
            }
            Some(Known::Refused(Refused { refusal, origin, .. }))
                if origin.is_none_or(|origin| site.providers.contains(&origin.provider)) =>
            {
                return Err(refusal);
            }
            _ => (),
        }
        match self.verify(site, credential, context.verifier) {
            Ok(entry) => {
                let principal = entry.verified.judge(context)?;
                context.cache.keep(key, Rc::new(entry));
                Ok(principal)
            }
            Err(Rejection::Here(refusal)) => Err(refusal),
            Err(Rejection::Everywhere(refusal, origin)) => {
                context.cache.remember(key, refusal, origin, context.now);
                Err(refusal)
            }
        }
    }

    /// Verifies all of a token but what depends on the moment.
    fn verify(&self, site: &Site, token: &str, verifier: &dyn SignatureVerifier) -> Result<Entry, Rejection> {
        let everywhere = |refusal| Rejection::Everywhere(refusal, None);
        let token = Token::parse(token).map_err(everywhere)?;
        let issuer = token.issuer().map_err(everywhere)?;
        let takes = |provider: &Provider| match &provider.kind {
            Kind::Jwt(jwt) => provider.header == site.header && jwt.issuer == issuer,
            Kind::ApiKey(_) => false,
        };
        // No two providers take tokens of one issuer from one header.
        let index = self.list.iter().position(takes).ok_or(Rejection::Everywhere(Refusal::UnknownIssuer, None))?;
        match self.list.get(index) {
            Some(Provider { kind: Kind::Jwt(jwt), epoch, .. }) if site.providers.contains(&index) => {
                let origin = Origin { provider: index, epoch: epoch.get() };
                let verified = jwt.verify(token, verifier);
                verified
                    .map(|verified| Entry::new(origin, verified))
                    .map_err(|refusal| Rejection::Everywhere(refusal, Some(origin)))
            }
            _ => Err(Rejection::Here(Refusal::UnknownIssuer)),
        }
    }

    /// Makes every token of this provider unknown, those that were accepted and those that were refused. To be called
    /// whenever its keys change: a token is worth as much as the key that signed it.
    pub fn forget_tokens(&self, provider: &str) {
        let own = self.list.iter().find(|own| *own.name == *provider);
        own.iter().for_each(|own| own.epoch.set(own.epoch.get().wrapping_add(1)));
    }

    fn is_current(&self, origin: Origin) -> bool {
        self.list.get(origin.provider).is_some_and(|provider| provider.epoch.get() == origin.epoch)
    }
}

/// A refusal that depends on nothing of the moment but the route.
enum Rejection {
    /// On routes that let other providers vouch it may be another.
    Here(Refusal),
    /// On every route, or on those that let this provider vouch.
    Everywhere(Refusal, Option<Origin>),
}
