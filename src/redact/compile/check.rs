//! What is wrong with a profile, or rarely meant.

use serde_json::Value;

use super::{Compiler, FULL_VIEW};
use crate::fhir::elements::{Element, Kind, Type};
use crate::policy::diagnostic::{Code, quoted_variable};
use crate::policy::document::Node;
use crate::policy::model::{self, Fallback, Profile, RedactionRule};
use crate::redact::preset;
use crate::redact::program::Scalar;
use crate::redact::syntax::{Anchor, Fault, FaultKind, Selector};

/// The shortest secret that keys an HMAC with SHA-256 as it should be (RFC 2104 section 3).
const SECRET_BYTES: usize = 32;

/// The longest name of a member that a rule can look for: with `_` before it the table of keys can still say how long it is.
const MAX_NAME: usize = u8::MAX as usize - 1;

const DATES: &[&str] = &["date", "dateTime", "instant", "time"];

impl Compiler<'_, '_> {
    /// Reports what is wrong with a profile and its own rules.
    pub(super) fn check_profile(&mut self, name: &str, profile: &Profile) {
        let at = self.section.key(name);
        if name == FULL_VIEW {
            self.report
                .error(at, Code::InvalidValue, "a profile cannot be called `none`")
                .help("`apply: \"none\"` is the full view; choose another name");
        }
        if preset::profile(name).is_some() {
            self.report
                .error(at, Code::DuplicateName, format!("`{name}` is the name of a preset"))
                .help(format!("choose another name and write `\"extends\": \"{name}\"`"));
        }
        if let Some(base) = &profile.extends {
            self.check_base(name, base);
        }
        let mut selectors: Vec<(&RedactionRule, Selector)> = Vec::new();
        for (index, rule) in profile.rules.iter().enumerate() {
            let at = at.key("rules").item(index);
            self.check_options(at, rule);
            let Some(selector) = self.selector(at, rule) else { continue };
            self.check_conditions(at, rule, &selector);
            self.check_action(at, rule, &selector);
            if selectors.iter().any(|(earlier, around)| takes_all(earlier, around, rule, &selector)) {
                self.report
                    .error(at, Code::UnreachableRule, "an earlier rule has taken all that this one is about")
                    .help("the first rule that touches a value wins: move this rule before the other, or remove it");
            }
            selectors.push((rule, selector));
        }
        self.check_modifiers(at, profile, &selectors);
    }

    fn check_base(&mut self, name: &str, base: &str) {
        let at = self.section.key(name).key("extends");
        if self.profile(base).is_none() && !self.policy.defines("redaction", base) {
            let mut names: Vec<&str> = self.policy.model.redaction.keys().map(String::as_str).collect();
            preset::names().for_each(|name| names.push(name));
            let message = format!("there is no redaction profile or preset `{base}`");
            self.report.error(at, Code::MissingReference, message).nearest(base, names);
        }
        self.check_secrets_of_preset(base, at);
        let line = self.line(name);
        if line.last().and_then(|last| self.base(last)).as_deref() == Some(name) {
            let message = format!("profile `{name}` extends itself, through {}", line.join(", "));
            self.report.error(at, Code::ReferenceCycle, message).help("let one of them extend nothing");
        }
    }

