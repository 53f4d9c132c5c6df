//! Makes the tree out of a text, and refuses what has no one meaning.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{Node, Unreadable, Value};
use crate::policy::diagnostic::Report;
use crate::policy::document::{Node as Json, Value as JsonValue};

/// Nesting allowed; a dump of a large mesh has some forty levels.
const MAX_DEPTH: usize = 200;

/// Reads one text.
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    /// The containers that are open, and the key that waits for its value in each: `None` for one that is ignored.
    open: Vec<(usize, Option<Key>)>,
    anchors: HashMap<usize, usize>,
}

struct Key {
    /// `None` where the value is not for Envoy.
    name: Option<String>,
    line: usize,
    column: usize,
}

impl Builder {
    /// JSON has a reader of its own: pairs of surrogates are not YAML.
    pub(super) fn json(mut self, text: &str) -> Result<Option<Vec<Node>>, Unreadable> {
        let mut report = Report::new(text);
        let Some(root) = Json::parse(text, &mut report) else { return Ok(None) };
        if let Some(found) = report.into_vec().into_iter().next() {
            return Err(Unreadable(found.line, found.column, found.message));
        }
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1))).collect();
        self.take(&root, None, &Lines { text, starts });
        Ok(Some(self.nodes))
    }

    fn take(&mut self, json: &Json, up: Option<(usize, usize)>, lines: &Lines<'_>) -> usize {
        let (line, column) = lines.position(json.offset);
        let scalar = |text: String| Value::Scalar(text, false);
        let value = match &json.value {
            JsonValue::Null => scalar(String::new()),
            JsonValue::Bool(value) => scalar(value.to_string()),
            JsonValue::Number(number) => scalar(number.to_string()),
            JsonValue::String(text) => scalar(text.clone()),
            JsonValue::Array(_) => Value::List(Vec::new()),
            JsonValue::Object(_) => Value::Map(Vec::new()),
        };
        let id = self.push(Node { line, column, up, value });
        let items: Vec<usize> =
            json.items().iter().enumerate().map(|(at, item)| self.take(item, Some((id, at)), lines)).collect();
        let members: Vec<(String, usize)> = json
            .members()
            .iter()
            .enumerate()
            .map(|(at, member)| (member.key.clone(), self.take(&member.node, Some((id, at)), lines)))
            .collect();
        match self.nodes.get_mut(id).map(|node| &mut node.value) {
            Some(Value::List(list)) => *list = items,
            Some(Value::Map(map)) => *map = members,
            _ => (),
        }
        id
    }

    /// Reads YAML, of several documents the first.
    pub(super) fn yaml(mut self, text: &str) -> Result<Vec<Node>, Unreadable> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let marker = *error.marker();
                Unreadable(marker.line(), marker.col().saturating_add(1), error.info().to_owned())
            })?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            self.event(event, span)?;
        }
        if self.nodes.is_empty() { Err(Unreadable(1, 1, "there is nothing in it".to_owned())) } else { Ok(self.nodes) }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Unreadable> {
        let start = span.start;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = matches!(self.open.last(), Some((id, None)) if self.is_map(*id));
                if is_key {
                    return self.key(text.into_owned(), tag.as_deref(), start);
                }
                let value = Value::Scalar(text.into_owned(), style == ScalarStyle::Literal);
                self.value(value, anchor, start)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::List(Vec::new()), anchor, start)?,
            Event::MappingStart(anchor, _) => self.begin(Value::Map(Vec::new()), anchor, start)?,
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            Event::Alias(anchor) => {
                let Some(id) = self.anchors.get(&anchor).copied() else { return Ok(()) };
                self.attach(id, start)?;
            }
            _ => (),
        }
        Ok(())
    }

    fn begin(&mut self, value: Value, anchor: usize, start: Marker) -> Result<(), Unreadable> {
        if matches!(self.open.last(), Some((id, None)) if self.is_map(*id)) {
            return Err(unreadable(start, "a key is not a text"));
        }
        let id = self.value(value, anchor, start)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(unreadable(start, "it is nested too deep"));
        }
        self.open.push((id, None));
        Ok(())
    }

    fn key(&mut self, name: String, tag: Option<&Tag>, start: Marker) -> Result<(), Unreadable> {
        let Some((id, waiting)) = self.open.last_mut() else { return Ok(()) };
        let is_ignored = tag.is_some_and(|tag| tag.suffix == "ignore");
        if let Some(Node { value: Value::Map(members), .. }) = self.nodes.get(*id)
            && members.iter().any(|(known, _)| *known == name)
        {
            return Err(unreadable(start, &format!("the key `{name}` stands twice in one object")));
        }
        let (line, column) = (start.line(), start.col().saturating_add(1));
        *waiting = Some(Key { name: (!is_ignored).then_some(name), line, column });
        Ok(())
    }

    fn value(&mut self, value: Value, anchor: usize, start: Marker) -> Result<usize, Unreadable> {
        let id = self.push(Node { line: start.line(), column: start.col().saturating_add(1), up: None, value });
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id, start)?;
        Ok(id)
    }

    /// Puts a value where it stands: into the container that is open.
    fn attach(&mut self, id: usize, start: Marker) -> Result<(), Unreadable> {
        let Some((parent, waiting)) = self.open.last_mut() else { return Ok(()) };
        let (parent, key) = (*parent, waiting.take());
        let mut index = 0;
        match (self.nodes.get_mut(parent).map(|node| &mut node.value), &key) {
            (Some(Value::List(items)), _) => {
                index = items.len();
                items.push(id);
            }
            (Some(Value::Map(members)), Some(Key { name: Some(name), .. })) => {
                index = members.len();
                members.push((name.clone(), id));
            }
            (Some(Value::Map(_)), Some(_)) => (),
            _ => return Err(unreadable(start, "a key is not a text")),
        }
        if let Some(node) = self.nodes.get_mut(id).filter(|node| node.up.is_none()) {
            node.up = Some((parent, index));
            // A block begins where its key does; a value on the line of its key, where it begins.
            if let Some(key) = key.filter(|key| key.line != node.line) {
                let text_begins = matches!(node.value, Value::Scalar(_, true));
                (node.line, node.column) = if text_begins { (node.line, node.column) } else { (key.line, key.column) };
            }
        }
        Ok(())
    }

    fn is_map(&self, id: usize) -> bool {
        matches!(self.nodes.get(id), Some(Node { value: Value::Map(_), .. }))
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len().saturating_sub(1)
    }
}

fn unreadable(start: Marker, what: &str) -> Unreadable {
    Unreadable(start.line(), start.col().saturating_add(1), what.to_owned())
}

/// Where lines begin, for places of JSON.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl Lines<'_> {
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column.saturating_add(1))
    }
}
