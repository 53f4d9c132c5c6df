//! The policy language: what was written ([`document`]), what it says ([`model`]), what is wrong with it
//! ([`diagnostic`]).
//!
//! [`load`] reads a text, merges `defaults` into the routes and gives the model, together with the tree it came from.
//! Each part is then compiled by the module that runs it, which reports what only it can know at the tree's place;
//! `exchange::Engine` puts the parts together. So this module depends on none of them.

mod decode;
pub mod diagnostic;
pub mod document;
pub mod label;
pub mod model;
pub mod secret;
#[cfg(not(target_family = "wasm"))]
pub mod unmet;

use std::collections::HashSet;
use std::rc::Rc;

use decode::{Decoded, decode};
use diagnostic::{Code, Report};
use document::{Member, Node, Value};

/// Reads the environment: the value of a variable, if it is set.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A policy and the tree that it was read from, `defaults` merged into the routes.
#[derive(Debug)]
pub struct Loaded {
    /// What the policy says, as far as it could be read.
    pub model: model::Policy,
    /// Where it says it. What could not be read is not in it, so that positions in lists are those of the model.
    pub root: Node,
    written: Node,
}

impl Loaded {
    /// Whether no route was written, not even one that could not be read.
    #[must_use]
    pub fn has_no_routes(&self) -> bool {
        self.written.key("routes").items().is_empty()
    }

    /// Whether `section` was written to define `name`, even if the definition could not be read.
    ///
    /// A reference to a definition that was reported already is not a second problem.
    #[must_use]
    pub fn defines(&self, section: &str, name: &str) -> bool {
        self.written.get(section).and_then(|section| section.get(name)).is_some()
    }
}

/// Reads a policy text. Everything that does not fit is in `report`; `None` when too little is left to go on with.
pub fn load(text: &str, report: &mut Report) -> Option<Loaded> {
    let mut root = Node::parse(text, report)?;
    // Defaults are read for themselves first, so that a mistake in them is found even where no route takes them.
    if let Some(defaults) = root.get("defaults").cloned() {
        let _: Option<Decoded<model::RouteDefaults>> = decode(&defaults, report);
        merge_into_routes(&mut root, &defaults);
    }
    let unread = unread_files(&root, report);
    let mut tagged = root.clone();
    prune(&mut tagged, &unread);
    tag_providers(&mut tagged);
    let Decoded { value: model, cut }: Decoded<model::Policy> = decode(&tagged, report)?;
    if model.version != 1 {
        let version = model.version;
        report
            .error(root.key("version"), Code::NotSupported, format!("version {version} is not supported"))
            .help("write 1");
    }
    let written = root.clone();
    prune(&mut root, &cut.into_iter().chain(unread).collect());
    Some(Loaded { model, root, written })
}

/// The providers whose keys stand in files still, reported. Nothing but the command line can read a file.
fn unread_files(root: &Node, report: &mut Report) -> HashSet<Rc<str>> {
    let mut unread = HashSet::new();
    for Member { node: provider, .. } in root.key("authentication").members() {
        let Some(keys) = provider.get("keys") else { continue };
        for file in std::iter::once(keys).chain(keys.items()).filter_map(|place| place.get("file")) {
            report
                .error(file, Code::NotSupported, "the keys stand in a file, and a module in Envoy can read none")
                .help("give it what `carewarden build` writes; `file` stands alone, and not in a file of keys itself");
            unread.insert(Rc::clone(&provider.pointer));
        }
    }
    unread
}

/// Takes the values with these pointers out of the tree.
fn prune(node: &mut Node, cut: &HashSet<Rc<str>>) {
    match &mut node.value {
        Value::Array(items) => {
            items.retain(|item| !cut.contains(&item.pointer));
            items.iter_mut().for_each(|item| prune(item, cut));
        }
        Value::Object(members) => {
            members.retain(|member| !cut.contains(&member.node.pointer));
            members.iter_mut().for_each(|member| prune(&mut member.node, cut));
        }
        _ => (),
    }
}

fn merge_into_routes(root: &mut Node, defaults: &Node) {
    let Some(Value::Array(routes)) = root.get_mut("routes").map(|node| &mut node.value) else { return };
    for route in routes {
        let mut defaults = defaults.clone();
        if let (Some(_), Value::Object(members)) = (route.get("authenticate"), &mut defaults.value) {
            // It is one of several forms: `any` and `all` merged would be neither.
            members.retain(|member| member.key != "authenticate");
        }
        route.merge_defaults(&defaults);
    }
}

