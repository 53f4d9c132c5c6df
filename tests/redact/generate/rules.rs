//! Rules about what stands in an answer: most of what they select is there.

use carewarden::fhir::elements::{Kind, Type};
use serde_json::{Value, json};

use crate::random::Random;
use crate::reference::{Deed, Look, Node, Profile, Rule, Step, name_of};

/// A value in an answer.
#[derive(Clone)]
struct Spot<'n> {
    node: &'n Node,
    /// The steps from the root: a name, or an index.
    steps: Vec<Result<String, usize>>,
    /// The nearest resource, and the names from there as R4 has them; nothing where it does not.
    path: Option<(&'static str, Vec<String>)>,
    of: Option<Type>,
    around: Option<Type>,
    siblings: &'n [(String, Node)],
}

/// A profile that is about an answer.
pub(crate) fn profile(random: &mut Random<'_>, root: &Node, is_fhir: bool) -> Profile {
    let mut spots = Vec::new();
    let start = Spot { node: root, steps: Vec::new(), path: None, of: None, around: None, siblings: &[] };
    collect(start, &mut spots);
    let rules = (0..random.below(5)).map(|_| {
        let spot = &spots[random.below(spots.len())];
        rule(random, spot, is_fhir)
    });
    Profile {
        rules: rules.collect(),
        removes_rest: random.one_in(5),
        removes_unknown: random.one_in(2),
        tags: random.one_in(3),
    }
}

fn collect<'n>(spot: Spot<'n>, spots: &mut Vec<Spot<'n>>) {
    spots.push(spot.clone());
    match spot.node {
        Node::Scalar(_) => (),
        Node::Array(elements) => {
            for (index, node) in elements.iter().enumerate() {
                collect(Spot { node, steps: [spot.steps.clone(), vec![Err(index)]].concat(), ..spot.clone() }, spots);
            }
        }
        Node::Object(kind, members) => {
            let path = kind.map(|kind| (kind, Vec::new())).or(spot.path);
            let of = kind.and_then(Type::named).or(spot.of);
            for (key, node) in members {
                let name = name_of(key);
                if kind.is_some() && name == "resourceType" {
                    continue;
                }
                let target = of.and_then(|of| member(of, &name));
                let path = path.clone().filter(|_| target.is_some());
                let path = path.map(|(kind, names)| (kind, [names, vec![name.clone()]].concat()));
                let steps = [spot.steps.clone(), vec![Ok(name)]].concat();
                collect(Spot { node, steps, path, of: target, around: of, siblings: members }, spots);
            }
        }
    }
}

fn member(of: Type, name: &str) -> Option<Type> {
    let twin = || name.strip_prefix('_').and_then(|name| of.element(name)).filter(|own| own.of().kind() == Kind::Primitive);
    of.element(name).map(|element| element.of()).or_else(|| twin().and(Type::twin()))
}

