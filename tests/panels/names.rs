//! Which metrics and labels an expression of PromQL names.

use std::collections::BTreeSet;

use regex::Regex;

/// The names of metrics in an expression, and those of labels in its matchers and groupings.
pub(crate) fn names_in(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let pattern = |pattern| Regex::new(pattern).expect("a pattern");
    let word = pattern("[A-Za-z_:][A-Za-z0-9_:]*");
    let expression = pattern(r#""[^"]*"|\[[^\]]*\]|\boffset \w+"#).replace_all(expression, " ");
    let of_labels = pattern(r"\{[^}]*\}|\b(?:by|on|without|ignoring)\s*\([^)]*\)");
    let mut labels = BTreeSet::new();
    let rest = of_labels.replace_all(&expression, |found: &regex::Captures<'_>| {
        let words = word.find_iter(&found[0]).map(|word| word.as_str().to_owned());
        labels.extend(words.filter(|word| !["by", "on", "without", "ignoring"].contains(&word.as_str())));
        " "
    });
    // What is called, and what is said between operands, is no metric.
    let rest = pattern(r"[A-Za-z_]+\s*\(|\b(?:and|or|unless)\b").replace_all(&rest, " ");
    (word.find_iter(&rest).map(|word| word.as_str().to_owned()).collect(), labels)
}

#[test]
fn names_are_told_from_functions_labels_and_texts() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("up", &["up"], &[]),
        (r#"sum by (a, b) (rate(x_total{c="d{e}", f=~"g"}[5m])) > 0.5"#, &["x_total"], &["a", "b", "c", "f"]),
        ("x{} or (y offset 10m) unless on (i) z", &["x", "y", "z"], &["i"]),
        ("a:b:c5m > 3 * avg_over_time(d[1d] offset 1h) and 0 * time() < 2 ^ 20", &["a:b:c5m", "d"], &[]),
    ];
    for (expression, names, labels) in cases {
        let (found, found_labels) = names_in(expression);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), *names, "{expression}");
        assert_eq!(found_labels.iter().map(String::as_str).collect::<Vec<_>>(), *labels, "{expression}");
    }
}
