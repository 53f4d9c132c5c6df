//! From the policy's `redaction` section to [`Program`]s, with everything that is wrong with it.
//!
//! A profile's own rules come before those it `extends`. Besides their form, rules are refused that could never take
//! effect because an earlier rule of the same profile has taken their values already: whoever wrote them expects
//! something else to happen.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::action::{Action, HashKey, Mask};
use super::automaton::{Source, build};
use super::place::MODIFIER;
use super::program::{Condition, ConditionId, Program, Rule, Scalar};
use super::syntax::{Anchor, Fault, Kind, Selector};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{self, RedactionRule};
use crate::policy::{Env, Loaded};

/// The name that `apply` has for the full view.
const FULL_VIEW: &str = "none";

/// Profiles that a later version brings.
const PLANNED: &[&str] = &["hipaa-safe-harbor", "hipaa-limited-data-set", "minimum-necessary"];

/// The shortest secret that keys an HMAC with SHA-256 as it should be (RFC 2104 section 3).
const SECRET_BYTES: usize = 32;

/// Compiles every profile. What is wrong is in `report`; the programs count only when it has no errors.
pub fn compile(policy: &Loaded, env: Env<'_>, report: &mut Report) -> BTreeMap<String, Rc<Program>> {
    let section = policy.root.key("redaction");
    let mut compiler = Compiler { policy, section, env, report };
    for (name, profile) in &policy.model.redaction {
        compiler.check_profile(name, profile);
    }
    policy.model.redaction.keys().map(|name| (name.clone(), Rc::new(compiler.program(name)))).collect()
}

struct Compiler<'a, 'r> {
    policy: &'a Loaded,
    section: &'a Node,
    env: Env<'a>,
    report: &'r mut Report,
}

