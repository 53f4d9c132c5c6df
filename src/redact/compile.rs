//! From the policy's `redaction` section to [`Program`]s, with everything that is wrong with it.
//!
//! A profile's own rules come before those it `extends`, and what it says of the rest (`default`, `unknown`,
//! `security_tag`) before what they say. Besides their form ([`check`]), and what they tell ([`ids`]), rules are refused that could never take effect
//! because an earlier rule of the same profile has taken their values already: whoever wrote them expects something else
//! to happen.

mod check;
mod ids;
mod narrative;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::action::{Action, HashKey, Mask};
use super::automaton::{Source, Sources, build, may_name_modifier};
use super::date::Shifting;
use super::detect::Detectors;
use super::preset;
use super::program::{Condition, ConditionId, NO_RULE, Program, Rule, RuleId, Scalar};
use super::syntax::{Anchor, Selector};
use super::zip::Zip3;
use crate::fhir::elements::Type;
use crate::policy::diagnostic::{Code, Diagnostic, Report};
use crate::policy::document::{Node, Value as NodeValue};
use crate::policy::model::{self, Fallback, Profile, RedactionRule};
use crate::policy::{self, Env, Loaded};

/// The name that `apply` has for the full view.
pub(super) const FULL_VIEW: &str = "none";

/// Compiles every profile, and each preset that the policy applies. What is wrong is in `report`; the programs count only
/// when it has no errors.
pub fn compile(policy: &Loaded, env: Env<'_>, report: &mut Report) -> BTreeMap<String, Rc<Program>> {
    let section = policy.root.key("redaction");
    let mut applied = BTreeMap::new();
    applied_presets(&policy.root, &mut applied);
    let mut compiler = Compiler { policy, section, env, report };
    for (name, profile) in &policy.model.redaction {
        compiler.check_profile(name, profile);
    }
    for (name, at) in &applied {
        compiler.check_secrets_of_preset(name, at);
    }
    compiler.check_hashed_ids();
    let names: BTreeSet<&str> = policy.model.redaction.keys().map(String::as_str).chain(applied.into_keys()).collect();
    names.iter().map(|name| ((*name).to_owned(), Rc::new(compiler.program(name)))).collect()
}

/// Compiles one preset as it stands; nothing when there is none of this name.
pub fn compile_preset(name: &str, env: Env<'_>) -> Option<Rc<Program>> {
    check_preset(name, env).map(|(program, _)| program)
}

/// Compiles one preset as it stands, with what is wrong with its secrets; nothing when there is none of this name.
pub fn check_preset(name: &str, env: Env<'_>) -> Option<(Rc<Program>, Vec<Diagnostic>)> {
    preset::profile(name)?;
    let text = r#"{"version": 1, "name": "preset", "routes": []}"#;
    let mut report = Report::new(text);
    let policy = policy::load(text, &mut report)?;
    let mut compiler = Compiler { policy: &policy, section: &policy.root, env, report: &mut report };
    compiler.check_secrets_of_preset(name, &policy.root);
    let program = Rc::new(compiler.program(name));
    Some((program, report.into_vec()))
}

/// The presets that an `apply` names somewhere in the document, and where it first does.
fn applied_presets<'n>(node: &'n Node, names: &mut BTreeMap<&'n str, &'n Node>) {
    match &node.value {
        NodeValue::Object(members) => {
            for member in members {
                match &member.node.value {
                    NodeValue::String(name) if &*member.key == "apply" && preset::profile(name).is_some() => {
                        names.entry(name).or_insert(&member.node);
                    }
                    _ => applied_presets(&member.node, names),
                }
            }
        }
        NodeValue::Array(items) => items.iter().for_each(|item| applied_presets(item, names)),
        _ => (),
    }
}

struct Compiler<'a, 'r> {
    policy: &'a Loaded,
    section: &'a Node,
    env: Env<'a>,
    report: &'r mut Report,
}

/// Rules of a program while it is made.
#[derive(Default)]
struct Draft {
    conditions: Vec<Condition>,
    rules: Vec<Rule>,
    sources: Vec<Source>,
}

