//! What is known of the containers that are open, and of the value that comes next.

use super::place::Place;
use super::program::{ConditionId, NO_RULE, Position, RuleId};
use super::tag::{Label, Tags};
use super::within::Within;
use crate::json;

/// An open container that rules can reach.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) is_object: bool,
    /// Where it stands, for the rules.
    pub(super) position: Position,
    /// Where it stands, for resources.
    pub(super) place: Place,
    /// What no rule touches goes: the container was removed, and only what earlier rules take from it can stay.
    pub(super) drops: bool,
    /// Rules from this one on do not count any more: it took the container.
    pub(super) until: RuleId,
    /// But for the one that removes what R4 does not have: the other kept what R4 has.
    pub(super) is_strict: bool,
    /// The place of its member, in the output: of the comma before it, or the key or value.
    pub(super) start: u64,
    /// The place of its opening bracket, in the output.
    pub(super) value: u64,
    /// Something was taken out.
    pub(super) lost: bool,
    /// What is taken out of this array leaves a `null`, since the places of its elements count.
    pub(super) nulls: bool,
    /// Something in it is undecided that stays if anything does.
    pub(super) pends: bool,
    /// How many commas it has had: the index of the element at hand.
    pub(super) commas: usize,
    /// Keys of R4 that this object has had, by their numbers.
    pub(super) had: u64,
    /// It modifies the resource or the element around it.
    pub(super) is_modifier: bool,
    /// A modifier of this element was taken; of a resource [`Enclosing::turned`] says so.
    pub(super) turned: bool,
    /// How many facts were known before those about this object, or about the one around this array.
    pub(super) facts: usize,
    /// What rules ask about its members is not all known yet.
    pub(super) asks: bool,
    /// A member of it that no rule touches stays whatever else it is.
    pub(super) is_simple: bool,
}

impl Frame {
    /// The text around the root; the root is its only element, or each line is one.
    pub(super) fn base(position: Position, place: Place) -> Self {
        Self {
            is_object: false,
            position,
            place,
            drops: false,
            until: NO_RULE,
            is_strict: false,
            start: 0,
            value: 0,
            lost: false,
            nulls: false,
            pends: false,
            commas: 0,
            had: 0,
            is_modifier: false,
            turned: false,
            facts: 0,
            asks: false,
            is_simple: false,
        }
    }
}

/// An open resource.
#[derive(Debug)]
pub(super) struct Enclosing {
    /// What it is tagged with; nothing where it is not, or is already.
    pub(super) tags: Tags,
    /// What is known of the label at hand.
    pub(super) label: Label,
    /// Rules can take a modifier of it, and it can be taken out of what is around it: it leaves when it is whole.
    pub(super) can_go: bool,
    /// A rule took the resource as a whole, and whoever wrote what survives of it knows that its modifiers do not.
    pub(super) is_taken: bool,
    /// A modifier of it was taken, so that the rest says something else.
    pub(super) turned: bool,
    /// Where in the output everything was sure to leave before it came.
    pub(super) decided: u64,
    /// What is in it was once more than may be held back, so that part of it may have left, though less is left by now.
    pub(super) too_long: bool,
    /// How many containers had left their opening brackets then.
    pub(super) opened: usize,
    /// The patient that it is about, where dates ask for it.
    pub(super) patient: Option<Box<str>>,
}

/// The value that comes next, by its key or as an element.
#[derive(Debug)]
pub(super) struct Member {
    /// Where what goes with it begins in the input: the comma before it, or its key, or itself.
    pub(super) start: Option<usize>,
    /// Where its key begins in the input.
    pub(super) key: usize,
    pub(super) position: Position,
    pub(super) place: Place,
    /// Its key is `resourceType`.
    pub(super) names_type: bool,
    /// Its key begins with `_`.
    pub(super) is_twin: bool,
    /// Its key says that it is a reference.
    pub(super) is_reference: bool,
    /// It modifies the resource or the element around it.
    pub(super) is_modifier: bool,
    /// R4 wants it to be there.
    pub(super) is_required: bool,
    /// The value that it is the twin of, if R4 wants that to be there.
    pub(super) twin_of: Option<Position>,
    /// R4 says that it is an instant, or XHTML.
    pub(super) is_instant: bool,
    pub(super) is_markup: bool,
}

/// What is being done with the tokens.
#[derive(Debug)]
pub(super) enum Task {
    /// They are judged.
    Walk,
    /// They are read ahead, to be judged later.
    Scout(Scout),
    /// They are inside a container that was judged whole.
    Skip(Skip),
}

/// Reading ahead in an object.
#[derive(Debug)]
pub(super) struct Scout {
    /// Where reading ahead began.
    pub(super) place: json::Place,
    /// The depth of its members.
    pub(super) depth: usize,
    pub(super) sought: Sought,
    /// Whether the value that comes is the resource's type.
    pub(super) names_type: bool,
}

/// What is looked for.
#[derive(Debug)]
pub(super) enum Sought {
    /// The type of a resource.
    Type,
    /// Values of siblings: the conditions whose key was not met yet.
    Facts { left: Vec<ConditionId> },
    /// Members of an object that its own fate depends on.
    Within(Within),
}

/// Passing through a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skip {
    /// The depth of its members.
    pub(super) depth: usize,
    /// Whether it leaves.
    pub(super) keeps: bool,
    /// Whether it may not name a resource type.
    pub(super) watches: bool,
}
