//! What is said of a `redaction` section that cannot work.

use serde_json::{Value, json};

use crate::support::{compiled, programs};

fn problems(profiles: &Value) -> Vec<String> {
    programs(profiles).err().unwrap_or_default()
}

fn rule(rule: Value) -> Vec<String> {
    problems(&json!({"p": {"rules": [rule]}}))
}

#[test]
fn a_rule_says_once_where_it_looks() {
    let at = "/redaction/p/rules/0";
    assert_eq!(rule(json!({"action": "remove"})), [format!("invalid-rule {at}")]);
    assert_eq!(rule(json!({"key": "a", "path": "Patient.id", "action": "remove"})), [format!("invalid-rule {at}")]);
    assert_eq!(rule(json!({"path": "Patiant.id", "action": "remove"})), [format!("unknown-type {at}/path")]);
    assert_eq!(rule(json!({"path": "Patient.name[0]", "action": "remove"})), [format!("invalid-rule {at}/path")]);
    assert_eq!(rule(json!({"path": "Patient.nmae", "action": "remove"})), [format!("invalid-rule {at}/path")]);
    assert_eq!(rule(json!({"type": "Humanname", "action": "remove"})), [format!("unknown-type {at}/type")]);
    assert_eq!(
        rule(json!({"type": "Address", "child": "lines", "action": "remove"})),
        [format!("invalid-rule {at}/child")]
    );
    assert_eq!(rule(json!({"key": "a", "child": "b", "action": "remove"})), [format!("invalid-rule {at}/child")]);
    assert_eq!(rule(json!({"json_path": "a.b", "action": "remove"})), [format!("invalid-rule {at}/json_path")]);
    assert_eq!(rule(json!({"json_path": "$.a[-1]", "action": "remove"})), [format!("not-supported {at}/json_path")]);
    for (length, problems) in [(254, 0), (255, 1), (300, 1)] {
        assert_eq!(rule(json!({"key": "a".repeat(length), "action": "remove"})).len(), problems, "{length}");
        let path = format!("$.x['{}']", "a".repeat(length));
        assert_eq!(rule(json!({"json_path": path, "action": "remove"})).len(), problems, "{length}");
    }
    for valid in [
        json!({"key": "a"}),
        json!({"path": "Patient.id"}),
        json!({"path": "Patient"}),
        json!({"json_path": "$..a[*]"}),
        json!({"path": "Observation.value[x]"}),
        json!({"type": "Address", "child": "line"}),
        json!({"json_path": "$.a[0]"}),
    ] {
        let mut valid = valid;
        valid["action"] = json!("remove");
        assert_eq!(rule(valid), [""; 0]);
    }
}

#[test]
fn a_condition_is_a_scalar_of_a_sibling() {
    let at = "/redaction/p/rules/0/where";
    assert_eq!(rule(json!({"key": "a", "where": {"x": [1]}, "action": "remove"})), [format!("invalid-rule {at}/x")]);
    assert_eq!(rule(json!({"json_path": "$.a[*]", "where": {"x": 1}, "action": "remove"})), [format!("invalid-rule {at}")]);
    assert_eq!(rule(json!({"path": "Patient", "where": {"x": 1}, "action": "remove"})), [format!("invalid-rule {at}")]);
    assert_eq!(
        rule(json!({"path": "Patient.identifier.value", "where": {"system.y": 1}, "action": "remove"})),
        [format!("invalid-rule {at}/system.y")]
    );
    assert_eq!(
        rule(json!({"type": "HumanName", "where": {"gendr": "male"}, "action": "remove"})),
        [format!("invalid-rule {at}/gendr")]
    );
    assert_eq!(rule(json!({"type": "HumanName", "where": {"gender": "male"}, "action": "remove"})), [""; 0]);
    assert_eq!(rule(json!({"key": "a", "where": {"x": "1", "y": 2, "z": true, "n": null}, "action": "remove"})), [""; 0]);
    assert_eq!(rule(json!({"key": "a", "where": {"x": {"one_of": ["1", 2, true, null]}}, "action": "remove"})), [""; 0]);
    for nothing in
        [json!({"one_of": []}), json!({"one_of": "1"}), json!({"one_of": [[1]]}), json!({"one_of": [{"one_of": [1]}]})]
    {
        let wrong = rule(json!({"key": "a", "where": {"x": nothing}, "action": "remove"}));
        assert_eq!(wrong, [format!("invalid-rule {at}/x")], "{nothing}");
    }
    let more = json!({"one_of": [1], "and": 2});
    assert_eq!(rule(json!({"key": "a", "where": {"x": more}, "action": "remove"})), [format!("invalid-rule {at}/x")]);
}

