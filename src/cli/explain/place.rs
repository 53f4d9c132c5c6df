//! Where in the file of a policy something stands.

use std::path::Path;

use serde_json::Value;

use crate::policy::diagnostic::Report;
use crate::policy::document::Node;

/// The longest part of a policy that is repeated.
const LONGEST_QUOTE: usize = 200;

/// A policy as it was written.
pub(super) struct Places {
    file: String,
    text: String,
    root: Option<Node>,
}

/// A place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The JSON Pointer of what is written there.
    pub(super) pointer: String,
    pub(super) line: usize,
}

impl Places {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let root = Node::parse(text, &mut Report::new(text));
        Self { file: path.display().to_string(), text: text.to_owned(), root }
    }

    /// Where a pointer leads that is meant as if `defaults` stood in the route. Nowhere where what it means is built in.
    pub(super) fn find(&self, pointer: &str) -> Option<Place> {
        let in_defaults = || {
            let (_, rest) = pointer.strip_prefix("/routes/")?.split_once('/')?;
            Some(format!("/defaults/{rest}"))
        };
        self.written(pointer).or_else(|| self.written(&in_defaults()?))
    }

    /// A place in words: file, line, pointer.
    pub(super) fn in_words(&self, Place { pointer, line }: &Place) -> String {
        format!("{}:{line} {pointer}", self.file)
    }

    /// What is written at a place, on one line, if it is short.
    pub(super) fn quote(&self, place: &Place) -> Option<String> {
        let node = self.node(&place.pointer)?;
        let written = serde_json::Deserializer::from_str(self.text.get(node.offset..)?).into_iter::<Value>().next()?;
        let written = written.ok()?.to_string();
        (written.len() <= LONGEST_QUOTE).then_some(written)
    }

    fn written(&self, pointer: &str) -> Option<Place> {
        let node = self.node(pointer)?;
        let line = self.text.get(..node.offset)?.matches('\n').count().saturating_add(1);
        Some(Place { pointer: pointer.to_owned(), line })
    }

    fn node(&self, pointer: &str) -> Option<&Node> {
        let mut node = self.root.as_ref()?;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let element = step.parse().ok().and_then(|index: usize| node.items().get(index));
            node = element.or_else(|| node.get(&step))?;
        }
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_route_does_not_say_is_looked_for_in_defaults() {
        let text = "{\"routes\": [\n{\"a\": {\"b/c\": 1}}],\n\"defaults\":\n{\"d\": [0,\n1]}}";
        let places = Places::new(Path::new("p.json"), text);
        let found = |pointer: &str| places.find(pointer).map(|place| places.in_words(&place));
        assert_eq!(found("/routes/0/a/b~1c").as_deref(), Some("p.json:2 /routes/0/a/b~1c"));
        assert_eq!(found("/routes/0/d/1").as_deref(), Some("p.json:5 /defaults/d/1"));
        assert_eq!(found("/routes/0/e"), None);
        assert_eq!(found("/routes/1"), None);
    }
}