/// Turns `{"type": "jwt", …}` into `{"jwt": {…}}`, the form in which serde keeps the place of an error.
fn tag_providers(root: &mut Node) {
    let Some(Value::Object(providers)) = root.get_mut("authentication").map(|node| &mut node.value) else { return };
    for Member { node, .. } in providers {
        let Value::Object(members) = &mut node.value else { continue };
        let Some(at) = members.iter().position(|member| member.key == "type") else { continue };
        if let Value::String(kind) = members.remove(at).node.value {
            let inner = Member { key: kind, node: node.clone() };
            node.value = Value::Object(vec![inner]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each problem as `line:column code pointer`.
    fn problems(text: &str) -> Vec<String> {
        let mut report = Report::new(text);
        load(text, &mut report);
        report.into_vec().iter().map(|d| format!("{}:{} {} {}", d.line, d.column, d.code.as_str(), d.pointer)).collect()
    }

    #[test]
    fn a_route_takes_defaults_deeply_but_its_own_way_to_authenticate() {
        let text = r#"{"version": 1, "name": "x",
            "defaults": {"authenticate": {"any": ["a"]}, "request": {"max_body": "1KiB", "json": {"max_depth": 3}}},
            "routes": [
                {"name": "own", "match": {"paths": ["/a"]}, "authenticate": {"all": ["b"]}, "authorize": [],
                 "request": {"json": {"max_keys": 5}}},
                {"name": "taken", "match": {"paths": ["/b"]}, "authorize": []}]}"#;
        let mut report = Report::new(text);
        let loaded = load(text, &mut report).unwrap();
        assert!(report.is_empty(), "{:?}", report.into_vec());
        let [own, taken] = loaded.model.routes.as_slice() else { panic!("two routes") };
        assert!(matches!(&own.authenticate, Some(model::Authenticate::All(names)) if names == &["b"]));
        assert!(matches!(&taken.authenticate, Some(model::Authenticate::Any(names)) if names == &["a"]));
        assert_eq!((own.request.json.max_depth, own.request.json.max_keys), (Some(3), Some(5)));
        assert_eq!(own.request.max_body, Some(model::Size(1024)));
    }

    #[test]
    fn every_problem_of_form_is_found_in_one_pass() {
        let text = r#"{
  "version": 1, "nam": "x", "mode": "off",
  "authentication": {
    "a": {"type": "jwt", "issuer": 5, "audiences": ["x"], "algorithms": ["none"], "clock_skew": "soon"},
    "b": {"type": "saml"},
    "c": {"type": "api_key", "keys": [{"client": "x", "sha256": "zz"}]}
  },
  "defaults": {"request": {"max_body": 5, "validate": "x", "inspect": "standart"}},
  "routes": [{"name": "r", "match": {"paths": ["/"]}, "authorize": [{"permit": {}}]}]
}"#;
        let expected = [
            "2:24 unknown-key /nam",
            "2:37 invalid-value /mode",
            "4:36 invalid-value /authentication/a/issuer",
            "4:74 invalid-value /authentication/a/algorithms/0",
            "4:97 invalid-value /authentication/a/clock_skew",
            "5:10 invalid-value /authentication/b",
            "6:65 invalid-value /authentication/c/keys/0/sha256",
            "8:40 invalid-value /defaults/request/max_body",
            "8:55 not-supported /defaults/request/validate",
            "8:71 invalid-value /defaults/request/inspect",
            "9:69 invalid-value /routes/0/authorize/0",
        ];
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn keys_in_files_are_refused_where_no_file_can_be_read() {
        for keys in [r#"{"file": "keys.json"}"#, r#"[{"client": "x", "sha256": "zz"}, {"file": "keys.json"}]"#] {
            let text = format!(
                r#"{{"version": 1, "name": "x", "authentication": {{"p": {{"type": "api_key", "header": "k", "keys": {keys}}}}},
                "routes": [{{"name": "r", "match": {{"paths": ["/"]}}, "authenticate": {{"any": ["p"]}}, "authorize": []}}]}}"#
            );
            let mut report = Report::new(&text);
            let loaded = load(&text, &mut report).unwrap();
            assert!(loaded.model.authentication.is_empty() && loaded.defines("authentication", "p"));
            let [found] = report.into_vec().try_into().unwrap();
            assert_eq!((found.code, found.pointer.ends_with("/file")), (Code::NotSupported, true), "{found}");
        }
    }
}
