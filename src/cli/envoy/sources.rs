//! The configuration and the files that it names (`path_config_source`), as one heap of resources.
//!
//! Three kinds are read: a bootstrap, a dump of `/config_dump`, and a file of resources as file-based discovery takes them.
//! A path is looked for where the command runs, as Envoy would, and then beside the file that names it. Files of secrets
//! are not read.

use std::path::{Path, PathBuf};

use super::document::{At, File, Unreadable};

/// The files of a configuration, the one that was given first.
pub(super) struct Sources {
    files: Vec<File>,
}

/// What discovery delivers, from all files.
#[derive(Default)]
pub(super) struct Resources<'d> {
    pub(super) bootstrap: Option<At<'d>>,
    pub(super) listeners: Vec<At<'d>>,
    pub(super) clusters: Vec<At<'d>>,
    pub(super) routes: Vec<At<'d>>,
    pub(super) extensions: Vec<At<'d>>,
    /// Whether it comes from a running Envoy, and so is all there is.
    pub(super) is_dump: bool,
    /// What is not understood.
    pub(super) strange: Vec<(At<'d>, String)>,
}

impl Sources {
    /// Reads a configuration. A file that it names and that cannot be read is told later, where it is named.
    pub(super) fn read(path: &Path, text: String) -> Result<Self, Unreadable> {
        let mut files = vec![File::read(path, text)?];
        let mut next = 0;
        while let Some(file) = files.get(next) {
            next = next.saturating_add(1);
            if file.root().get("configs").is_some() {
                // A dump has what was delivered, and the files may have changed since.
                continue;
            }
            let named: Vec<PathBuf> =
                file.all().filter(|at| is_followed(*at)).filter_map(|at| find(file, path_of(at)?)).collect();
            for path in named {
                let is_new = !files.iter().any(|file| file.path == path);
                let read = is_new.then(|| std::fs::read_to_string(&path).ok()).flatten();
                files.extend(read.and_then(|text| File::read(&path, text).ok()));
            }
        }
        Ok(Self { files })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Whether the file that a config source names was read.
    pub(super) fn has(&self, source: At<'_>) -> bool {
        let path = path_of(source).and_then(|path| find(source.file(), path));
        path.is_some_and(|path| self.files.iter().any(|file| file.path == path))
    }

    /// All that they hold.
    pub(super) fn resources(&self) -> Resources<'_> {
        let mut resources = Resources::default();
        for file in &self.files {
            resources.take_file(file.root());
        }
        resources
    }
}

/// The path that a config source names, in the new form or the old.
pub(super) fn path_of(source: At<'_>) -> Option<&str> {
    source.text_at("path_config_source/path").or_else(|| source.text_at("path"))
}

fn is_followed(at: At<'_>) -> bool {
    matches!(at.key(), Some("config_source" | "configSource" | "lds_config" | "ldsConfig" | "cds_config" | "cdsConfig"))
}

fn find(file: &File, path: &str) -> Option<PathBuf> {
    let beside = || file.path.parent().map(|folder| folder.join(path));
    std::iter::once(PathBuf::from(path)).chain(beside()).find(|path| path.is_file())
}

impl<'d> Resources<'d> {
    fn take_file(&mut self, root: At<'d>) {
        let is_bootstrap = |at: At<'d>| at.get("static_resources").is_some() || at.get("dynamic_resources").is_some();
        if root.get("configs").is_some() {
            self.is_dump = true;
            let sections: Vec<_> = root.list("configs").filter_map(At::typed).collect();
            let has = |name: &str| sections.iter().any(|section| section.is(name));
            let (own_listeners, own_clusters) = (has("ListenersConfigDump"), has("ClustersConfigDump"));
            for section in &sections {
                if section.is("BootstrapConfigDump") {
                    let Some(bootstrap) = section.body.get("bootstrap") else { continue };
                    self.take_bootstrap(bootstrap, !own_listeners, !own_clusters);
                } else {
                    self.take_section(section.body);
                }
            }
        } else if root.get("resources").is_some() {
            root.list("resources").for_each(|resource| self.take(resource));
        } else if root.get("@type").is_some() {
            self.take(root);
        } else if is_bootstrap(root) || root.get("admin").is_some() {
            self.take_bootstrap(root, true, true);
        } else {
            self.strange.push((root, "this is no bootstrap, no dump and no file of resources".to_owned()));
        }
    }

    fn take_bootstrap(&mut self, bootstrap: At<'d>, listeners: bool, clusters: bool) {
        self.bootstrap = Some(bootstrap);
        if listeners {
            self.listeners.extend(bootstrap.list("static_resources/listeners"));
        }
        if clusters {
            self.clusters.extend(bootstrap.list("static_resources/clusters"));
        }
    }

    /// A section of a dump. What drains is on its way out; what warms is on its way in.
    fn take_section(&mut self, section: At<'d>) {
        let lists = [
            ("static_listeners", &["listener"][..]),
            ("dynamic_listeners", &["active_state/listener", "warming_state/listener"]),
            ("static_clusters", &["cluster"]),
            ("dynamic_active_clusters", &["cluster"]),
            ("dynamic_warming_clusters", &["cluster"]),
            ("static_route_configs", &["route_config"]),
            ("dynamic_route_configs", &["route_config"]),
            ("ecds_filters", &["ecds_filter"]),
        ];
        for (list, places) in lists {
            for item in section.list(list) {
                places.iter().filter_map(|place| item.at(place)).for_each(|resource| self.take(resource));
            }
        }
    }

    fn take(&mut self, resource: At<'d>) {
        let Some(typed) = resource.typed() else {
            self.strange.push((resource, "this says no `@type`".to_owned()));
            return;
        };
        match typed.kind.rsplit('.').next() {
            Some("Listener") => self.listeners.push(typed.body),
            Some("Cluster") => self.clusters.push(typed.body),
            Some("RouteConfiguration") => self.routes.push(typed.body),
            Some("TypedExtensionConfig") => self.extensions.push(typed.body),
            Some("Resource") => typed.body.get("resource").into_iter().for_each(|inner| self.take(inner)),
            _ => (),
        }
    }
}
