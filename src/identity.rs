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
#[cfg(not(target_family = "wasm"))]
mod explain;
mod jwt;
mod principal;
mod refusal;
mod requirement;
mod scalar;
mod stand_in;

use std::rc::Rc;

use api_key::ApiKeys;
use cache::Entry;
use jwt::{Jwt, Token};
use requirement::{Site, Sites};

pub use cache::TokenCache;
pub use compile::compile;
#[cfg(not(target_family = "wasm"))]
pub use explain::{Explanation, Finding, KeyUsed, NotExplained, SignatureFound, Step};
pub use jwt::{Hash, NoHost, SignatureVerifier, Verification};
#[cfg(not(target_family = "wasm"))]
pub use jwt::{KeyFile, KeyFileError};
pub use principal::Principal;
pub use refusal::Refusal;
pub use requirement::Requirement;
pub(crate) use scalar::{OtherType, Scalar};
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

    /// The headers that tell the upstream of this caller's claims, and what they say.
    pub fn claim_headers<'p>(&'p self, principal: &Principal) -> Vec<(&'p str, String)> {
        let vouched = self.list.iter().filter(|provider| principal.providers.contains(&provider.name));
        let rules = vouched.filter_map(|provider| match &provider.kind {
            Kind::Jwt(jwt) => Some(&jwt.claims.headers),
            _ => None,
        });
        // A claim that cannot be a header has refused its token.
        let told = |(name, pointer): &'p (Rc<str>, String)| {
            Some((&**name, jwt::header_value(principal.claim(pointer)).ok().flatten()?))
        };
        rules.flatten().filter_map(told).collect()
    }

    /// The headers in which credentials stand, in lower case.
    pub fn credential_headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|header| &**header)
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
        let mut providers = site.providers.iter().filter_map(|index| Some((*index, &self.list.get(*index)?.kind)));
        if let Some((_, Kind::ApiKey(keys))) = providers.clone().next() {
            return keys.verify(credential, context.now);
        }
        let key = TokenCache::key(&site.header, credential);
        if let Some(entry) = context.cache.find(&self.stamp, &key)
            && site.providers.contains(&entry.provider)
        {
            let judged = entry.verified.judge(context);
            if judged == Err(Refusal::Expired) {
                context.cache.forget(&key);
            }
            return judged;
        }
        let token = Token::parse(credential)?;
        let issuer = token.issuer()?;
        let (provider, jwt) = providers
            .find_map(|(index, kind)| match kind {
                Kind::Jwt(jwt) if jwt.issuer == issuer => Some((index, jwt)),
                _ => None,
            })
            .ok_or(Refusal::UnknownIssuer)?;
        let entry = Rc::new(Entry::new(provider, jwt.verify(token, context.verifier)?));
        let principal = entry.verified.judge(context)?;
        context.cache.keep(key, entry);
        Ok(principal)
    }
}
