//! Profiles that come with Carewarden: policy JSON like any other, to be printed, extended and overridden.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::policy::model::Profile;

/// Each by its name, as it is written.
const TEXTS: &[(&str, &str)] = &[
    ("hipaa-safe-harbor", include_str!("preset/hipaa-safe-harbor.json")),
    ("limited-data-set", include_str!("preset/limited-data-set.json")),
    ("minimum-necessary-billing", include_str!("preset/minimum-necessary-billing.json")),
    ("minimum-necessary-research", include_str!("preset/minimum-necessary-research.json")),
    ("minimum-necessary-scheduling", include_str!("preset/minimum-necessary-scheduling.json")),
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// The preset of this name, as JSON: a profile of a policy's `redaction`.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// The preset of this name.
pub(super) fn profile(name: &str) -> Option<&'static Profile> {
    static PROFILES: LazyLock<BTreeMap<&'static str, Profile>> = LazyLock::new(|| {
        // One that could not be read would not be there, and a policy that names it would be refused; a test reads all.
        TEXTS.iter().filter_map(|(name, text)| Some((*name, serde_json::from_str(text).ok()?))).collect()
    });
    PROFILES.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use crate::policy::diagnostic::Report;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    /// As a profile of a policy each is without an error, and without a warning but for what a preset has to leave open.
    #[test]
    fn every_preset_is_a_valid_profile() {
        for name in names() {
            assert!(profile(name).is_some(), "{name}");
            let profile = text(name).unwrap();
            let policy = format!(r#"{{"version": 1, "name": "x", "routes": [], "redaction": {{"own": {profile}}}}}"#);
            let mut report = Report::new(&policy);
            let env = |name: &str| (name == "PHI_KEY").then(|| KEY.to_owned());
            let loaded = policy::load(&policy, &mut report).unwrap();
            super::super::compile(&loaded, &env, &mut report);
            assert!(report.is_empty(), "{name}: {:?}", report.into_vec());
        }
    }

    /// Whoever takes a preset needs the secrets that it names, and is told where it is taken.
    #[test]
    fn the_secrets_of_a_preset_are_looked_for_where_it_is_taken() {
        let policy = r#"{"version": 1, "name": "x", "redaction": {"own": {"extends": "limited-data-set"},
            "other": {"extends": "own"}, "free": {"extends": "minimum-necessary-billing"}},
            "routes": [{"name": "r", "match": {"paths": ["/"]}, "authenticate": "none", "authorize": [{"allow": {}}],
                "response": {"redact": [{"apply": "limited-data-set"}, {"apply": "own"}, {"apply": "minimum-necessary-billing"}]}}]}"#;
        for (key, code) in [(None, Some("missing-secret")), (Some("short"), Some("weak-secret")), (Some(KEY), None)] {
            let mut report = Report::new(policy);
            let loaded = policy::load(policy, &mut report).unwrap();
            super::super::compile(&loaded, &|_| key.map(str::to_owned), &mut report);
            let found = report.into_vec().into_iter().map(|found| (found.code.as_str(), found.pointer));
            let places = ["/redaction/own/extends", "/routes/0/response/redact/0/apply"].map(str::to_owned);
            let expected = code.into_iter().flat_map(|code| places.clone().map(|place| (code, place)));
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{key:?}");
        }
    }
}
