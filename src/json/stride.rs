//! Passing through blocks of sixty-four bytes without looking at tokens one by one.
//!
//! [`Stride::pass`] either proves that what stands in a block is what [`Lexer::next`](super::Lexer::next) would have taken,
//! all of it, or passes nothing; it never judges that something is wrong. Whoever uses it leaves what was not passed to
//! the lexer, so that results, errors and their order are the lexer's, however the text is cut.
//!
//! Each kind of byte is a word of bits (see [`block`](super::block)). Which bytes are in strings is the running parity of
//! the quotes. That a token may stand where it does is a matter of the token before it, but for white space between, over
//! which an addition carries ([`after`]). Only brackets are looked at in turn, to know in what each comma and each
//! closing bracket stands. A block ends before a number, a name or a key that goes over its end, so that only strings
//! that are values lie across.

use super::block::{self, BLOCK};
use super::number::Number;
use super::string::Text;
use super::{Framing, Limits};

/// How much of a block is passed at most: the next byte's bit says what may stand there.
const STEP: u32 = BLOCK as u32 - 1;

/// How many containers it can have open: one bit each below a mark.
pub(super) const MAX_OPEN: u32 = u64::BITS - 1;

/// Where passing through stands, between tokens or in a string that is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stride {
    /// In a string: 1, else 0.
    pub(super) inside: u64,
    /// What may come next.
    pub(super) next: Next,
    /// The open containers, innermost lowest: 1 for an object, 0 for an array, and a 1 above them.
    pub(super) open: u64,
    /// How far back the string it is in began, if in one.
    pub(super) string: usize,
    /// Whether that string holds escapes.
    pub(super) escaped: bool,
}

/// What may come next: 1 where it may, else 0. After a value none may, but a comma or an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// A value, a key, or an end when nothing else came yet.
    pub(super) begin: u64,
    /// Of these, no end.
    pub(super) no_end: u64,
    /// Of these, a key.
    pub(super) key: u64,
    pub(super) colon: u64,
}

/// What is asked of a text besides the grammar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) framing: Framing,
    pub(super) limits: &'a Limits,
    /// How many containers may be open.
    pub(super) max_open: u32,
    /// The keys that must not be passed, unescaped.
    pub(super) sought: &'a [&'a [u8]],
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// This much was passed.
    Passed(usize),
    /// This much, up to and with the end of the outermost container.
    Ended(usize),
    /// Nothing.
    Stopped,
}

/// The bits of the strings of a block, and what they allow.
struct Strings {
    quotes: u64,
    /// From each opening quote up to the closing one, without it.
    bytes: u64,
    backslashes: u64,
    bad: u64,
    /// How many bytes may be passed.
    end: u32,
}

impl Stride {
    /// Passes the first bytes of a block.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8; BLOCK], rules: &Rules<'_>) -> Pass {
        let classes = block::classes(bytes);
        let strings = if classes.is_special {
            special_strings(bytes, classes.quotes, self.inside, rules.framing)
        } else {
            let (quotes, bytes) = (classes.quotes, in_strings(classes.quotes, self.inside));
            Strings { quotes, bytes, backslashes: 0, bad: 0, end: STEP }
        };
        let Strings { quotes, bytes: text, backslashes, mut bad, end } = strings;
        let (third, second, first) = (classes.third, classes.second, classes.first);
        let outside = !(text | quotes);
        let brackets = third & outside;
        let (opening, closing) = (brackets & second, brackets & !second);
        let separators = !third & second & outside;
        let (colons, commas) = (separators & first, separators & !first);
        let white = !(third | second) & first & outside & below(end);
        let scalars = !(third | second | first) & outside;

        let innermost = self.open & 1;
        let brackets_of = Brackets { opening: opening & below(end), closing: closing & below(end), objects: first };
        let Some((open, into_objects, ended)) = brackets_of.follow(self.open, rules.max_open) else {
            return Pass::Stopped;
        };
        let in_objects = fill(into_objects << 1 | innermost, !brackets);
        bad |= closing & (in_objects ^ first);