#[test]
fn an_action_fits_and_has_its_secret() {
    let at = "/redaction/p/rules/0/action";
    let hash = |env: &str| json!({"key": "a", "action": {"hash": {"key": {"env": env}}}});
    assert_eq!(rule(hash("PHI_KEY")), [""; 0]);
    assert_eq!(rule(hash("ABSENT")), [""; 0], "a warning, and the values are removed");
    assert_eq!(rule(hash("SHORT_KEY")), [format!("weak-secret {at}/hash/key/env")]);
    assert_eq!(rule(json!({"key": "a", "action": {"replace": {"x": 1}}})), [format!("invalid-rule {at}/replace")]);
    assert_eq!(rule(json!({"json_path": "$", "action": {"replace": "x"}})), [format!("invalid-rule {at}")]);
    assert_eq!(rule(json!({"path": "Patient", "action": {"mask": {}}})), [format!("invalid-rule {at}")]);
    let does_not_fit = |path: &str, action: Value| rule(json!({"path": path, "action": action}));
    for (path, action) in [
        ("Patient.name", json!({"mask": {}})),
        ("Patient.name", json!({"replace": "x"})),
        ("Patient.active", json!({"mask": {}})),
        ("Patient.gender", json!("year")),
        ("Patient.birthDate", json!("age_cap")),
        ("Observation.value[x]", json!({"mask": {}})),
    ] {
        assert_eq!(does_not_fit(path, action), [format!("invalid-rule {at}")], "{path}");
    }
    for (path, action) in [
        ("Patient.name.family", json!({"mask": {}})),
        ("Patient.active", json!({"replace": true})),
        ("Patient.birthDate", json!("year")),
        ("Condition.onsetAge", json!("age_cap")),
        ("Patient.address.postalCode", json!({"zip3": {}})),
    ] {
        assert_eq!(does_not_fit(path, action), [""; 0], "{path}");
    }
    let zip = |areas: Value| rule(json!({"key": "a", "action": {"zip3": {"restricted": areas}}}));
    assert_eq!(zip(json!(["036", "100"])), [""; 0]);
    assert_eq!(zip(json!([])), [""; 0]);
    assert_eq!(
        zip(json!(["036", "36", "0360"])),
        [1, 2].map(|at_item| format!("invalid-rule {at}/zip3/restricted/{at_item}"))
    );
    let shift =
        |days: Value| rule(json!({"key": "a", "action": {"shift_dates": {"key": {"env": "PHI_KEY"}, "days": days}}}));
    assert_eq!((shift(json!(1)).len(), shift(json!(0))), (0, vec![format!("invalid-rule {at}/shift_dates/days")]));
    let rotated = json!({"key": "a", "action": {"hash": {"key": {"env": "PHI_KEY", "previous": "OLD"}}}});
    assert_eq!(rule(rotated), [format!("not-supported {at}/hash/key/previous")]);
}

