//! Passing through blocks of sixty-four bytes without looking at tokens one by one.
//!
//! [`Stride::pass`] either proves that what stands in a block is what [`Lexer::next`](super::Lexer::next) would have taken,
//! all of it, or passes nothing; it never judges that something is wrong. Whoever uses it leaves what was not passed to
//! the lexer, so that results, errors and their order are the lexer's, however the text is cut.
//!
//! Each kind of byte is a word of bits (see [`block`]). Which bytes are in strings is the running parity of
//! the quotes. That a token may stand where it does is a matter of the token before it, but for white space between, over
//! which an addition carries ([`after`]). Only brackets are looked at in turn, to know in what each comma and each
//! closing bracket stands. A block ends before a number, a name or a key that goes over its end, so that only strings
//! that are values lie across.

use super::block::{self, BLOCK, Classes};
use super::number::Number;
use super::string::Text;

/// How much of a block is passed at most: the next byte's bit says what may stand there.
const STEP: u32 = BLOCK as u32 - 1;

/// How many containers it can have open: one bit each below a mark.
pub(super) const MAX_OPEN: u32 = u64::BITS - 1;

/// The containers that are open when all have ended: the mark.
const OUTERMOST: u64 = 1;

/// Where passing through stands, between tokens or in a string that is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stride {
    /// In a string: 1, else 0.
    pub(super) inside: u64,
    /// What may come next.
    pub(super) next: Next,
    /// The open containers, innermost lowest: 1 for an object, 0 for an array, and a 1 above them.
    pub(super) open: u64,
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
    /// All bits where the end of a line would end the value, as would no other control character: none may stand outside
    /// strings. Else 0.
    pub(super) no_lines: u64,
    /// The longest number, in bytes.
    pub(super) max_number: usize,
    /// How many containers may be open, at most [`MAX_OPEN`].
    pub(super) max_open: u32,
    /// The keys that must not be passed, unescaped.
    pub(super) sought: &'a [&'a [u8]],
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// This much was passed.
    Passed(usize),
    /// So was this, all of it inside a string.
    Inside(usize),
    /// This much, up to and with the end of the outermost container.
    Ended(usize),
    /// Nothing.
    Stopped,
}

/// The bits of the strings of a block, and what they allow.
#[derive(Clone, Copy)]
struct Strings {
    quotes: u64,
    /// From each opening quote up to the closing one, without it.
    text: u64,
    backslashes: u64,
    /// Control characters where none may stand.
    bad: u64,
    /// How many bytes may be passed.
    end: u32,
}

impl Stride {
    /// Passes the first bytes of a block.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8; BLOCK], rules: &Rules<'_>) -> Pass {
        let classes = block::classes(bytes);
        let quotes = classes.quotes;
        let text = in_strings(quotes, self.inside);
        if classes.has_backslash || classes.unusual & text != 0 {
            let pass;
            (*self, pass) = self.pass_special(bytes, classes, rules);
            return pass;
        }
        let strings = Strings { quotes, text, backslashes: 0, bad: classes.unusual & rules.no_lines, end: STEP };
        self.prove(bytes, classes, strings, rules)
    }

    /// The same where there is more to see to. It has code of its own, for the sake of the plain one's.
    #[inline(never)]
    fn pass_special(mut self, bytes: &[u8; BLOCK], classes: Classes, rules: &Rules<'_>) -> (Self, Pass) {
        let strings = special_strings(bytes, classes.quotes, self.inside, rules.no_lines);
        let pass = self.prove(bytes, classes, strings, rules);
        (self, pass)
    }

    #[inline(always)]
    fn prove(&mut self, bytes: &[u8; BLOCK], classes: Classes, strings: Strings, rules: &Rules<'_>) -> Pass {
        let Classes { third, second, first, .. } = classes;
        let Strings { quotes, text, backslashes, bad, end } = strings;
        let outside = !(text | quotes);
        let brackets = third & outside;
        let (opening, closing) = (brackets & second, brackets & !second);
        let separators = second & outside & !third;
        let (colons, commas) = (separators & first, separators & !first);
        let plain = outside & !(third | second);
        let (white, scalars) = (plain & first & below(end), plain & !first);

        if MAX_OPEN - self.open.leading_zeros() + opening.count_ones() > rules.max_open {
            return Pass::Stopped;
        }
        let Walk { open, into_objects, last: outermost } = walk(self.open, brackets & below(end), second, first);
        let in_objects = fill(into_objects << 1 | self.open & 1, !brackets);

        let opening_quotes = quotes & text;
        let begin = after(opening | separators, self.next.begin, white);
        let no_end = after(separators, self.next.no_end, white);
        let key = after(opening & first | commas & in_objects, self.next.key, white);
        let keys = opening_quotes & key;
        let key_ends = text.wrapping_add(keys) & !text;
        let colon = after(key_ends, self.next.colon, white);
        let values = opening | scalars & !(scalars << 1);
        let misplaced = (values | opening_quotes) ^ begin & !closing | values & key | colons ^ colon;
        let bad = bad | misplaced | closing & (no_end | in_objects ^ first);

        // A key, a number or a name that may go on behind the end is left for the next block.
        let last = BLOCK as u32 - (!(text | scalars) & below(end)).leading_zeros();
        let end = if bit(keys | scalars, last) == 1 { last } else { end };
        let ended = open == OUTERMOST;
        let passed = if ended { outermost | (outermost - 1) } else { below(end) };
        if bad & passed != 0 || end == 0 {
            return Pass::Stopped;
        }
        if !rules.sought.is_empty() && shows_key(bytes, keys & passed, key_ends & passed, backslashes, rules.sought) {
            return Pass::Stopped;
        }
        if scalars & passed != 0 && !are_scalars(bytes, scalars & passed, rules.max_number) {
            return Pass::Stopped;
        }
        if ended {
            return Pass::Ended(outermost.trailing_zeros() as usize + 1);
        }
        self.open = open;
        self.inside = bit(text, end - 1);
        self.next = Next { begin: bit(begin, end), no_end: bit(no_end, end), key: bit(key, end), colon: bit(colon, end) };
        if quotes & passed == 0 && self.inside == 1 { Pass::Inside(end as usize) } else { Pass::Passed(end as usize) }
    }
}

