//! A second redactor, slow and plain, to hold the first one to.
//!
//! It has the whole tree, knows where each value stands and what R4 says of it, and asks each rule in turn whether it
//! selects the value. It shares no code with the first but the tables of R4: no automaton, no lexer, no streaming.

mod node;
mod place;
mod profile;
mod tags;
mod text;

use carewarden::fhir::elements::{Kind, Type};
use carewarden::redact::Error;

pub(crate) use node::{Node, name_of};
use place::Place;
pub(crate) use profile::{Deed, Look, Profile, REPLACEMENT, Rule, Step};
use text::{Age, Dated};

/// What becomes of a value.
enum Fate {
    Stays(Node),
    /// It stays if something else in its container does.
    Pends(Node),
    /// It goes, and its twin says that it is hidden.
    Hidden(Node),
    Goes,
}

/// What was decided around a value.
#[derive(Clone, Copy)]
struct Around {
    /// What no rule touches goes.
    drops: bool,
    /// Only the rules before this one count.
    until: usize,
    /// And that what R4 does not have goes.
    is_strict: bool,
}

/// An open resource.
struct Open {
    /// The tag that it still needs.
    tag: Option<Vec<Node>>,
    /// A rule took it as a whole.
    is_taken: bool,
    drops: bool,
    /// A modifier of it was taken.
    turned: bool,
}

pub(crate) struct Reference {
    /// Those of the profile, and those that follow from what else it says.
    rules: Vec<Rule>,
    rest: Option<usize>,
    tags: bool,
    is_fhir: bool,
    open: Vec<Open>,
    /// Of each open object, whether a modifier of it was taken.
    turned: Vec<bool>,
    /// A resource went since it lost a modifier.
    pub(crate) lost_resource: bool,
}

impl Reference {
    pub(crate) fn new(profile: &Profile, is_fhir: bool) -> Self {
        let of = |look: Look, deed: Deed| Rule { look, deed, siblings: Vec::new(), having: Vec::new() };
        let mut rules = profile.rules.clone();
        if rules.iter().any(loses_entries) {
            rules.push(of(Look::Path("Bundle".into(), vec!["total".into()]), Deed::Remove));
        }
        if profile.removes_unknown {
            rules.push(of(Look::Unknown, Deed::Remove));
        } else if profile.removes_rest {
            rules.push(of(Look::Unknown, Deed::Keep));
        }
        let rest = profile.removes_rest.then_some(rules.len());
        if profile.removes_rest {
            rules.push(of(Look::Root, Deed::Remove));
        }
        Self { rules, rest, tags: profile.tags, is_fhir, open: Vec::new(), turned: Vec::new(), lost_resource: false }
    }

    /// What is left of a text, or why it is refused.
    pub(crate) fn redact(&mut self, root: &Node) -> Result<Node, Error> {
        match self.fate(root, &Place::root(), Around { drops: false, until: usize::MAX, is_strict: false })? {
            Fate::Stays(node) | Fate::Pends(node) | Fate::Hidden(node) => Ok(node),
            Fate::Goes if self.is_fhir => Err(Error::Emptied),
            Fate::Goes => Ok(match root {
                Node::Object(..) => Node::Object(None, Vec::new()),
                _ => Node::Array(Vec::new()),
            }),
        }
    }

