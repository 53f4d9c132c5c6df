//! Where a value stands: the way to it from the root, what R4 says of it, and which rules select it.

use carewarden::fhir::elements::{Kind, Type};

use super::node::Node;
use super::profile::{Deed, Look, Rule, Step};

/// One step from the root to a value.
#[derive(Clone, Debug, PartialEq)]
enum At {
    Key(String),
    Index(usize),
}

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct Place<'n> {
    steps: Vec<At>,
    /// The type of the nearest resource around, and how many steps lead to it.
    resource: Option<(&'static str, usize)>,
    /// What R4 says that it is, and of which primitive it is the twin.
    of: Option<Type>,
    twin_of: Option<Type>,
    /// The type of the object that it is a member of.
    around: Option<Type>,
    /// R4 does not have it there.
    is_unknown: bool,
    pub(super) is_required: bool,
    pub(super) is_instant: bool,
    /// It modifies the resource that it is a direct element of.
    pub(super) is_modifier: bool,
    pub(super) is_contained: bool,
    /// The value that it is the twin of, if R4 wants that to be there.
    pub(super) required: Option<Box<Place<'n>>>,
    /// The array that it is an element of.
    array: Option<Box<Place<'n>>>,
    pub(super) siblings: &'n [(String, Node)],
}

impl<'n> Place<'n> {
    pub(super) fn root() -> Self {
        Self {
            steps: Vec::new(),
            resource: None,
            of: None,
            twin_of: None,
            around: None,
            is_unknown: false,
            is_required: false,
            is_instant: false,
            is_modifier: false,
            is_contained: false,
            required: None,
            array: None,
            siblings: &[],
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The place as that of an object, which is a resource or not.
    pub(super) fn of_object(&self, kind: Option<&'static str>) -> Self {
        let mut own = self.clone();
        if let Some(kind) = kind {
            (own.resource, own.of) = (Some((kind, self.steps.len())), Type::named(kind));
        }
        own
    }

    /// The place of a member of the object here.
    pub(super) fn member<'m>(&self, name: &str, siblings: &'m [(String, Node)]) -> Place<'m> {
        let element = self.of.and_then(|of| of.element(name));
        let twin = self.of.zip(name.strip_prefix('_')).and_then(|(of, name)| of.element(name)).map(|element| element.of());
        let twin_of = twin.filter(|of| element.is_none() && of.kind() == Kind::Primitive);
        let value = name.strip_prefix('_').filter(|_| twin_of.is_some()).map(|name| Box::new(self.member(name, siblings)));
        let is_direct = self.resource.is_some_and(|(_, depth)| depth == self.steps.len());
        Place {
            steps: [self.steps.clone(), vec![At::Key(name.to_owned())]].concat(),
            resource: self.resource,
            of: element.map(|element| element.of()).or(twin_of.and_then(|_| Type::named("Element"))),
            twin_of,
            around: self.of,
            is_unknown: self.of.is_some() && element.is_none() && twin_of.is_none(),
            is_required: element.is_some_and(|element| element.is_required() && !element.is_array()),
            is_instant: element.is_some_and(|element| element.of().name() == "instant"),
            is_modifier: element
                .is_some_and(|element| is_direct && element.is_modifier() || element.name() == "modifierExtension"),
            is_contained: is_direct && name == "contained",
            required: value.filter(|value| value.is_required),
            array: None,
            siblings,
        }
    }

    /// The place of an element of the array here.
    pub(super) fn element(&self, index: usize) -> Self {
        Place {
            steps: [self.steps.clone(), vec![At::Index(index)]].concat(),
            is_required: false,
            is_modifier: false,
            is_unknown: false,
            required: None,
            array: Some(Box::new(self.clone())),
            ..self.clone()
        }
    }