impl Draft {
    fn push(
        &mut self,
        pointer: &str,
        selector: Selector,
        action: Action,
        siblings: &[(String, serde_json::Value)],
        having: &[(String, serde_json::Value)],
    ) -> RuleId {
        let siblings = self.conditions(siblings.iter().chain(&selector.siblings));
        let having = self.conditions(having.iter().chain(&selector.having));
        let has_country = matches!(action, Action::Zip3(_)) && selector.ends_in_member();
        let country = has_country.then(|| Condition { key: (*b"country").into(), value: Scalar::UnitedStates });
        let country = country.and_then(|country| number(&mut self.conditions, country));
        // Where a path leads to an array, a value is put in the place of each element, while JSONPath names the array.
        let replaces_elements = matches!(action, Action::Replace(_)) && selector.anchor != Anchor::Root;
        let asks = !having.is_empty() || matches!(action, Action::AgeCap);
        let each = action.is_for_strings() || replaces_elements || asks;
        let id = RuleId::try_from(self.rules.len()).unwrap_or(RuleId::MAX);
        let knows_r4 = selector.anchor != Anchor::Root;
        self.rules.push(Rule { pointer: pointer.into(), action, siblings, having, country, knows_r4 });
        self.sources.push(Source { selector, each });
        id
    }

    fn conditions<'c>(&mut self, wanted: impl Iterator<Item = &'c (String, serde_json::Value)>) -> Box<[ConditionId]> {
        let wanted =
            wanted.filter_map(|(key, value)| Some(Condition { key: key.as_bytes().into(), value: Scalar::of(value)? }));
        wanted.filter_map(|wanted| number(&mut self.conditions, wanted)).collect()
    }
}

impl<'a> Compiler<'a, '_> {
    /// The program of a profile: its own rules, then those of each profile before it in line, then what is done with the
    /// rest.
    fn program(&mut self, name: &str) -> Program {
        let mut draft = Draft::default();
        let line = self.line(name);
        for owner in &line {
            let Some(profile) = self.profile(owner) else { continue };
            for (index, rule) in profile.rules.iter().enumerate() {
                let Some(selector) = selector(rule) else { continue };
                let action = self.action(name, &rule.action, self.node(owner, index));
                let pairs = |all: &BTreeMap<String, serde_json::Value>| -> Vec<_> {
                    all.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
                };
                draft.push(&self.pointer(owner, index), selector, action, &pairs(&rule.siblings), &pairs(&rule.having));
            }
        }
        let needs_fhir = draft.sources.iter().any(|source| source.selector.anchor != Anchor::Root);
        let shifts = draft.rules.iter().any(|rule| matches!(rule.action, Action::Shift(_)));
        let written = draft.rules.len();
        let default = self.setting(&line, |profile| profile.default).unwrap_or(Fallback::Keep);
        let unknown = self.setting(&line, |profile| profile.unknown).unwrap_or(Fallback::Remove);
        let tagged = self.setting(&line, |profile| profile.security_tag).unwrap_or(true);
        if loses_entries(&draft)
            && let Ok(total) = Selector::path("Bundle.total")
        {
            draft.push(&self.pointer_to(name, "total"), total, Action::Remove, &[], &[]);
        }
        let removes_unknown = unknown == Fallback::Remove;
        let unknown = (unknown != default || removes_unknown).then(|| {
            let nowhere = Selector { ways: Vec::new(), ..Selector::root() };
            let action = if unknown == Fallback::Keep { Action::Keep } else { Action::Remove };
            draft.push(&self.pointer_to(name, "unknown"), nowhere, action, &[], &[])
        });
        let mut rest = NO_RULE;
        if default == Fallback::Remove {
            rest = draft.push(&self.pointer_to(name, "default"), Selector::root(), Action::Remove, &[], &[]);
        }
        let Draft { conditions, rules, sources } = draft;
        let mut automaton = build(&Sources { sources: &sources, rules: &rules, unknown }).unwrap_or_else(|_| {
            self.report
                .error(self.section.key(name), Code::InvalidRule, "the rules combine into too many states")
                .help("use `..` once in a path");
            Program::pass().automaton
        });
        if !tagged {
            automaton.resources.iter_mut().for_each(|resource| resource.tags = Default::default());
        }
        let unknown = unknown.filter(|_| removes_unknown).unwrap_or(NO_RULE);
        let (rules, conditions) = (rules.into(), conditions.into());
        Program { name: name.into(), rules, conditions, automaton, needs_fhir, shifts, written, rest, unknown }
    }

    fn setting<T>(&self, line: &[String], of: impl Fn(&Profile) -> Option<T>) -> Option<T> {
        line.iter().find_map(|owner| self.profile(owner).and_then(&of))
    }

    fn action(&mut self, profile: &str, action: &model::Action, at: &Node) -> Action {
        let key =
            |secret: &model::Secret| (self.env)(&secret.env).and_then(|secret| HashKey::new(secret.as_bytes(), profile));
        match action {
            model::Action::Remove => Action::Remove,
            model::Action::Keep => Action::Keep,
            model::Action::Replace(model::ReplaceValue(value)) => Action::Replace(value.to_string().into_bytes().into()),
            model::Action::Mask(model::MaskOptions { keep_last, with }) => {
                Action::Mask(Mask::new(*keep_last, with.unwrap_or('*')))
            }
            // Without its key a value cannot be hashed or moved, and must not stay.
            model::Action::Hash(model::HashOptions { key: secret }) => key(secret).map_or(Action::Remove, Action::Hash),
            model::Action::Year => Action::Year,
            model::Action::AgeCap => Action::AgeCap,
            model::Action::ShiftDates(model::ShiftOptions { key: secret, days }) => {
                key(secret).map_or(Action::Remove, |key| Action::Shift(Shifting::new(key.mac(), *days)))
            }
            model::Action::Zip3(options) => Action::Zip3(Zip3::new(options)),
            model::Action::Scan(options) => {
                Action::Scan(Rc::new(Detectors::compile(options, at.key("action").key("scan"), self.report)))
            }
        }
    }

    /// A profile and those before it, until there is none or one comes again.
    fn line(&self, name: &str) -> Vec<String> {
        let mut line = vec![name.to_owned()];
        while let Some(base) = line.last().and_then(|last| self.base(last)) {
            if line.contains(&base) {
                break;
            }
            line.push(base);
        }
        line
    }

    fn base(&self, name: &str) -> Option<String> {
        self.profile(name)?.extends.clone()
    }

    /// The profile of this name: the policy's own, or a preset.
    fn profile(&self, name: &str) -> Option<&'a Profile> {
        self.policy.model.redaction.get(name).or_else(|| preset::profile(name))
    }

    /// Where a rule stands in the document; for one of a preset, the section.
    fn node(&self, owner: &str, index: usize) -> &'a Node {
        self.section.key(owner).key("rules").item(index)
    }

    fn pointer(&self, owner: &str, index: usize) -> String {
        self.pointer_to(owner, &format!("rules/{index}"))
    }

    /// An RFC 6901 pointer into the policy, or the name of a preset and a pointer into that.
    fn pointer_to(&self, owner: &str, what: &str) -> String {
        if self.policy.model.redaction.contains_key(owner) {
            format!("{}/{what}", self.section.key(owner).pointer)
        } else {
            format!("{owner}#/{what}")
        }
    }
}