    /// The strings that stand in what the first rule removes, whatever other rules say.
    pub(crate) fn covered(&self, root: &Node) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(rule) = self.rules.first().filter(|rule| rule.deed == Deed::Remove) {
            cover(rule, root, &Place::root(), false, &mut found);
        }
        found
    }

    fn fate(&mut self, node: &Node, place: &Place<'_>, around: Around) -> Result<Fate, Error> {
        let fate = match node {
            _ if self.is_twin_of_hidden(place, around) => Fate::Goes,
            Node::Scalar(text) => self.scalar(node, text, place, around),
            Node::Object(..) | Node::Array(_) => self.container(node, place, around)?,
        };
        if place.is_modifier && matches!(fate, Fate::Goes) {
            self.modifier_is_taken();
        }
        Ok(fate)
    }

    /// The first rule that touches a value, by its index, and whether it takes it for a twin.
    fn verdict(&self, node: &Node, place: &Place<'_>, around: Around) -> Option<(usize, bool)> {
        let is_array = matches!(node, Node::Array(_));
        let kind = if let Node::Object(kind, _) = node { *kind } else { None };
        let removes_unknown = |index: &usize| Some(*index) == self.unknown();
        let counts = |index: &usize| *index < around.until || around.is_strict && removes_unknown(index);
        let found = self.rules.iter().enumerate().filter(|(index, _)| counts(index)).find_map(|(index, rule)| {
            let misfit =
                || (rule.look == Look::Unknown && rule.deed == Deed::Remove && place.is_misfit(node)).then_some(false);
            let is_twin = place.selected_by(rule, kind).or_else(misfit)?;
            // Whether it is for an element depends on that one.
            let depends = is_array && !is_twin && rule.asks_within();
            (!depends && holds(rule, node, place)).then_some((index, is_twin))
        });
        // What R4 does not have somewhere is not what a rule that knows R4 keeps there.
        let is_kept = found.is_some_and(|(index, _)| self.keeps_r4_alone(index));
        let misfit = self.unknown().filter(|_| is_kept && place.is_misfit(node)).map(|index| (index, false));
        misfit.or(found)
    }

    /// The rule that removes what R4 does not have.
    fn unknown(&self) -> Option<usize> {
        self.rules.iter().position(|rule| rule.look == Look::Unknown && rule.deed == Deed::Remove)
    }

    fn keeps_r4_alone(&self, index: usize) -> bool {
        let rule = &self.rules[index];
        rule.deed == Deed::Keep && !rule.is_from_root() && self.unknown().is_some()
    }

    fn scalar(&mut self, node: &Node, text: &str, place: &Place<'_>, around: Around) -> Fate {
        // A tag has to stand in an object and an array.
        if self.is_tag_place(place, "meta") || self.is_tag_place(place, "security") {
            return Fate::Goes;
        }
        let Some((index, is_twin)) = self.verdict(node, place, around) else {
            let keeps_place = text == "null" && place.is_in_twin_array(self.is_fhir);
            return match around.drops {
                true => Fate::Goes,
                false if keeps_place => Fate::Pends(node.clone()),
                false => Fate::Stays(node.clone()),
            };
        };
        let quoted = |text: String| Fate::Stays(Node::Scalar(serde_json::Value::from(text).to_string()));
        match (self.rules[index].deed, node.string()) {
            (Deed::Keep, _) => Fate::Stays(node.clone()),
            (Deed::Remove | Deed::AgeCap, _) => Fate::Goes,
            _ if is_twin => Fate::Goes,
            (Deed::Replace, _) => Fate::Stays(Node::Scalar(REPLACEMENT.to_owned())),
            (_, None) => Fate::Goes,
            _ if is_unjudged(&self.rules[index], node, place) => Fate::Goes,
            (Deed::Mask, Some(text)) => quoted(text::masked(&text)),
            (Deed::Hash, Some(text)) => quoted(text::hashed(&text, place.is_reference())),
            (Deed::Zip3, Some(_)) if is_abroad(&self.rules[index], place) => Fate::Goes,
            (Deed::Zip3, Some(text)) => text::zip3(&text).map_or(Fate::Goes, quoted),
            (Deed::Scan, Some(text)) => match text::scanned(&text) {
                None => Fate::Stays(node.clone()),
                Some(scanned) => quoted(scanned),
            },
            (Deed::Year, Some(text)) => match text::year(&text, place.is_instant) {
                Dated::Same => Fate::Stays(node.clone()),
                Dated::Year(year) => quoted(year),
                Dated::Gone if place.is_required => Fate::Hidden(tags::masked_twin()),
                Dated::Gone => Fate::Goes,
            },
        }
    }

    /// Whether a value that has to be there is hidden, so that another twin stands in the place of this one.
    fn is_twin_of_hidden(&self, place: &Place<'_>, around: Around) -> bool {
        let value = Node::Scalar("\"\"".to_owned());
        let verdict = place.required.as_ref().and_then(|required| self.verdict(&value, required, around));
        verdict.is_some_and(|(index, _)| self.rules[index].deed == Deed::Year)
    }

    fn container(&mut self, node: &Node, place: &Place<'_>, around: Around) -> Result<Fate, Error> {
        let (is_array, mut inside) = (matches!(node, Node::Array(_)), around);
        if let Some((index, is_twin)) = self.verdict(node, place, around) {
            let rule = &self.rules[index];
            match rule.deed {
                // It comes again with each element.
                _ if is_array && rule.is_for_elements() && !is_twin => (),
                Deed::Replace if !is_twin => return Ok(self.replaced(REPLACEMENT, place)),
                Deed::AgeCap if !is_twin && !is_unjudged(rule, node, place) => match text::age(node) {
                    Age::Stays => inside.drops = false,
                    Age::Capped => return Ok(self.replaced(text::CAPPED, place)),
                    Age::Gone => inside = Around { drops: true, until: index, is_strict: false },
                },
                deed => {
                    let is_strict = self.keeps_r4_alone(index);
                    inside = Around { drops: deed != Deed::Keep, until: index, is_strict };
                }
            }
        }
        if is_array && self.is_tag_place(place, "meta") || !is_array && self.is_tag_place(place, "security") {
            return Ok(Fate::Goes);
        }
        match node {
            Node::Object(kind, members) => self.object(*kind, members, place, inside),
            Node::Array(elements) => self.array(elements, place, inside),
            Node::Scalar(_) => Ok(Fate::Stays(node.clone())),
        }
    }

    fn object(
        &mut self,
        kind: Option<&'static str>,
        members: &[(String, Node)],
        place: &Place<'_>,
        inside: Around,
    ) -> Result<Fate, Error> {
        let own = place.of_object(kind);
        if let Some(kind) = kind {
            self.begin_resource(kind, place, inside);
        }
        self.turned.push(false);
        let mut fates = Vec::new();
        for (key, value) in members {
            let name = name_of(key);
            let fate = if kind.is_some() && name == "resourceType" {
                if inside.drops { Fate::Pends(value.clone()) } else { Fate::Stays(value.clone()) }
            } else {
                self.fate(value, &own.member(&name, members), inside)?
            };
            fates.push((key.clone(), fate));
        }
        // A tag is the last of whatever it can stand in.
        let tag = |codings: Vec<Node>| ("\"security\"".to_owned(), Node::Array(codings));
        if self.is_tag_place(place, "meta") {
            let codings = self.take_tag(fates.iter().map(|(_, fate)| fate), inside.drops);
            fates.extend(codings.map(tag).map(|(key, node)| (key, Fate::Stays(node))));
        }
        if kind.is_some() {
            let codings = self.take_tag(fates.iter().map(|(_, fate)| fate), inside.drops);
            let meta = |codings| Fate::Stays(Node::Object(None, vec![tag(codings)]));
            fates.extend(codings.map(|codings| ("\"meta\"".to_owned(), meta(codings))));
        }
        let stays = fates.iter().any(|(_, fate)| fate.stays());
        // What is left of an element without its modifier says something else, and so does all that is around it.
        let speaks = kind.is_some() || stays && (!inside.drops || Some(inside.until) == self.rest);
        if self.turned.pop() == Some(true)
            && speaks
            && let Some(open) = self.open.last_mut()
        {
            open.turned = !open.is_taken;
        }
        if kind.is_some() && self.open.pop().is_some_and(|open| open.turned) && stays {
            self.lost_resource = true;
            return if place.is_root() { Err(Error::ModifierTaken) } else { Ok(Fate::Goes) };
        }
        let lost = inside.drops || fates.iter().any(|(_, fate)| matches!(fate, Fate::Goes));
        let left = fates.into_iter().filter_map(|(key, fate)| match fate {
            Fate::Hidden(twin) => Some((key.replacen('"', "\"_", 1), twin)),
            fate => Some((key, fate.left()?)),
        });
        Ok(if lost && !stays { Fate::Goes } else { Fate::Stays(Node::Object(kind, left.collect())) })
    }

    fn array(&mut self, elements: &[Node], place: &Place<'_>, inside: Around) -> Result<Fate, Error> {
        let mut fates = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            fates.push(self.fate(element, &place.element(index), inside)?);
        }
        if self.is_tag_place(place, "security")
            && let Some(codings) = self.take_tag(fates.iter(), inside.drops)
        {
            fates.extend(codings.into_iter().map(Fate::Stays));
        }
        let lost = fates.iter().any(|fate| matches!(fate, Fate::Goes));
        if lost && place.is_modifier {
            self.modifier_is_taken();
        }
        if (lost || inside.drops) && !fates.iter().any(Fate::stays) {
            return Ok(Fate::Goes);
        }
        let null = || place.is_twin_array(self.is_fhir).then(|| Node::Scalar("null".to_owned()));
        Ok(Fate::Stays(Node::Array(fates.into_iter().filter_map(|fate| fate.left().or_else(null)).collect())))
    }

    fn replaced(&mut self, with: &str, place: &Place<'_>) -> Fate {
        if (self.is_tag_place(place, "meta") || self.is_tag_place(place, "security"))
            && let Some(open) = self.open.last_mut()
        {
            open.tag = None;
        }
        if place.is_modifier {
            self.modifier_is_taken();
        }
        Fate::Stays(Node::Scalar(with.to_owned()))
    }

    fn begin_resource(&mut self, kind: &str, place: &Place<'_>, inside: Around) {
        let tag = tags::codings(&self.rules, kind).filter(|_| self.tags && !place.is_contained);
        let is_taken = inside.drops && Some(inside.until) != self.rest;
        self.open.push(Open { tag, is_taken, drops: inside.drops, turned: false });
    }

    fn modifier_is_taken(&mut self) {
        if let Some(turned) = self.turned.last_mut() {
            *turned = true;
        }
    }

    /// Whether a value is the `meta` of a resource that still needs its tag, or the `security` in it.
    fn is_tag_place(&self, place: &Place<'_>, name: &str) -> bool {
        let needs = self.is_fhir && self.open.last().is_some_and(|open| open.tag.is_some());
        needs && place.is_own(if name == "meta" { &["meta"] } else { &["meta", "security"] })
    }

    /// The tag of the innermost resource, if it can be written in a container of which this is left.
    fn take_tag<'f>(&mut self, fates: impl Iterator<Item = &'f Fate>, drops: bool) -> Option<Vec<Node>> {
        let open = self.open.last_mut()?;
        let (mut may_go, mut stays) = (drops, false);
        for fate in fates {
            may_go |= matches!(fate, Fate::Goes);
            stays |= fate.stays();
        }
        if open.drops && may_go && !stays { None } else { open.tag.take() }
    }
}

