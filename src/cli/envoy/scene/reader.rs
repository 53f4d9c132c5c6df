//! Reads listeners with what they refer to: managers, filters, routes, our plugins.

use super::{Chain, Filter, Manager, Plugin, Scene, is_wasm, wrapped_in};
use crate::cli::envoy::Options;
use crate::cli::envoy::document::{At, Typed};
use crate::cli::envoy::policy::Needs;
use crate::cli::envoy::sources::{Resources, Sources, path_of};

/// Reads listeners with what they refer to.
pub(super) struct Reader<'s, 'd> {
    pub(super) scene: &'s mut Scene<'d>,
    pub(super) resources: &'s Resources<'d>,
    pub(super) sources: &'d Sources,
    pub(super) options: &'s Options<'s>,
}

impl<'d> Reader<'_, 'd> {
    /// What a bootstrap has from elsewhere.
    pub(super) fn discovery(&mut self) {
        let Some(bootstrap) = self.scene.bootstrap.filter(|_| !self.resources.is_dump) else { return };
        let fields = [
            ("lds_config", "listeners"),
            ("lds_resources_locator", "listeners"),
            ("cds_config", "clusters"),
            ("cds_resources_locator", "clusters"),
        ];
        for (field, what) in fields {
            let Some(source) = bootstrap.at("dynamic_resources").and_then(|dynamic| dynamic.get(field)) else { continue };
            if self.sources.has(source) {
                continue;
            }
            self.scene.has_other_clusters |= what == "clusters";
            let place = path_of(source).map_or_else(
                || "a server; judge what the running Envoy has, `curl localhost:PORT/config_dump`".to_owned(),
                |path| format!("`{path}`, which cannot be read"),
            );
            self.scene.gaps.push((source, format!("the {what} come from {place}")));
        }
    }

    /// A listener, with all that its chains refer to.
    pub(super) fn listener(&mut self, listener: At<'d>) {
        if let Some(api) = listener.get("api_listener") {
            self.scene.gaps.push((api, "an `api_listener` is not looked at".to_owned()));
        }
        let chains = listener.list("filter_chains").chain(listener.get("default_filter_chain"));
        for at in chains.collect::<Vec<_>>() {
            let mut chain = Chain { listener, at, managers: Vec::new(), others: Vec::new() };
            for filter in at.list("filters") {
                match self.resolved(filter).first() {
                    Some(typed) if typed.is("HttpConnectionManager") => chain.managers.push(self.manager(typed.body)),
                    Some(typed) => chain.others.push(*typed),
                    None => (),
                }
            }
            self.scene.chains.push(chain);
        }
    }

    fn manager(&mut self, at: At<'d>) -> Manager<'d> {
        let filters = at.list("http_filters").map(|filter| self.filter(filter)).collect();
        let upgrades = at.list("upgrade_configs");
        let upgrades = upgrades.map(|one| (one, one.list("filters").map(|filter| self.filter(filter)).collect())).collect();
        let mut routes: Vec<_> = at.get("route_config").into_iter().collect();
        if let Some(rds) = at.get("rds") {
            let name = rds.text_at("route_config_name").unwrap_or_default();
            let known = self.resources.routes.iter().filter(|table| table.text_at("name").unwrap_or_default() == name);
            let known: Vec<_> = known.copied().collect();
            if known.is_empty() {
                self.scene.gaps.push((rds, format!("the routes `{name}` are not in what was read")));
            }
            routes.extend(known);
        }
        if let Some(scoped) = at.get("scoped_routes") {
            self.scene.gaps.push((scoped, "scoped routes are not looked at".to_owned()));
        }
        for vhds in routes.iter().filter_map(|table| table.get("vhds")) {
            self.scene.gaps.push((vhds, "virtual hosts that come on demand (VHDS) are not seen".to_owned()));
        }
        Manager { at, filters, upgrades, routes }
    }

    fn filter(&mut self, at: At<'d>) -> Filter<'d> {
        let name = at.text_at("name").unwrap_or_default();
        let mut typed = self.resolved(at);
        let plugin = typed.iter().find_map(|typed| self.plugin(*typed, Some(name)));
        let is_nested = |nested: &At<'d>| nested.typed().is_some_and(|typed| self.is_ours(typed, None));
        let conditional = match plugin {
            Some(_) => None,
            None => typed.iter().find_map(|typed| typed.body.within().into_iter().find(is_nested)),
        };
        let wrapped: Vec<_> = typed.iter().flat_map(|typed| wrapped_in(*typed)).collect();
        typed.extend(wrapped);
        Filter { at, name, typed, plugin, conditional }
    }

    /// What a filter is: what stands there, or what discovery delivers under its name.
    fn resolved(&mut self, filter: At<'d>) -> Vec<Typed<'d>> {
        if let Some(typed) = filter.get("typed_config").and_then(At::typed) {
            return vec![typed];
        }
        let Some(discovery) = filter.get("config_discovery") else { return Vec::new() };
        let name = filter.text_at("name").unwrap_or_default();
        let known = self.resources.extensions.iter().filter(|extension| extension.text_at("name") == Some(name));
        let known: Vec<_> = known.filter_map(|extension| extension.get("typed_config")?.typed()).collect();
        if known.is_empty() {
            let source = discovery.get("config_source");
            let place = match source.and_then(path_of) {
                Some(path) if source.is_some_and(|source| self.sources.has(source)) => {
                    format!("`{path}` has none of that name")
                }
                Some(path) => format!("`{path}` cannot be read; `make policy` writes one"),
                None => "it is not in what was read; judge a `/config_dump` of the running Envoy".to_owned(),
            };
            self.scene.gaps.push((discovery, format!("the filter `{name}` comes from elsewhere, and {place}")));
        }
        known
    }

    /// Our plugin, where it is one.
    pub(super) fn plugin(&mut self, typed: Typed<'d>, name: Option<&str>) -> Option<usize> {
        let at = typed.body.get("config")?;
        if !self.is_ours(typed, name) {
            if is_wasm(typed) && !self.scene.strangers.iter().any(|known| known.is_same(at)) {
                self.scene.strangers.push(at);
            }
            return None;
        }
        // By its place alone a plugin of another name may be known already.
        let known = self.scene.plugins.iter().position(|plugin| plugin.at.is_same(at));
        self.scene.strangers.retain(|stranger| !stranger.is_same(at));
        Some(known.unwrap_or_else(|| {
            let policy = at.at("configuration").and_then(At::typed).filter(|typed| typed.is("StringValue"));
            let policy = policy.and_then(|typed| typed.body.get("value")).filter(|value| value.text().is_some());
            let read = policy.map(|value| Needs::read(value, self.options.require_env));
            let (needs, problems) = read.unwrap_or_default();
            self.scene.plugins.push(Plugin { at, policy, needs, problems });
            self.scene.plugins.len().saturating_sub(1)
        }))
    }

    fn is_ours(&self, typed: Typed<'_>, name: Option<&str>) -> bool {
        let Some(config) = typed.body.get("config").filter(|_| is_wasm(typed)) else { return false };
        let names = [name, config.text_at("name"), config.text_at("root_id")];
        let code = |place: &str| config.text_at(&format!("vm_config/code/{place}"));
        match self.options.filter {
            Some(wanted) => names.contains(&Some(wanted)),
            None => names
                .into_iter()
                .chain([code("local/filename"), code("remote/http_uri/uri")])
                .flatten()
                .any(|text| text.to_ascii_lowercase().contains("carewarden")),
        }
    }
}