        let begin = after(opening | separators, self.next.begin, white);
        let no_end = after(separators, self.next.no_end, white);
        let key = after(opening & first | commas & in_objects, self.next.key, white);
        let opening_quotes = quotes & text;
        let keys = opening_quotes & key;
        let key_ends = text.wrapping_add(keys) & !text;
        let colon = after(key_ends, self.next.colon, white);
        let values = opening | scalars & !(scalars << 1);
        bad |= (values | opening_quotes) & !begin | commas & begin | values & key | closing & no_end | colons ^ colon;

        // A key, a number or a name that may go on behind the end is left for the next block.
        let last = BLOCK as u32 - (!(text | scalars) & below(end)).leading_zeros();
        let end = if last < end && bit(keys | scalars, last) == 1 { last } else { end };
        let passed = ended.map_or_else(|| below(end), |end| below(end) << 1 | 1);
        if bad & passed != 0 || end == 0 {
            return Pass::Stopped;
        }
        let (keys, key_ends) = (keys & passed, key_ends & passed);
        if !rules.sought.is_empty() && shows_key(bytes, keys, key_ends, backslashes, rules.sought) {
            return Pass::Stopped;
        }
        if scalars & passed != 0 && !are_scalars(bytes, scalars & passed, rules.limits) {
            return Pass::Stopped;
        }
        self.open = open;
        if let Some(end) = ended {
            return Pass::Ended(end as usize + 1);
        }
        let inside = bit(text, end - 1);
        self.follow_string(inside, last, end, backslashes);
        self.inside = inside;
        self.next = Next { begin: bit(begin, end), no_end: bit(no_end, end), key: bit(key, end), colon: bit(colon, end) };
        Pass::Passed(end as usize)
    }

    /// Keeps in mind where the string began that goes over the end of the block, at `first` if it is not the one that
    /// did so before.
    #[inline]
    fn follow_string(&mut self, inside: u64, first: u32, end: u32, backslashes: u64) {
        let goes_on = first == 0 && self.inside == 1;
        self.string = if goes_on { self.string.saturating_add(end as usize) } else { end.saturating_sub(first) as usize };
        let own = backslashes & below(end) & !below(first);
        self.escaped = inside == 1 && (own != 0 || goes_on && self.escaped);
    }
}

/// The brackets of a block outside strings.
struct Brackets {
    opening: u64,
    closing: u64,
    /// Those of objects, among other bits.
    objects: u64,
}

impl Brackets {
    /// The containers that are open behind them, which brackets have an object for the innermost container behind them,
    /// and the bit that ends the outermost container, where the walk ends. Nothing when too many may be open.
    #[inline]
    fn follow(&self, mut open: u64, max_open: u32) -> Option<(u64, u64, Option<u32>)> {
        if MAX_OPEN - open.leading_zeros() + self.opening.count_ones() > max_open {
            return None;
        }
        let mut into_objects = 0;
        let mut rest = self.opening | self.closing;
        while rest != 0 {
            let lowest = rest & rest.wrapping_neg();
            rest ^= lowest;
            open = if self.opening & lowest != 0 { open << 1 | u64::from(self.objects & lowest != 0) } else { open >> 1 };
            into_objects |= lowest & (open & 1).wrapping_neg();
            if open == 1 {
                return Some((open, into_objects, Some(lowest.trailing_zeros())));
            }
        }
        Some((open, into_objects, None))
    }
}

/// The bits of the strings of a block that has backslashes, controls or bytes beyond ASCII. It ends before a character or
/// an escape that goes over its end, or is none.
#[inline(never)]
fn special_strings(bytes: &[u8; BLOCK], quotes: u64, inside: u64, framing: Framing) -> Strings {
    let specials = block::specials(bytes);
    let mut end = STEP;
    if specials.beyond_ascii != 0 {
        let (text, _) = bytes.split_at(STEP as usize);
        if let Err(error) = std::str::from_utf8(text) {
            end = end.min(error.valid_up_to() as u32);
        }
    }
    let backslashes = specials.backslashes & below(end);
    let escaped = escaped(backslashes);
    let quotes = quotes & !escaped;
    if escaped != 0 {
        end = end_of_escapes(bytes, escaped, end);
    }
    let text = in_strings(quotes, inside);
    let bad = match framing {
        Framing::One => specials.controls & text,
        // The end of a line would end the value.
        Framing::Lines => specials.controls,
    };
    Strings { quotes, bytes: text, backslashes, bad, end }
}