impl<'a> Compiler<'a, '_> {
    /// Reports what is wrong with a profile and its own rules.
    fn check_profile(&mut self, name: &str, profile: &model::Profile) {
        let at = self.section.key(name);
        if name == FULL_VIEW {
            self.report
                .error(at, Code::InvalidValue, "a profile cannot be called `none`")
                .help("`apply: \"none\"` is the full view; choose another name");
        }
        if let Some(base) = &profile.extends {
            self.check_base(name, base);
        }
        let mut selectors: Vec<(&RedactionRule, Selector)> = Vec::new();
        for (index, rule) in profile.rules.iter().enumerate() {
            let at = at.key("rules").item(index);
            self.check_action(at, rule);
            let Some(selector) = self.selector(at, rule) else { continue };
            self.check_conditions(at, rule, &selector);
            if selector.steps.is_empty() && !matches!(rule.action, model::Action::Remove | model::Action::Keep) {
                self.report
                    .error(at.key("action"), Code::InvalidRule, "a whole resource or answer can only be removed or kept")
                    .help("name an element of it");
            }
            if selector.ends_in(MODIFIER) && !matches!(rule.action, model::Action::Keep) {
                self.report
                    .warning(at, Code::Risky, "without a modifier a resource says something else: its answer is refused")
                    .help("remove the resource instead, or leave the modifier");
            }
            if selectors.iter().any(|(earlier, around)| takes_all(earlier, around, &selector)) {
                self.report
                    .error(at, Code::UnreachableRule, "an earlier rule has taken all that this one is about")
                    .help("the first rule that touches a value wins: move this rule before the other, or remove it");
            }
            selectors.push((rule, selector));
        }
    }

    fn check_base(&mut self, name: &str, base: &str) {
        let at = self.section.key(name).key("extends");
        if !self.policy.model.redaction.contains_key(base) {
            if PLANNED.contains(&base) {
                let message = format!("the preset `{base}` is not supported by this version");
                self.report.error(at, Code::NotSupported, message).help("write the rules out in a profile of your own");
            } else if !self.policy.defines("redaction", base) {
                let names = self.policy.model.redaction.keys().map(String::as_str);
                let message = format!("there is no redaction profile `{base}`");
                self.report.error(at, Code::MissingReference, message).nearest(base, names);
            }
        }
        let line = self.line(name);
        if line.last().and_then(|last| self.base(last)) == Some(name) {
            let message = format!("profile `{name}` extends itself, through {}", line.join(", "));
            self.report.error(at, Code::ReferenceCycle, message).help("let one of them extend nothing");
        }
    }

    /// The selector of a rule, if it can be read.
    fn selector(&mut self, at: &Node, rule: &RedactionRule) -> Option<Selector> {
        let (key, read) = match (&rule.path, &rule.json_path, &rule.key) {
            (Some(path), None, None) => ("path", Selector::path(path)),
            (None, Some(path), None) => ("json_path", Selector::json_path(path)),
            (None, None, Some(key)) => ("key", Ok(Selector::key(key))),
            (None, None, None) => {
                self.report
                    .error(at, Code::InvalidRule, "the rule does not say where it looks")
                    .help("add one of `path`, `json_path` and `key`");
                return None;
            }
            _ => {
                self.report
                    .error(at, Code::InvalidRule, "the rule says more than once where it looks")
                    .help("keep one of `path`, `json_path` and `key`; write a rule for each");
                return None;
            }
        };
        match read {
            Ok(selector) => Some(selector),
            Err(Fault { kind, message, help }) => {
                let code = match kind {
                    Kind::Invalid => Code::InvalidRule,
                    Kind::UnknownType => Code::UnknownType,
                    Kind::NotSupported => Code::NotSupported,
                };
                self.report.error(at.key(key), code, message).help(help);
                None
            }
        }
    }

    fn check_conditions(&mut self, at: &Node, rule: &RedactionRule, selector: &Selector) {
        if !rule.siblings.is_empty() && !selector.ends_in_member() {
            self.report
                .error(at.key("where"), Code::InvalidRule, "`where` is about siblings, and what this rule selects has none")
                .help("end the path in a member's name");
        }
        for (name, value) in &rule.siblings {
            let at = at.key("where").key(name);
            if Scalar::of(value).is_none() {
                self.report
                    .error(at, Code::InvalidRule, "a sibling is compared with a string, a number, true, false or null")
                    .help("name a scalar sibling of the value");
            }
            let is_path = matches!(selector.anchor, Anchor::Resource(_));
            if is_path && !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.report
                    .error(at, Code::InvalidRule, format!("`{name}` is not an element name"))
                    .help("name an element beside the value, without dots or brackets");
            }
        }
    }

    fn check_action(&mut self, at: &Node, rule: &RedactionRule) {
        let at = at.key("action");
        match &rule.action {
            model::Action::Replace(model::ReplaceValue(Value::Array(_) | Value::Object(_))) => {
                self.report
                    .error(at.key("replace"), Code::InvalidRule, "a value is replaced by a scalar")
                    .help("write a string, a number, true, false or null");
            }
            model::Action::Hash(model::HashOptions { key }) => self.check_secret(at.key("hash").key("key"), key),
            model::Action::Remove | model::Action::Keep | model::Action::Replace(_) | model::Action::Mask(_) => (),
        }
    }

    fn check_secret(&mut self, at: &Node, secret: &model::Secret) {
        let name = &secret.env;
        if secret.previous.is_some() {
            self.report
                .error(at.key("previous"), Code::NotSupported, "a hash is made with one key")
                .help("remove it; after a change of key the hashes are others");
        }
        match (self.env)(name) {
            None => self
                .report
                .warning(
                    at.key("env"),
                    Code::MissingSecret,
                    format!("`{name}` is not in the environment: values are removed"),
                )
                .help("set it in `vm_config.environment_variables`"),
            Some(value) if value.len() < SECRET_BYTES => self
                .report
                .error(at.key("env"), Code::WeakSecret, format!("`{name}` is shorter than {SECRET_BYTES} bytes"))
                .help("a short key can be guessed, and with it what was hashed; `openssl rand -hex 32` makes one"),
            Some(_) => (),
        }
    }

    /// The program of a profile: its own rules, then those of each profile before it in line.
    fn program(&mut self, name: &str) -> Program {
        let mut conditions: Vec<Condition> = Vec::new();
        let (mut rules, mut sources) = (Vec::new(), Vec::new());
        for owner in self.line(name) {
            let Some(profile) = self.policy.model.redaction.get(owner) else { continue };
            for (index, rule) in profile.rules.iter().enumerate() {
                let pointer = &self.section.key(owner).key("rules").item(index).pointer;
                let Some(selector) = selector(rule) else { continue };
                let each =
                    matches!(selector.anchor, Anchor::Resource(_)) && matches!(rule.action, model::Action::Replace(_));
                let siblings = rule
                    .siblings
                    .iter()
                    .filter_map(|(key, value)| Some(Condition { key: key.as_bytes().into(), value: Scalar::of(value)? }));
                let ids: Box<[ConditionId]> = siblings.filter_map(|wanted| number(&mut conditions, wanted)).collect();
                let action = self.action(name, &rule.action);
                rules.push(Rule { pointer: (&**pointer).into(), action, conditions: ids.clone() });
                sources.push(Source { selector, conditions: ids, each });
            }
        }
        let automaton = build(&sources).unwrap_or_else(|_| {
            self.report
                .error(self.section.key(name), Code::InvalidRule, "the rules combine into too many states")
                .help("use `..` once in a path");
            Program::pass().automaton
        });
        Program { name: name.into(), rules: rules.into(), conditions: conditions.into(), automaton }
    }

    fn action(&self, profile: &str, action: &model::Action) -> Action {
        match action {
            model::Action::Remove => Action::Remove,
            model::Action::Keep => Action::Keep,
            model::Action::Replace(model::ReplaceValue(value)) => Action::Replace(value.to_string().into_bytes().into()),
            model::Action::Mask(model::MaskOptions { keep_last, with }) => {
                Action::Mask(Mask::new(*keep_last, with.unwrap_or('*')))
            }
            // Without its key a value cannot be hashed, and must not stay.
            model::Action::Hash(model::HashOptions { key }) => (self.env)(&key.env)
                .and_then(|secret| HashKey::new(secret.as_bytes(), profile))
                .map_or(Action::Remove, Action::Hash),
        }
    }

    /// A profile and those before it, until there is none or one comes again.
    fn line<'n>(&'n self, name: &'n str) -> Vec<&'n str> {
        let mut line = vec![name];
        while let Some(base) = line.last().and_then(|last| self.base(last)) {
            if line.contains(&base) {
                break;
            }
            line.push(base);
        }
        line
    }

    fn base(&self, name: &str) -> Option<&'a str> {
        self.policy.model.redaction.get(name)?.extends.as_deref()
    }
}

/// Whether `earlier` touches everything that a later rule, which looks at `later`, could.
fn takes_all(earlier: &RedactionRule, around: &Selector, later: &Selector) -> bool {
    let ends_subtree = matches!(earlier.action, model::Action::Remove | model::Action::Keep | model::Action::Replace(_));
    earlier.siblings.is_empty() && (around == later || ends_subtree && around.is_around(later))
}

fn selector(rule: &RedactionRule) -> Option<Selector> {
    match rule {
        RedactionRule { path: Some(path), .. } => Selector::path(path).ok(),
        RedactionRule { json_path: Some(path), .. } => Selector::json_path(path).ok(),
        RedactionRule { key, .. } => key.as_deref().map(Selector::key),
    }
}

fn number(conditions: &mut Vec<Condition>, wanted: Condition) -> Option<ConditionId> {
    let at = conditions.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        conditions.push(wanted);
        conditions.len().saturating_sub(1)
    });
    ConditionId::try_from(at).ok()
}
