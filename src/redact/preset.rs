//! Profiles that come with Carewarden: policy JSON like any other, to be printed, extended and overridden.
//!
//! What they do is all that they promise. Whether what is left is de-identified in the sense of HIPAA depends on what
//! else is known to whoever receives it (45 CFR 164.514(b)(2)(ii)), which no filter can see.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::policy::model::Profile;

/// A preset as it is written.
struct Preset {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

/// All of them, by name.
const PRESETS: &[Preset] = &[
    Preset {
        name: "hipaa-safe-harbor",
        about: "the list of 45 CFR 164.514(b)(2)(i) in all 146 types: no names, contacts, numbers, texts, URLs, pictures and \
                extensions; of dates the year, of ZIP codes the area, ages over 89 as one, ids as pseudonyms",
        text: include_str!("preset/hipaa-safe-harbor.json"),
    },
    Preset {
        name: "limited-data-set",
        about: "45 CFR 164.514(e)(2), for who signed a data use agreement: as Safe Harbor, but with dates, ages, towns and \
                ZIP codes",
        text: include_str!("preset/limited-data-set.json"),
    },
    Preset {
        name: "minimum-necessary-billing",
        about: "an example of an allow list: claims and coverage whole but for narratives, who they are about, no \
                clinical record",
        text: include_str!("preset/minimum-necessary-billing.json"),
    },
    Preset {
        name: "minimum-necessary-research",
        about: "an example of an allow list: codes and measurements under pseudonyms, with years and areas, of nine types",
        text: include_str!("preset/minimum-necessary-research.json"),
    },
    Preset {
        name: "minimum-necessary-scheduling",
        about: "an example of an allow list: who comes when and where, and how to reach them, but not why",
        text: include_str!("preset/minimum-necessary-scheduling.json"),
    },
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// What the preset of this name does, in a line.
#[must_use]
pub fn about(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|preset| preset.name == name).map(|preset| preset.about)
}

/// The preset of this name, as JSON: a profile of a policy's `redaction`.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|preset| preset.name == name).map(|preset| preset.text)
}

/// The preset of this name.
pub(super) fn profile(name: &str) -> Option<&'static Profile> {
    static PROFILES: LazyLock<BTreeMap<&'static str, Profile>> = LazyLock::new(|| {
        // One that could not be read would not be there, and a policy that names it would be refused; a test reads all.
        PRESETS.iter().filter_map(|preset| Some((preset.name, serde_json::from_str(preset.text).ok()?))).collect()
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