    fn key(&self) -> Option<&str> {
        match self.steps.last() {
            Some(At::Key(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether it is an array whose elements keep their places, since they are about those of another.
    pub(super) fn is_twin_array(&self, is_fhir: bool) -> bool {
        is_fhir && self.key().is_some_and(|name| name.starts_with('_'))
    }

    pub(super) fn is_in_twin_array(&self, is_fhir: bool) -> bool {
        self.array.as_ref().is_some_and(|array| array.is_twin_array(is_fhir))
    }

    /// Whether R4 has no scalar of this kind here.
    pub(super) fn is_misfit(&self, node: &Node) -> bool {
        let (Some(of), Node::Scalar(text)) = (self.of, node) else { return false };
        match of.kind() {
            Kind::Primitive => of.is_no_string() && text.starts_with('"'),
            _ => text != "null" || !self.is_in_twin_array(true),
        }
    }

    pub(super) fn is_reference(&self) -> bool {
        matches!(self.key(), Some("reference" | "fullUrl" | "url" | "location"))
    }

    /// Whether these members lead to it from the nearest resource.
    pub(super) fn is_own(&self, names: &[&str]) -> bool {
        let within = self.resource.map(|(_, depth)| &self.steps[depth..]).unwrap_or_default();
        within.len() == names.len() && within.iter().zip(names).all(|(step, name)| *step == At::Key((*name).to_owned()))
    }

    /// Whether a rule selects what is here, a resource of some `kind` or not, and if so whether as a twin. What selects it
    /// itself counts before that.
    pub(super) fn selected_by(&self, rule: &Rule, kind: Option<&str>) -> Option<bool> {
        let own = match &rule.look {
            Look::Path(of, names) if names.is_empty() => (kind == Some(of)).then_some(false),
            Look::Root => self.is_root().then_some(false),
            Look::Unknown => self.is_unknown.then_some(false),
            Look::Key(name) => self.key().and_then(|key| last_step(name, key)),
            Look::JsonPath(steps) => selected(steps, &self.steps, rule.deed == Deed::Keep),
            Look::Path(kind, names) => self.on_path(kind, names),
            Look::Type(name, child) => self.of_type(name, child.as_deref()),
        };
        // What is for the elements of an array comes with each.
        let array = self.array.as_ref().filter(|_| rule.is_for_elements());
        let inherited = array.and_then(|array| array.selected_by(rule, None)).filter(|is_twin| !is_twin);
        [own, inherited].into_iter().flatten().min()
    }

    fn of_type(&self, name: &str, child: Option<&str>) -> Option<bool> {
        let key = self.key()?;
        let is = |of: Option<Type>| of.is_some_and(|of| of.name() == name);
        match child {
            None if is(self.of) => Some(false),
            None => is(self.twin_of).then_some(true),
            Some(child) => {
                self.around.filter(|_| is(self.around)).and_then(|around| member(around, child, key)).map(|on| on.1)
            }
        }
    }

    fn on_path(&self, kind: &str, names: &[String]) -> Option<bool> {
        let (nearest, from) = self.resource?;
        self.key()?;
        let keys: Vec<&str> = self.steps[from..].iter().filter_map(At::name).collect();
        let mut of = Type::named(kind).filter(|_| nearest == kind && keys.len() == names.len())?;
        let mut is_twin = false;
        for (at, (key, name)) in keys.iter().zip(names).enumerate() {
            (of, is_twin) = member(of, name, key)?;
            // The elements of a primitive stand in its twin.
            if at + 1 < keys.len() && of.kind() == Kind::Primitive {
                return None;
            }
        }
        Some(is_twin)
    }
}

impl At {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Key(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

/// Whether the member `key` of a type is what a rule calls `name`: its type, and whether it is a twin.
fn member(of: Type, name: &str, key: &str) -> Option<(Type, bool)> {
    let own = key.strip_prefix('_').filter(|own| of.element(key).is_none() && of.element(own).is_some()).unwrap_or(key);
    let element = of.element(own)?;
    let is_choice = name.strip_suffix("[x]").is_some_and(|base| element.choice() == Some(base));
    let is_named = own == name || is_choice;
    match (own == key, element.of().kind()) {
        (true, _) => is_named.then(|| (element.of(), false)),
        (false, Kind::Primitive) if key == name => Some((Type::named("Element")?, false)),
        (false, Kind::Primitive) => is_named.then_some((Type::named("Element")?, true)),
        (false, _) => None,
    }
}

/// Whether a key is a name, or that of its twin.
fn last_step(name: &str, key: &str) -> Option<bool> {
    if key == name { Some(false) } else { (key.strip_prefix('_') == Some(name)).then_some(true) }
}

/// Whether steps of a JSONPath lead all the way, and if so whether to a twin. What leads to the value itself counts
/// before what leads to a twin.
fn selected(steps: &[Step], at: &[At], keeps: bool) -> Option<bool> {
    let Some((step, rest)) = steps.split_first() else { return at.is_empty().then_some(false) };
    let (first, after) = at.split_first()?;
    let deeper = match step {
        Step::Deep(_) | Step::DeepEach => selected(steps, after, keeps),
        Step::Name(_) | Step::Each | Step::Elements(..) => None,
    };
    let here = match (step, first) {
        (Step::Each | Step::DeepEach, _) => selected(rest, after, keeps),
        (Step::Elements(from, to), At::Index(index)) => {
            (from..to).contains(&index).then(|| selected(rest, after, keeps)).flatten()
        }
        (Step::Name(name) | Step::Deep(name), At::Key(key)) => match last_step(name, key) {
            Some(false) => selected(rest, after, keeps),
            Some(true) if rest.iter().all(|step| matches!(step, Step::Each)) => selected(rest, after, keeps).map(|_| true),
            // What goes at an index moves others up: what is beside them goes whole.
            Some(true) if rest.iter().all(|step| matches!(step, Step::Each | Step::Elements(..))) => {
                if keeps {
                    selected(rest, after, keeps).map(|_| true)
                } else {
                    after.is_empty().then_some(true)
                }
            }
            _ => None,
        },
        _ => None,
    };
    [deeper, here].into_iter().flatten().min()
}
