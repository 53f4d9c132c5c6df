//! A set of keys as workers share it: what came, when, and for how long it is fresh.
//!
//! Every module of the same VM id can read and write shared data. An entry stands under a name that a hash of the
//! provider's configuration makes, so that no other provider's is taken for it; with a key from the environment it also
//! carries an HMAC-SHA-256, which no module without the key can make.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const VERSION: &[u8; 4] = b"cwk1";
const MAC: usize = 32;

/// An entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored<'s> {
    pub(super) fetched: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) set: &'s [u8],
}

/// What entries are authenticated with.
pub(super) struct Sealing<'k> {
    pub(super) name: &'k str,
    pub(super) key: Option<&'k [u8]>,
}

impl Sealing<'_> {
    pub(super) fn seal(&self, stored: &Stored<'_>) -> Option<Vec<u8>> {
        let fetched = u64::try_from(stored.fetched.as_millis()).ok()?;
        let max_age = stored.max_age.map_or(u64::MAX, |age| age.as_secs());
        let mut out = [&VERSION[..], &fetched.to_le_bytes(), &max_age.to_le_bytes(), stored.set].concat();
        if let Some(mac) = self.mac(&out) {
            out.extend(mac.finalize().into_bytes());
        }
        Some(out)
    }

    pub(super) fn open<'s>(&self, entry: &'s [u8]) -> Option<Stored<'s>> {
        let said = match self.key {
            None => entry,
            Some(_) => {
                let (said, tag) = entry.split_at_checked(entry.len().checked_sub(MAC)?)?;
                self.mac(said)?.verify_slice(tag).ok()?;
                said
            }
        };
        let rest = said.strip_prefix(VERSION)?;
        let (fetched, rest) = rest.split_first_chunk::<8>()?;
        let (max_age, set) = rest.split_first_chunk::<8>()?;
        let max_age = Some(u64::from_le_bytes(*max_age)).filter(|age| *age != u64::MAX).map(Duration::from_secs);
        Some(Stored { fetched: Duration::from_millis(u64::from_le_bytes(*fetched)), max_age, set })
    }

    fn mac(&self, said: &[u8]) -> Option<Hmac<Sha256>> {
        // A MAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(self.key?).ok()?;
        Some(mac.chain_update(self.name).chain_update([0]).chain_update(said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Stored<'_> =
        Stored { fetched: Duration::from_millis(1_700_000_000_123), max_age: Some(Duration::from_secs(60)), set: b"{}" };

    #[test]
    fn what_is_sealed_opens_again() {
        for key in [None, Some(&b"key"[..])] {
            let sealing = Sealing { name: "a", key };
            for stored in [STORED, Stored { max_age: None, ..STORED }, Stored { set: b"", ..STORED }] {
                assert_eq!(sealing.open(&sealing.seal(&stored).unwrap()), Some(stored));
            }
        }
    }

    #[test]
    fn what_another_wrote_does_not_open() {
        let ours = Sealing { name: "a", key: Some(b"key") };
        let entry = ours.seal(&STORED).unwrap();
        for theirs in [
            Sealing { name: "a", key: Some(b"other") },
            Sealing { name: "b", key: Some(b"key") },
            Sealing { name: "a", key: None },
        ] {
            assert_eq!(ours.open(&theirs.seal(&STORED).unwrap()), None);
        }
        for at in 0..entry.len() {
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert_eq!(ours.open(&changed), None, "{at}");
            assert_eq!(ours.open(&entry[..at]), None, "{at}");
        }
        let plain = Sealing { name: "a", key: None };
        assert!((0..20).all(|length| plain.open(&plain.seal(&STORED).unwrap()[..length]).is_none()));
    }
}