    /// The selector of a rule, if it can be read.
    fn selector(&mut self, at: &Node, rule: &RedactionRule) -> Option<Selector> {
        if rule.child.is_some() && rule.datatype.is_none() {
            self.report
                .error(at.key("child"), Code::InvalidRule, "`child` says what of a `type`, and there is none")
                .help("add `type`, or write the path out");
        }
        let (key, read) = match (&rule.path, &rule.datatype, &rule.json_path, &rule.key) {
            (Some(path), None, None, None) => ("path", Selector::path(path)),
            (None, Some(name), None, None) => {
                let read = Selector::datatype(name, rule.child.as_deref());
                (if rule.child.is_some() && Selector::datatype(name, None).is_ok() { "child" } else { "type" }, read)
            }
            (None, None, Some(path), None) => ("json_path", Selector::json_path(path)),
            (None, None, None, Some(key)) => ("key", Ok(Selector::key(key))),
            (None, None, None, None) => {
                self.report
                    .error(at, Code::InvalidRule, "the rule does not say where it looks")
                    .help("add one of `path`, `type`, `json_path` and `key`");
                return None;
            }
            _ => {
                self.report
                    .error(at, Code::InvalidRule, "the rule says more than once where it looks")
                    .help("keep one of `path`, `type`, `json_path` and `key`; write a rule for each");
                return None;
            }
        };
        match read {
            Ok(selector) if selector.has_longer_name(MAX_NAME) => {
                self.report
                    .error(at.key(key), Code::InvalidRule, format!("a name is longer than {MAX_NAME} bytes"))
                    .help("remove what is around such a member");
                None
            }
            Ok(selector) => Some(selector),
            Err(Fault { kind, message, help }) => {
                let code = match kind {
                    FaultKind::Invalid => Code::InvalidRule,
                    FaultKind::UnknownType => Code::UnknownType,
                    FaultKind::NotSupported => Code::NotSupported,
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
                .help("end the path in a member's name, or write `having` for members of the value itself");
        }
        let (around, own) = (selector.containers(), selector.targets());
        for (key, all, types) in [("where", &rule.siblings, &around), ("having", &rule.having, &own)] {
            for (name, value) in all {
                let at = at.key(key).key(name);
                if Scalar::of(value).is_none() {
                    self.report
                        .error(at, Code::InvalidRule, "a member is compared with a string, a number, true, false or null")
                        .help("name a member that is a scalar; write `{\"one_of\": […]}` where it may be one of several");
                }
                let is_known = |of: &Type| of.element(name).is_some_and(|found| found.of().kind() == Kind::Primitive);
                if !types.is_empty() && !types.iter().any(is_known) {
                    let names = types.iter().flat_map(|of| of.elements().iter().map(Element::name));
                    let owners: Vec<&str> = types.iter().map(|of| of.name()).take(4).collect();
                    let more = if types.len() > owners.len() { " and others" } else { "" };
                    let message = format!("R4 has no scalar element `{name}` in `{}`{more}", owners.join("`, `"));
                    self.report.error(at, Code::InvalidRule, message).nearest(name, names);
                }
            }
        }
    }

    /// Whether the action fits what R4 has there. What it does not fit it would remove, which nobody meant who wrote it.
    fn check_action(&mut self, at: &Node, rule: &RedactionRule, selector: &Selector) {
        let at = at.key("action");
        if matches!(rule.action, model::Action::Remove | model::Action::Keep) {
            return;
        }
        if selector.is_whole() {
            self.report
                .error(at, Code::InvalidRule, "a whole resource or answer can only be removed or kept")
                .help("name an element of it");
            return;
        }
        let fits = |of: &Type| match &rule.action {
            model::Action::AgeCap => of.element("value").is_some() && of.element("code").is_some(),
            _ if of.kind() != Kind::Primitive => false,
            model::Action::Year | model::Action::ShiftDates(_) => DATES.contains(&of.name()),
            model::Action::Replace(_) => true,
            _ => !of.is_no_string(),
        };
        if let Some(of) = selector.targets().into_iter().find(|of| !fits(of)) {
            let (message, help) = match (&rule.action, of.kind()) {
                (model::Action::AgeCap, _) => ("is no Age", "name an element that is an Age or another Quantity"),
                (model::Action::Year | model::Action::ShiftDates(_), Kind::Primitive) => {
                    ("is no date", "name a date, dateTime or instant")
                }
                (_, Kind::Primitive) => ("is no string in JSON", "remove or replace it"),
                _ => ("has elements of its own", "name one of them, with `child` or in the path, or remove the whole"),
            };
            self.report
                .error(at, Code::InvalidRule, format!("the action does not fit: `{}` {message}", of.name()))
                .help(help);
        }
    }

    fn check_options(&mut self, at: &Node, rule: &RedactionRule) {
        let at = at.key("action");
        if let model::Action::Replace(model::ReplaceValue(Value::Array(_) | Value::Object(_))) = &rule.action {
            self.report
                .error(at.key("replace"), Code::InvalidRule, "a value is replaced by a scalar")
                .help("write a string, a number, true, false or null");
        }
        match &rule.action {
            model::Action::Hash(model::HashOptions { key }) => self.check_secret(at.key("hash").key("key"), key),
            model::Action::ShiftDates(model::ShiftOptions { key, days }) => {
                self.check_secret(at.key("shift_dates").key("key"), key);
                if *days == 0 {
                    self.report
                        .error(
                            at.key("shift_dates").key("days"),
                            Code::InvalidRule,
                            "a date that does not move is not hidden",
                        )
                        .help("write how many days a date may move to either side, or leave it out: 50");
                }
            }
            model::Action::Zip3(model::Zip3Options { restricted: Some(areas), .. }) => {
                let at = at.key("zip3").key("restricted");
                let is_area = |area: &str| area.len() == 3 && area.bytes().all(|byte| byte.is_ascii_digit());
                for (index, _) in areas.iter().enumerate().filter(|(_, area)| !is_area(area)) {
                    self.report
                        .error(at.item(index), Code::InvalidRule, "an area is the first three digits of a ZIP code")
                        .help("write it as `\"036\"`");
                }
            }
            _ => (),
        }
    }

    /// Looks for the secrets that a preset asks for, on behalf of who takes it `at` this place.
    pub(super) fn check_secrets_of_preset(&mut self, name: &str, at: &Node) {
        for rule in preset::profile(name).iter().flat_map(|profile| &profile.rules) {
            match &rule.action {
                model::Action::Hash(model::HashOptions { key }) => self.check_secret(at, key),
                model::Action::ShiftDates(model::ShiftOptions { key, .. }) => self.check_secret(at, key),
                _ => (),
            }
        }
    }

    fn check_secret(&mut self, at: &Node, secret: &model::Secret) {
        let name = &secret.env;
        if secret.previous.is_some() {
            self.report
                .error(at.key("previous"), Code::NotSupported, "a pseudonym is made with one key")
                .help("remove it; after a change of key the pseudonyms are others");
        }
        match (self.env)(name) {
            None => self
                .report
                .warning(
                    at.key("env"),
                    Code::MissingSecret,
                    format!("{} is not in the environment: values are removed", quoted_variable(name)),
                )
                .help("set it in `vm_config.environment_variables`"),
            Some(value) if value.len() < SECRET_BYTES => self
                .report
                .error(at.key("env"), Code::WeakSecret, format!("`{name}` is shorter than {SECRET_BYTES} bytes"))
                .help("a short key can be guessed, and with it what was hashed; `openssl rand -hex 32` makes one"),
            Some(_) => (),
        }
    }

    /// Warns where a resource will go because a modifier of it does.
    fn check_modifiers(&mut self, at: &Node, profile: &Profile, selectors: &[(&RedactionRule, Selector)]) {
        for (index, rule) in profile.rules.iter().enumerate() {
            let names_one = selectors.iter().any(|(own, selector)| std::ptr::eq(*own, rule) && selector.selects_modifier());
            if names_one && matches!(rule.action, model::Action::Remove) {
                self.report
                    .warning(
                        at.key("rules").item(index),
                        Code::Risky,
                        "without a modifier a resource says something else: it goes",
                    )
                    .help("remove the resource instead, or leave the modifier");
            }
        }
        if profile.default != Some(Fallback::Remove) {
            return;
        }
        for (rule, selector) in selectors {
            let Anchor::Resource(kind) = selector.anchor else { continue };
            let Some(of) = Type::of_resource(kind) else { continue };
            let keeps = |rule: &RedactionRule| !matches!(rule.action, model::Action::Remove);
            let is_kept = |element: &Element| {
                selectors.iter().filter(|(rule, _)| keeps(rule)).any(|(_, own)| match own.anchor {
                    Anchor::Type(of) => of == element.of() && own.ways.iter().any(Vec::is_empty),
                    anchor => anchor == selector.anchor && (own.is_whole() || own.begins_with(element.name())),
                })
            };
            let lost: Vec<&str> = of
                .elements()
                .iter()
                .filter(|element| element.is_modifier() && !is_kept(element))
                .map(Element::name)
                .filter(|name| !matches!(*name, "modifierExtension" | "implicitRules"))
                .collect();
            if !lost.is_empty() && std::ptr::eq(*rule, first_of(selectors, selector.anchor)) {
                let message = format!(
                    "a {} that has `{}` goes: the profile keeps no such modifier",
                    kind.name(),
                    lost.join("` or `")
                );
                self.report
                    .warning(at.key("default"), Code::Risky, message)
                    .help("keep them, since without a modifier a resource says something else");
            }
        }
    }
}

/// The first rule of this anchor: what is said of a resource type is said once.
fn first_of(selectors: &[(&RedactionRule, Selector)], anchor: Anchor) -> *const RedactionRule {
    selectors.iter().find(|(_, own)| own.anchor == anchor).map_or(std::ptr::null(), |(rule, _)| std::ptr::from_ref(*rule))
}

/// Whether `earlier` touches everything that a later rule, which looks at `later`, could.
pub(super) fn takes_all(earlier: &RedactionRule, around: &Selector, rule: &RedactionRule, later: &Selector) -> bool {
    let ends_subtree = matches!(earlier.action, model::Action::Remove | model::Action::Keep | model::Action::Replace(_));
    let conditions = |rule: &RedactionRule, own: &Selector| {
        !(rule.siblings.is_empty() && rule.having.is_empty() && own.siblings.is_empty() && own.having.is_empty())
    };
    // The same question asked twice is answered the first time.
    let same = earlier.siblings == rule.siblings && earlier.having == rule.having && around == later;
    let around_all = (around == later || ends_subtree && around.is_around(later)) && !conditions(earlier, around);
    same || around_all || by_type(ends_subtree, earlier, around, later)
}

/// Whether a rule about a datatype takes what a later path leads to.
fn by_type(ends_subtree: bool, earlier: &RedactionRule, around: &Selector, later: &Selector) -> bool {
    let Anchor::Type(of) = around.anchor else { return false };
    let whole = around.ways.iter().any(Vec::is_empty) && earlier.siblings.is_empty() && earlier.having.is_empty();
    let targets = later.targets();
    let is_same = |target: &Type| *target == of;
    whole && !targets.is_empty() && (targets.iter().all(is_same) || ends_subtree && later.passes_through(of))
}