fn rule(random: &mut Random<'_>, spot: &Spot<'_>, is_fhir: bool) -> Rule {
    let name = spot.steps.iter().rev().find_map(|step| step.as_ref().ok());
    let (look, target) = match random.below(if is_fhir { 8 } else { 3 }) {
        0 => (Look::Key(name.cloned().unwrap_or_else(|| "a".to_owned())), None),
        1 | 2 => (Look::JsonPath(spot.steps.iter().map(|step| general(random, step)).collect()), None),
        3 | 4 if spot.of.is_some_and(|of| matches!(of.kind(), Kind::Primitive | Kind::Complex)) => {
            (Look::Type(spot.of.map_or("", Type::name).to_owned(), None), spot.of)
        }
        5 if spot.around.is_some_and(|of| of.kind() == Kind::Complex) => {
            let child = named(random, spot.around, name.map_or("", |name| name));
            (Look::Type(spot.around.map_or("", Type::name).to_owned(), Some(child)), spot.of)
        }
        _ => match (&spot.path, spot.node) {
            (_, Node::Object(Some(kind), _)) => (Look::Path((*kind).to_owned(), Vec::new()), None),
            (Some((kind, names)), _) => {
                let mut names = names.clone();
                let last = names.pop().map(|last| named(random, spot.around, &last));
                names.extend(last);
                // What stands in a twin is called as if it stood in the primitive.
                let names = names
                    .into_iter()
                    .map(|name| if random.one_in(2) { name.trim_start_matches('_').to_owned() } else { name });
                (Look::Path((*kind).to_owned(), names.collect()), spot.of)
            }
            (None, _) => (Look::Key(name.cloned().unwrap_or_else(|| "b".to_owned())), None),
        },
    };
    let deed = deed(random, &look, target);
    let conditions = |random: &mut Random<'_>, members: &[(String, Node)]| -> Vec<(String, Value)> {
        let scalars = members.iter().filter_map(|(key, node)| match node {
            Node::Scalar(text) => Some((name_of(key), serde_json::from_str(text).ok()?)),
            _ => None,
        });
        let scalars: Vec<(String, Value)> = scalars.filter(|(name, _)| name != "resourceType").collect();
        let found = scalars.get(random.below(scalars.len() + 1)).cloned();
        found
            .map(|(name, value)| if random.one_in(4) { (name, "other".into()) } else { (name, value) })
            .map(
                |(name, value)| {
                    if random.one_in(4) { (name, json!({"one_of": ["another", value, 7]})) } else { (name, value) }
                },
            )
            .into_iter()
            .collect()
    };
    let siblings = if random.one_in(4) { conditions(random, spot.siblings) } else { Vec::new() };
    let having = match spot.node {
        Node::Object(_, members) if random.one_in(4) => conditions(random, members),
        _ => Vec::new(),
    };
    Rule { look, deed, siblings, having }
}

/// An element by its name, or by that of the choice that it is one type of.
fn named(random: &mut Random<'_>, around: Option<Type>, name: &str) -> String {
    let choice = around.and_then(|around| around.element(name)).and_then(|element| element.choice());
    choice.filter(|_| random.one_in(2)).map_or_else(|| name.to_owned(), |base| format!("{base}[x]"))
}

fn general(random: &mut Random<'_>, step: &Result<String, usize>) -> Step {
    match (step, random.below(6)) {
        (_, 0) => Step::Each,
        (Ok(name), 1) => Step::Deep(name.clone()),
        (_, 2) => Step::DeepEach,
        (Ok(name), _) => Step::Name(name.clone()),
        (Err(index), 3) => Step::Elements(index.saturating_sub(1), index + 2),
        (Err(index), _) => Step::Elements(*index, index + 1),
    }
}

/// A deed that the policy's checks allow.
fn deed(random: &mut Random<'_>, look: &Look, target: Option<Type>) -> Deed {
    let is_whole = matches!(look, Look::Path(_, names) if names.is_empty())
        || matches!(look, Look::JsonPath(steps) if steps.is_empty());
    let has = |of: Type, name: &str| of.element(name).is_some();
    let fits: &[Deed] = match target {
        _ if is_whole => &[Deed::Remove, Deed::Keep],
        None => &[
            Deed::Remove,
            Deed::Remove,
            Deed::Keep,
            Deed::Replace,
            Deed::Mask,
            Deed::Hash,
            Deed::Year,
            Deed::Zip3,
            Deed::AgeCap,
            Deed::Scan,
        ],
        Some(of) if has(of, "value") && has(of, "code") => &[Deed::Remove, Deed::Keep, Deed::AgeCap, Deed::AgeCap],
        Some(of) if of.kind() != Kind::Primitive => &[Deed::Remove, Deed::Keep],
        Some(of) if matches!(of.name(), "boolean" | "integer" | "decimal" | "positiveInt" | "unsignedInt") => {
            &[Deed::Remove, Deed::Keep, Deed::Replace]
        }
        Some(of) if matches!(of.name(), "date" | "dateTime" | "instant") => {
            &[Deed::Year, Deed::Year, Deed::Remove, Deed::Keep, Deed::Hash]
        }
        Some(_) => &[Deed::Remove, Deed::Keep, Deed::Replace, Deed::Mask, Deed::Hash, Deed::Zip3, Deed::Scan],
    };
    random.of(fits)
}