impl Fate {
    fn left(self) -> Option<Node> {
        match self {
            Self::Stays(node) | Self::Pends(node) | Self::Hidden(node) => Some(node),
            Self::Goes => None,
        }
    }

    fn stays(&self) -> bool {
        matches!(self, Self::Stays(_) | Self::Hidden(_))
    }
}

/// Whether the conditions of a rule hold.
fn holds(rule: &Rule, node: &Node, place: &Place<'_>) -> bool {
    // What cannot be compared protects nothing.
    judged(rule, node, place).into_iter().all(|equal| equal.unwrap_or(rule.deed != Deed::Keep))
}

/// Whether a condition of a rule cannot be compared, so that nothing is left of a value.
fn is_unjudged(rule: &Rule, node: &Node, place: &Place<'_>) -> bool {
    judged(rule, node, place).contains(&None)
}

/// Whether each condition of a rule holds; `None` where it cannot be compared.
fn judged(rule: &Rule, node: &Node, place: &Place<'_>) -> Vec<Option<bool>> {
    let equals = |own: Option<&Node>, wanted| own.map_or(Some(false), |own| own.equals(wanted));
    let sibling = |name: &str| place.siblings.iter().find(|(key, _)| name_of(key) == name).map(|(_, value)| value);
    let siblings = rule.siblings.iter().map(|(name, wanted)| equals(sibling(name), wanted));
    let having = rule.having.iter().map(|(name, wanted)| match node {
        Node::Object(..) => equals(node.member(name), wanted),
        _ => None,
    });
    siblings.chain(having).collect()
}

