//! What of a request does not go upstream: every provider's credentials, but those that a provider which vouched
//! forwards.

use std::rc::Rc;

use super::place::Place;
use super::{Principal, Provider, Providers};

impl Providers {
    /// The headers that must not go upstream with a request of this caller: every provider's, but those in which a
    /// provider that vouched wants its credential forwarded.
    pub fn withheld_headers<'p>(&'p self, principal: &'p Principal) -> impl Iterator<Item = &'p str> {
        let kept = |header: &Rc<str>| {
            self.forwarding(principal).any(|place| place.header().is_some_and(|forwarded| forwarded == header))
        };
        self.headers.iter().filter(move |header| !kept(header)).map(|header| &**header)
    }

    /// The headers in which a provider that vouched wants its credential forwarded.
    pub fn forwarded_headers<'p>(&'p self, principal: &'p Principal) -> impl Iterator<Item = &'p str> {
        self.forwarding(principal).filter_map(|place| place.header().map(|header| &**header))
    }

    /// The query parameters that must not, in the same way.
    #[must_use]
    pub fn withheld_parameters<'p>(&'p self, principal: &'p Principal) -> Vec<&'p str> {
        let withheld = self.places().filter(|place| !self.forwarding(principal).any(|forwarded| forwarded == *place));
        withheld.filter_map(parameter).collect()
    }

    /// The cookies that must not, in the same way.
    #[must_use]
    pub fn withheld_cookies<'p>(&'p self, principal: &'p Principal) -> Vec<&'p str> {
        let withheld = self.places().filter(|place| !self.forwarding(principal).any(|forwarded| forwarded == *place));
        let cookies = withheld.filter_map(|place| match place {
            Place::Cookie(name) => Some(&**name),
            Place::Header { .. } | Place::Query(_) | Place::Certificate => None,
        });
        cookies.collect()
    }

    /// The query parameters that carry credentials of any provider, and so say nothing about what is asked.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        self.places().filter_map(parameter).collect()
    }

    /// Whether a provider that vouched for this caller took a cookie for it, which a browser adds to requests of any page.
    #[must_use]
    pub fn vouched_by_cookie(&self, principal: &Principal) -> bool {
        let by_cookie = |provider: &Provider| matches!(provider.place, Place::Cookie(_));
        self.list.iter().any(|provider| by_cookie(provider) && principal.providers.contains(&provider.name))
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.list.iter().map(|provider| &provider.place)
    }

    /// The places of the providers that vouched for this caller and want their credentials forwarded.
    fn forwarding<'p>(&'p self, principal: &'p Principal) -> impl Iterator<Item = &'p Place> {
        let forwards = self.list.iter().filter(|provider| provider.forward && principal.providers.contains(&provider.name));
        forwards.map(|provider| &provider.place)
    }
}

fn parameter(place: &Place) -> Option<&str> {
    match place {
        Place::Query(name) => Some(name),
        Place::Header { .. } | Place::Cookie(_) | Place::Certificate => None,
    }
}