/// The characters behind a backslash that is not itself escaped: runs of backslashes of odd length end before them.
#[inline]
fn escaped(backslashes: u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let begins = backslashes & !(backslashes << 1);
    let behind = |begins: u64| backslashes.wrapping_add(begins) & !backslashes;
    behind(begins & EVEN) & !EVEN | behind(begins & !EVEN) & EVEN
}

/// Up to where escapes are whole and well formed, at most `end`.
fn end_of_escapes(bytes: &[u8; BLOCK], mut escaped: u64, end: u32) -> u32 {
    while escaped != 0 {
        let at = escaped.trailing_zeros();
        escaped &= escaped - 1;
        let mut state = Text::Escape;
        let mut read = at;
        while state != Text::Plain {
            let byte = bytes.get(read as usize).filter(|_| read < end);
            let Some(Ok(next)) = byte.map(|byte| state.next(*byte)) else { return at - 1 };
            (state, read) = (next, read + 1);
        }
        // A surrogate pair is two.
        escaped &= !below(read);
    }
    end
}

/// From each opening quote up to the closing one.
#[inline]
fn in_strings(quotes: u64, inside: u64) -> u64 {
    let parity = [1, 2, 4, 8, 16, 32].iter().fold(quotes, |bits, shift| bits ^ bits << shift);
    parity ^ inside.wrapping_neg()
}

/// The bits behind `bits`, white space passed over; `first` says whether the first bit is behind one.
#[inline]
fn after(bits: u64, first: u64, white: u64) -> u64 {
    white.wrapping_add(bits << 1 | first) & !white
}

/// The runs of `through` that begin with `bits`, each with the bit that ends it.
#[inline]
fn fill(bits: u64, through: u64) -> u64 {
    through.wrapping_add(bits) ^ through
}

/// The lowest `count` bits; not all of them.
#[inline]
fn below(count: u32) -> u64 {
    (1_u64 << (count % BLOCK as u32)) - 1
}

#[inline]
fn bit(bits: u64, index: u32) -> u64 {
    bits >> (index % BLOCK as u32) & 1
}

/// Whether one of the keys is sought, or could be by its escapes.
#[inline]
fn shows_key(bytes: &[u8; BLOCK], keys: u64, key_ends: u64, backslashes: u64, sought: &[&[u8]]) -> bool {
    if backslashes & key_ends.wrapping_sub(keys) != 0 {
        return true;
    }
    sought.iter().any(|key| {
        let length = key.len() as u32 + 1;
        let mut found = if length < STEP { (keys << length) & key_ends } else { 0 };
        while found != 0 {
            let end = found.trailing_zeros() as usize;
            found &= found - 1;
            if end.checked_sub(key.len()).and_then(|begin| bytes.get(begin..end)) == Some(key) {
                return true;
            }
        }
        false
    })
}

/// Whether each run of bits is a number or a name.
fn are_scalars(bytes: &[u8; BLOCK], mut runs: u64, limits: &Limits) -> bool {
    while runs != 0 {
        let begin = runs.trailing_zeros();
        let length = (!(runs >> begin)).trailing_zeros();
        let end = begin + length;
        let text = bytes.get(begin as usize..end as usize).unwrap_or_default();
        let is_scalar = match text {
            b"true" | b"false" | b"null" => true,
            _ => is_number(text) && text.len() <= limits.max_number,
        };
        if !is_scalar {
            return false;
        }
        runs &= !below(end);
    }
    true
}

fn is_number(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let number = rest.iter().try_fold(Number::begin(*first), |number, byte| Some(number?.next(*byte)));
    number.flatten().is_some_and(Number::is_whole)
}