/// What a walk over brackets comes to.
struct Walk {
    /// The containers that are open behind it; none but the mark when the outermost one ended.
    open: u64,
    /// The brackets behind which an object is the innermost container.
    into_objects: u64,
    /// The last bracket, which may have ended the outermost container.
    last: u64,
}

/// Goes over brackets, each opening or not, of an object or not, up to the end of the outermost container.
#[inline(always)]
fn walk(mut open: u64, mut brackets: u64, opening: u64, objects: u64) -> Walk {
    let (mut into_objects, mut last) = (0, 0);
    while brackets != 0 && open != OUTERMOST {
        last = brackets & brackets.wrapping_neg();
        brackets ^= last;
        // Which it is cannot be foreseen: both are worked out, and one is taken.
        let (pushed, popped) = (open << 1 | u64::from(objects & last != 0), open >> 1);
        open = if opening & last != 0 { pushed } else { popped };
        into_objects |= last & (open & 1).wrapping_neg();
    }
    Walk { open, into_objects, last }
}

/// The bits of the strings of a block that has backslashes, controls or bytes beyond ASCII. It ends before a character or
/// an escape that goes over its end, or is none.
#[inline(never)]
fn special_strings(bytes: &[u8; BLOCK], quotes: u64, inside: u64, no_lines: u64) -> Strings {
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
    Strings { quotes, text, backslashes, bad: specials.controls & (text | no_lines), end }
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
#[inline(always)]
fn shows_key(bytes: &[u8; BLOCK], keys: u64, key_ends: u64, backslashes: u64, sought: &[&[u8]]) -> bool {
    // By their lengths few can be.
    let ends = sought.iter().fold(0, |ends, key| ends | keys.checked_shl(key.len() as u32 + 1).unwrap_or(0));
    let found = ends & key_ends;
    backslashes & key_ends.wrapping_sub(keys) != 0 || found != 0 && ends_key(bytes, found, sought)
}

/// Whether one of the keys ends where there is a bit.
fn ends_key(bytes: &[u8; BLOCK], mut ends: u64, sought: &[&[u8]]) -> bool {
    while ends != 0 {
        let text = bytes.get(..ends.trailing_zeros() as usize).unwrap_or_default();
        let is_key = |key: &&[u8]| text.strip_suffix(*key).is_some_and(|before| before.ends_with(b"\""));
        if sought.iter().any(is_key) {
            return true;
        }
        ends &= ends - 1;
    }
    false
}

/// Whether each run of bits is a number or a name.
fn are_scalars(bytes: &[u8; BLOCK], mut runs: u64, max_number: usize) -> bool {
    while runs != 0 {
        let begin = runs.trailing_zeros();
        let length = (!(runs >> begin)).trailing_zeros();
        let end = begin + length;
        let text = bytes.get(begin as usize..end as usize).unwrap_or_default();
        let is_scalar = match text {
            b"true" | b"false" | b"null" => true,
            _ => is_number(text) && text.len() <= max_number,
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
