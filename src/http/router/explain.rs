//! Why a route takes a request or does not, condition by condition. Not part of the module for Envoy.
//!
//! [`Router::find`] decides, by a trie; a test holds all that is said here against it.

use super::{Matcher, Router};
use crate::http::{Host, Method};
use crate::policy::unmet::{Unmet, listed};

impl Router {
    /// What of each route's `match` does not fit, in the order of the policy: nothing where it fits. `envoy_route` is the
    /// name of the route that Envoy chose, where it is known.
    pub fn explain<'r>(
        &'r self,
        method: &'r Method,
        path: &'r str,
        host: &'r Host,
        envoy_route: Option<&'r str>,
    ) -> impl Iterator<Item = Vec<Unmet>> + 'r {
        self.routes.iter().map(move |matcher| matcher.unmet(method, path, host, envoy_route))
    }
}

impl Matcher {
    fn unmet(&self, method: &Method, path: &str, host: &Host, envoy_route: Option<&str>) -> Vec<Unmet> {
        let Self { methods, templates, hosts, envoy_route: wanted, whole: _ } = self;
        let mut unmet = Vec::new();
        if let Some(hosts) = hosts.as_ref().filter(|hosts| !hosts.iter().any(|own| own.matches(host))) {
            let says = format!("the host is `{}`, not {}", host.as_str(), listed(hosts.iter().map(ToString::to_string)));
            unmet.push(Unmet::new("hosts", says));
        }
        if !templates.iter().any(|template| template.matches(path).is_some()) {
            let says = format!("the path fits none of {}", listed(templates.iter().map(ToString::to_string)));
            unmet.push(Unmet::new("paths", says));
        }
        if let Some(methods) = methods.as_ref().filter(|methods| !methods.contains(method)) {
            let says = format!("the method is `{}`, not {}", method.as_str(), listed(methods.names()));
            unmet.push(Unmet::new("methods", says));
        }
        match (wanted.as_deref(), envoy_route) {
            (Some(wanted), Some(chosen)) if wanted != chosen => {
                unmet.push(Unmet::new("envoy_route", format!("Envoy chose `{chosen}`, not `{wanted}`")));
            }
            // It is asked for only where all else fits.
            (Some(wanted), None) if unmet.is_empty() => {
                let says = format!("it is not known whether Envoy chose `{wanted}` (`envoy_route` of the request says it)");
                unmet.push(Unmet::new("envoy_route", says));
            }
            (Some(_), _) | (None, _) => (),
        }
        unmet
    }
}
