//! Header fields as bytes, in the order they came.
//!
//! One buffer holds all of them in the form in which a proxy-wasm host hands them over, so that a request costs one
//! host call and one allocation. Values are bytes: RFC 9110 section 5.5 lets them be anything but controls, and UTF-8 is
//! nowhere promised. Names are lower case in HTTP/2 and Envoy makes them so in HTTP/1; lookups expect that.

use std::ops::Range;

/// The header fields of one message, pseudo-headers of HTTP/2 (`:path`) among them. It has no `Debug`: they hold
/// credentials and name patients.
#[derive(Clone, Default)]
pub struct Headers {
    buffer: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Headers {
    /// Reads a host's serialised pairs: a count, then the lengths of each name and value (all 32 bits, little endian),
    /// then names and values, each ended by a zero byte. `None` when the buffer is not that.
    #[must_use]
    pub fn from_host(buffer: Vec<u8>) -> Option<Self> {
        if buffer.is_empty() {
            return Some(Self::default());
        }
        let word = |at: usize| -> Option<usize> {
            let bytes = buffer.get(at..at.checked_add(4)?)?;
            usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let count = word(0)?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        if at > buffer.len() {
            return None;
        }
        let mut take = |length: usize| -> Option<Range<usize>> {
            let end = at.checked_add(length)?;
            if buffer.get(end) != Some(&0) {
                return None;
            }
            let range = at..end;
            at = end.checked_add(1)?;
            Some(range)
        };
        let mut fields = Vec::with_capacity(count);
        for index in 0..count {
            let lengths = index.checked_mul(8)?.checked_add(4)?;
            fields.push((take(word(lengths)?)?, take(word(lengths.checked_add(4)?)?)?));
        }
        Some(Self { buffer, fields })
    }

    /// Collects pairs. Names are put in lower case.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut headers = Self::default();
        let mut append = |bytes: &[u8]| {
            let start = headers.buffer.len();
            headers.buffer.extend_from_slice(bytes);
            start..headers.buffer.len()
        };
        let fields =
            pairs.into_iter().map(|(name, value)| (append(&name.as_ref().to_ascii_lowercase()), append(value.as_ref())));
        let fields = fields.collect();
        headers.fields = fields;
        headers
    }

    /// All fields, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (self.bytes(name), self.bytes(value)))
    }

    /// The values of every field of this name, which is in lower case.
    pub fn all<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        // Few names are as long as another, so most are told apart without being looked at.
        let is_named = move |own: &Range<usize>| own.len() == name.len() && self.bytes(own) == name.as_bytes();
        self.fields.iter().filter(move |(own, _)| is_named(own)).map(|(_, value)| self.bytes(value))
    }

    /// The value of the first field of this name, which is in lower case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The value of the only field of this name: absent, one, or an error when repeated.
    pub fn single(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values together, in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.buffer.get(range.clone()).unwrap_or_default()
    }
}

/// A field that may stand once stands more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

#[cfg(test)]
mod tests {
    use super::*;

    fn serialised(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in pairs {
            out.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
            out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        }
        for (name, value) in pairs {
            out.extend([name, &b"\0"[..], value, b"\0"].concat());
        }
        out
    }

    #[test]
    fn reads_what_a_host_writes() {
        let headers = Headers::from_host(serialised(&[(b":path", b"/"), (b"x", b"\xff\0y"), (b"x", b"")])).unwrap();
        assert_eq!(headers.first("x"), Some(&b"\xff\0y"[..]));
        assert_eq!(headers.single("x"), Err(Repeated));
        assert_eq!(headers.single(":path"), Ok(Some(&b"/"[..])));
        assert_eq!((headers.len(), headers.byte_len()), (3, 11));
    }

    #[test]
    fn refuses_a_buffer_cut_anywhere() {
        let whole = serialised(&[(b"name", b"value"), (b"n", b"")]);
        assert!((1..whole.len()).all(|end| Headers::from_host(whole[..end].to_vec()).is_none()));
        assert!(Headers::from_host(vec![255; 12]).is_none());
    }
}
