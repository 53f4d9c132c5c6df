//! Which keys the open objects have had, to find one that stands twice.

use std::collections::HashSet;

use super::Error;

/// Keys looked through one by one; an object with more gets a set.
const FEW: usize = 32;

/// The keys of the open objects, innermost last. Keys are compared as the text they stand for.
///
/// Their bytes, in all open objects together, are bounded like their number in each.
#[derive(Clone, Debug)]
pub struct SeenKeys {
    max_keys: usize,
    max_bytes: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many objects are open.
    depth: usize,
    /// Those of them that have keys.
    objects: Vec<Object>,
}

#[derive(Clone, Debug)]
struct Object {
    depth: usize,
    first: usize,
    begin: usize,
    /// One bit for each key, by its hash: a key whose bit is not there is new.
    filter: u64,
    many: Option<HashSet<Box<[u8]>>>,
}

impl SeenKeys {
    /// Nothing is open. `max_keys` bounds each object, `max_bytes` all together.
    #[must_use]
    pub fn new(max_keys: usize, max_bytes: usize) -> Self {
        Self { max_keys, max_bytes, bytes: Vec::new(), ends: Vec::new(), depth: 0, objects: Vec::new() }
    }

    /// An object opens.
    #[inline]
    pub fn open(&mut self) {
        self.depth += 1;
    }

    /// The innermost object closes.
    #[inline]
    pub fn close(&mut self) {
        if let Some(object) = self.objects.pop_if(|object| object.depth == self.depth) {
            self.ends.truncate(object.first);
            self.bytes.truncate(object.begin);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// The innermost object has this key, unescaped.
    pub fn insert(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.depth == 0 {
            return Err(Error::Syntax);
        }
        if self.objects.last().is_none_or(|object| object.depth < self.depth) {
            let (depth, first, begin) = (self.depth, self.ends.len(), self.bytes.len());
            self.objects.push(Object { depth, first, begin, filter: 0, many: None });
        }
        let Some(object) = self.objects.last_mut() else { return Err(Error::Syntax) };
        let ends = self.ends.get(object.first..).unwrap_or_default();
        if ends.len() >= self.max_keys || self.bytes.len() + key.len() > self.max_bytes {
            return Err(Error::TooManyKeys);
        }
        let bit = 1 << (hash(key) >> 58);
        if object.filter & bit != 0 && object.has(key, ends, &self.bytes) {
            return Err(Error::RepeatedKey);
        }
        if ends.len() >= FEW {
            let many = object.many.get_or_insert_with(|| keys(object.begin, ends, &self.bytes).map(Box::from).collect());
            many.insert(Box::from(key));
        }
        object.filter |= bit;
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        Ok(())
    }
}

impl Object {
    fn has(&self, key: &[u8], ends: &[usize], bytes: &[u8]) -> bool {
        match &self.many {
            Some(many) => many.contains(key),
            None => keys(self.begin, ends, bytes).any(|seen| seen == key),
        }
    }
}

fn keys<'b>(begin: usize, ends: &'b [usize], bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
    let begins = std::iter::once(begin).chain(ends.iter().copied());
    begins.zip(ends).map(|(begin, end)| bytes.get(begin..*end).unwrap_or_default())
}

/// Spreads keys over the filter's bits; that some share one costs a comparison and no more.
#[inline]
fn hash(key: &[u8]) -> u64 {
    let edge = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    let middle = key.get(key.len() / 2).copied().map_or(0, u64::from);
    let edges = (edge(key.first_chunk()) << 32) | edge(key.last_chunk());
    (edges ^ (middle << 24) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_once_in_each_object_however_many_there_are() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 500] {
            let mut seen = SeenKeys::new(1000, 1 << 16);
            seen.open();
            let keys: Vec<String> = (0..count).map(|index| format!("key{index}")).collect();
            assert!(keys.iter().all(|key| seen.insert(key.as_bytes()).is_ok()));
            seen.open();
            assert!(keys.iter().all(|key| seen.insert(key.as_bytes()).is_ok()));
            seen.close();
            assert!(keys.iter().all(|key| seen.insert(key.as_bytes()) == Err(Error::RepeatedKey)));
            assert_eq!(seen.insert(b"new"), Ok(()));
        }
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let mut seen = SeenKeys::new(2, 6);
        seen.open();
        assert_eq!(seen.insert(b"aaa"), Ok(()));
        assert_eq!(seen.insert(b"bbbb"), Err(Error::TooManyKeys));
        assert_eq!(seen.insert(b""), Ok(()));
        assert_eq!(seen.insert(b"c"), Err(Error::TooManyKeys));
        seen.open();
        assert_eq!(seen.insert(b"aaa"), Ok(()));
        seen.close();
        seen.open();
        assert_eq!(seen.insert(b"aaa"), Ok(()));
    }
}
