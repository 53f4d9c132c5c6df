//! What a profile says, for the reference: rules as data, and as the policy writes them.

use serde_json::{Map, Value, json};

/// A profile.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) rules: Vec<Rule>,
    /// What no rule touches goes.
    pub(crate) removes_rest: bool,
    /// What R4 does not have goes.
    pub(crate) removes_unknown: bool,
    pub(crate) tags: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) look: Look,
    pub(crate) deed: Deed,
    /// What siblings of the value have to be, and what its members have to be.
    pub(crate) siblings: Vec<(String, Value)>,
    pub(crate) having: Vec<(String, Value)>,
}

/// Where a rule looks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Look {
    Path(String, Vec<String>),
    Type(String, Option<String>),
    JsonPath(Vec<Step>),
    Key(String),
    /// What R4 does not have, and the root: these two stand for what a profile says of the rest.
    Unknown,
    Root,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Name(String),
    Each,
    Deep(String),
    DeepEach,
    /// Elements from the first index on and before the second.
    Elements(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Deed {
    Remove,
    Keep,
    Replace,
    Mask,
    Hash,
    Year,
    Zip3,
    AgeCap,
    /// Of Social Security numbers.
    Scan,
}

/// What `replace` writes.
pub(crate) const REPLACEMENT: &str = "\"replaced\"";

impl Rule {
    /// Whether it begins at the root and knows nothing of R4.
    pub(crate) fn is_from_root(&self) -> bool {
        matches!(self.look, Look::JsonPath(_) | Look::Key(_) | Look::Root)
    }

    /// Whether what it does depends on the members of a value.
    pub(super) fn asks_within(&self) -> bool {
        !self.having.is_empty() || self.deed == Deed::AgeCap
    }

    /// Whether it is for the elements of an array and not for the whole.
    pub(super) fn is_for_elements(&self) -> bool {
        match self.deed {
            Deed::Mask | Deed::Hash | Deed::Year | Deed::Zip3 | Deed::Scan | Deed::AgeCap => true,
            Deed::Replace => !self.is_from_root() || !self.having.is_empty(),
            Deed::Remove | Deed::Keep => !self.having.is_empty(),
        }
    }

    /// The rule in the policy.
    pub(crate) fn written(&self) -> Value {
        let mut rule = Map::new();
        match &self.look {
            Look::Key(name) => drop(rule.insert("key".into(), json!(name))),
            Look::Path(kind, names) => {
                let path = [std::slice::from_ref(kind), names].concat().join(".");
                rule.insert("path".into(), json!(path));
            }
            Look::Type(name, child) => {
                rule.insert("type".into(), json!(name));
                child.iter().for_each(|child| drop(rule.insert("child".into(), json!(child))));
            }
            Look::JsonPath(steps) => {
                let step = |step: &Step| match step {
                    Step::Name(name) => format!(".{name}"),
                    Step::Each => "[*]".to_owned(),
                    Step::Deep(name) => format!("..{name}"),
                    Step::DeepEach => "..*".to_owned(),
                    Step::Elements(from, to) if *to == from + 1 => format!("[{from}]"),
                    Step::Elements(from, to) => format!("[{from}:{to}]"),
                };
                rule.insert("json_path".into(), json!(format!("${}", steps.iter().map(step).collect::<String>())));
            }
            Look::Unknown | Look::Root => (),
        }
        let action = match self.deed {
            Deed::Remove => json!("remove"),
            Deed::Keep => json!("keep"),
            Deed::Replace => json!({"replace": serde_json::from_str::<Value>(REPLACEMENT).expect("JSON")}),
            Deed::Mask => json!({"mask": {}}),
            Deed::Hash => json!({"hash": {"key": {"env": "PHI_KEY"}}}),
            Deed::Year => json!("year"),
            Deed::Zip3 => json!({"zip3": {}}),
            Deed::AgeCap => json!("age_cap"),
            Deed::Scan => json!({"scan": ["us_ssn"]}),
        };
        rule.insert("action".into(), action);
        for (key, conditions) in [("where", &self.siblings), ("having", &self.having)] {
            rule.insert(key.into(), conditions.iter().cloned().collect::<Map<_, _>>().into());
        }
        rule.into()
    }
}

impl Profile {
    /// The profile in the policy.
    pub(crate) fn written(&self) -> Value {
        let fallback = |removes: bool| if removes { "remove" } else { "keep" };
        json!({
            "default": fallback(self.removes_rest), "unknown": fallback(self.removes_unknown), "security_tag": self.tags,
            "rules": self.rules.iter().map(Rule::written).collect::<Vec<_>>()})
    }
}