/// Whether another country stands beside what may be a ZIP code.
fn is_abroad(rule: &Rule, place: &Place<'_>) -> bool {
    let is_member = match &rule.look {
        Look::JsonPath(steps) => matches!(steps.last(), Some(Step::Name(_) | Step::Deep(_))),
        Look::Path(_, names) => !names.is_empty(),
        _ => true,
    };
    let country = place.siblings.iter().find(|(key, _)| name_of(key) == "country").map(|(_, value)| value);
    is_member && country.is_some_and(|country| country.string().is_none_or(|name| !text::is_united_states(&name)))
}

/// Whether a rule takes whole entries of a Bundle, or resources.
fn loses_entries(rule: &Rule) -> bool {
    rule.deed == Deed::Remove && takes_entry(rule) || rule.deed != Deed::Keep && may_take_modifier(rule)
}

fn takes_entry(rule: &Rule) -> bool {
    let Look::Path(kind, names) = &rule.look else { return false };
    let target = names.iter().try_fold(Type::named(kind), |of, name| Some(of?.element(name).map(|element| element.of())));
    let is_entry = target.flatten().is_some_and(|of| matches!(of.name(), "Bundle.entry" | "Resource"));
    names.is_empty() || is_entry
}

/// Whether a rule may take a modifier of some resource, which then goes.
fn may_take_modifier(rule: &Rule) -> bool {
    let modifiers = || {
        let resources = Type::all().filter(|of| of.kind() == Kind::Resource);
        resources.flat_map(Type::elements).filter(|element| element.is_modifier())
    };
    let is_named = |name: &str| modifiers().any(|element| element.name() == name.strip_prefix('_').unwrap_or(name));
    match &rule.look {
        Look::Path(kind, names) => {
            let is_direct = |name: &String| {
                let element = Type::named(kind).and_then(|of| of.element(name));
                names.len() == 1 && element.is_some_and(|element| element.is_modifier())
            };
            names.last().is_some_and(|name| is_direct(name) || name == "modifierExtension")
        }
        Look::Type(name, None) => modifiers().any(|element| element.of().name() == name),
        Look::Type(_, Some(child)) => child == "modifierExtension",
        Look::JsonPath(steps) => match steps.last() {
            Some(Step::Name(name) | Step::Deep(name)) => is_named(name),
            _ => true,
        },
        Look::Key(name) => is_named(name),
        Look::Unknown | Look::Root => false,
    }
}

fn cover(rule: &Rule, node: &Node, place: &Place<'_>, is_inside: bool, found: &mut Vec<String>) {
    let kind = if let Node::Object(kind, _) = node { *kind } else { None };
    let selected = place.selected_by(rule, kind).is_some();
    let depends = matches!(node, Node::Array(_)) && rule.asks_within();
    let is_inside = is_inside || selected && !depends && holds(rule, node, place);
    match node {
        Node::Scalar(_) => found.extend(node.string().filter(|_| is_inside)),
        Node::Array(elements) => elements
            .iter()
            .enumerate()
            .for_each(|(index, element)| cover(rule, element, &place.element(index), is_inside, found)),
        Node::Object(kind, members) => {
            let own = place.of_object(*kind);
            for (key, value) in members.iter().filter(|(key, _)| kind.is_none() || name_of(key) != "resourceType") {
                cover(rule, value, &own.member(&name_of(key), members), is_inside, found);
            }
        }
    }
}