#[test]
fn a_problem_is_told_with_its_place_and_what_to_do() {
    let rules = json!([{"path": "Patiant.id", "action": "remove"}, {"key": "modifierExtension", "action": "remove"}, {"key": "a", "action": {"hash": {"key": {"env": "ABSENT"}}}}]);
    let (_, found) = compiled(&json!({"p": {"rules": rules}}));
    let told: Vec<String> =
        found.iter().map(|problem| problem.to_string().split_once(": ").unwrap().1.to_owned()).collect();
    let expected = [
        "error[unknown-type]: R4 has no resource type `Patiant` at /redaction/p/rules/0/path (help: did you mean `Patient`?)",
        "warning[risky]: without a modifier a resource says something else: it goes \
         at /redaction/p/rules/1 (help: remove the resource instead, or leave the modifier)",
        "warning[missing-secret]: `ABSENT` is not in the environment: values are removed \
         at /redaction/p/rules/2/action/hash/key/env (help: set it in `vm_config.environment_variables`)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_rule_that_names_a_modifier_is_warned_of() {
    for (rule, warned) in [
        (json!({"path": "Patient.active"}), true),
        (json!({"path": "Patient.modifierExtension"}), true),
        (json!({"path": "Patient.contact.modifierExtension"}), true),
        (json!({"type": "Dosage", "child": "modifierExtension"}), true),
        (json!({"key": "modifierExtension"}), true),
        (json!({"json_path": "$..modifierExtension"}), true),
        (json!({"path": "Patient.name"}), false),
        (json!({"type": "HumanName", "child": "use"}), false),
    ] {
        let mut rule = rule;
        rule["action"] = json!("remove");
        let (_, found) = compiled(&json!({"p": {"rules": [rule]}}));
        assert_eq!(found.iter().any(|found| found.code.as_str() == "risky"), warned, "{rule}");
    }
}

#[test]
fn a_profile_extends_one_that_is_there_and_not_itself() {
    assert_eq!(problems(&json!({"p": {"extends": "q"}, "q": {}})), [""; 0]);
    assert_eq!(problems(&json!({"p": {"extends": "q"}})), ["missing-reference /redaction/p/extends"]);
    assert_eq!(problems(&json!({"p": {"extends": "hipaa-safe-harbor"}})), [""; 0]);
    assert_eq!(problems(&json!({"hipaa-safe-harbor": {}})), ["duplicate-name /redaction/hipaa-safe-harbor"]);
    assert_eq!(problems(&json!({"p": {"extends": "p"}})), ["reference-cycle /redaction/p/extends"]);
    let cycle = json!({"p": {"extends": "q"}, "q": {"extends": "r"}, "r": {"extends": "q"}});
    assert_eq!(problems(&cycle), ["reference-cycle /redaction/q/extends", "reference-cycle /redaction/r/extends"]);
    assert_eq!(problems(&json!({"none": {}})), ["invalid-value /redaction/none"]);
    let broken = json!({"p": {"extends": "q"}, "q": {"rules": 5}});
    assert_eq!(problems(&broken), ["invalid-value /redaction/q/rules"], "what is reported once is not missing as well");
}

#[test]
fn a_rule_behind_one_that_takes_all_of_it_is_refused() {
    let both = |first: Value, second: Value| problems(&json!({"p": {"rules": [first, second]}}));
    let refused = ["unreachable-rule /redaction/p/rules/1"];
    let remove = |path: &str| json!({"path": path, "action": "remove"});
    assert_eq!(both(remove("Patient.name"), remove("Patient.name")), refused);
    assert_eq!(both(remove("Patient.name"), json!({"path": "Patient.name.family", "action": "keep"})), refused);
    assert_eq!(both(json!({"path": "Patient.name", "action": "keep"}), remove("Patient.name.family")), refused);
    assert_eq!(both(remove("Patient.name.family"), remove("Patient.name")), [""; 0]);
    assert_eq!(both(remove("Patient.name"), remove("Patient.address")), [""; 0]);
    let by_type = json!({"type": "HumanName", "action": "remove"});
    assert_eq!(both(by_type.clone(), json!({"path": "Patient.name", "action": "keep"})), refused);
    assert_eq!(both(by_type.clone(), json!({"path": "Patient.name.family", "action": "keep"})), refused);
    assert_eq!(both(by_type.clone(), json!({"path": "Patient.address", "action": "keep"})), [""; 0]);
    assert_eq!(both(json!({"path": "Patient.name", "action": "keep"}), by_type), [""; 0]);
    let conditional = json!({"path": "Patient.name", "where": {"gender": "male"}, "action": "remove"});
    assert_eq!(both(conditional, remove("Patient.name")), [""; 0]);
    let mask = json!({"json_path": "$.a", "action": {"mask": {}}});
    assert_eq!(both(mask, json!({"json_path": "$.a.b", "action": "keep"})), [""; 0]);
    let inherited =
        json!({"p": {"extends": "q", "rules": [remove("Patient.name")]}, "q": {"rules": [remove("Patient.name")]}});
    assert_eq!(problems(&inherited), [""; 0], "a profile may go before the one it extends");
}

#[test]
fn rules_that_multiply_are_refused() {
    // Which of the last twenty keys were `a` has to be remembered.
    let path = format!("$..a{}", "[*]".repeat(20));
    let many = [json!({"json_path": path, "action": "remove"})];
    assert_eq!(problems(&json!({"p": {"rules": many}})), ["invalid-rule /redaction/p"]);
}

#[test]
fn every_problem_is_found_in_one_pass() {
    let found = problems(&json!({
        "p": {"extends": "nowhere", "rules": [{"action": "remove"}, {"path": "X.y", "action": {"replace": []}}]},
        "q": {"rules": [{"json_path": "$[", "action": {"hash": {"key": {"env": "SHORT_KEY"}}}}]}}));
    assert_eq!(found.len(), 6, "{found:#?}");
}