/// Where a rule looks.
fn selector(rule: &RedactionRule) -> Option<Selector> {
    match rule {
        RedactionRule { path: Some(path), .. } => Selector::path(path).ok(),
        RedactionRule { json_path: Some(path), .. } => Selector::json_path(path).ok(),
        RedactionRule { datatype: Some(name), child, .. } => Selector::datatype(name, child.as_deref()).ok(),
        RedactionRule { key, .. } => key.as_deref().map(Selector::key),
    }
}

/// Whether rules take whole entries of a Bundle, the resources in them, or a modifier, with which its resource goes:
/// `Bundle.total` would tell how many.
fn loses_entries(draft: &Draft) -> bool {
    draft.rules.iter().zip(&draft.sources).any(|(rule, source)| {
        let is_entry = |of: &Type| matches!(of.name(), "Bundle.entry" | "Resource");
        let selector = &source.selector;
        let takes = match selector.anchor {
            Anchor::Resource(_) => selector.is_whole() || selector.targets().iter().any(is_entry),
            Anchor::Type(_) | Anchor::Root => false,
        };
        matches!(rule.action, Action::Remove) && takes
            || !matches!(rule.action, Action::Keep)
                && (selector.selects_modifier() || selector.selects_type_of_modifiers() || may_name_modifier(source))
    })
}

fn number(conditions: &mut Vec<Condition>, wanted: Condition) -> Option<ConditionId> {
    let at = conditions.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        conditions.push(wanted);
        conditions.len().saturating_sub(1)
    });
    ConditionId::try_from(at).ok()
}
