//! Passing through is held to reading token by token: the same end, the same errors, the same state, however the text is
//! cut. Texts are random, from seeds that failures print.

use super::*;
use crate::json::Limits;

type Passing = fn(&mut Lexer, &[u8], usize, &[&[u8]]) -> Result<Skipped, Error>;

/// What [`Lexer::skip`] does, token by token.
fn read_through(lexer: &mut Lexer, data: &[u8], depth: usize, sought: &[&[u8]]) -> Result<Skipped, Error> {
    while let Some(token) = lexer.next(data)? {
        let key = unescape(lexer.text(token, data));
        if token == Token::Key && sought.contains(&&*key) {
            return Ok(Skipped::Met);
        }
        if matches!(token, Token::EndObject | Token::EndArray) && lexer.depth() < depth {
            return Ok(Skipped::Ended);
        }
    }
    Ok(Skipped::More)
}

#[derive(Clone, Copy)]
struct Case {
    limits: Limits,
    framing: Framing,
    sought: &'static [&'static [u8]],
    /// Containers whose members are at this depth are passed through.
    depth: usize,
}

/// All that can be seen of a text, with places in the whole of it.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Tokens, ends of passing through and keys met.
    events: Vec<String>,
    /// The state at the end of each piece.
    pauses: Vec<String>,
    end: Result<(), Error>,
}

impl Seen {
    fn of(pieces: &[&[u8]], case: &Case, skip: Passing) -> Self {
        let mut seen = Self { events: Vec::new(), pauses: Vec::new(), end: Ok(()) };
        seen.end = seen.fill(pieces, case, skip);
        seen
    }

    fn fill(&mut self, pieces: &[&[u8]], case: &Case, skip: Passing) -> Result<(), Error> {
        let mut lexer = Lexer::new(case.limits, case.framing);
        let (mut held, mut gone, mut met) = (Vec::new(), 0, false);
        for piece in pieces {
            held.extend_from_slice(piece);
            loop {
                // What stands behind a key that was met is read, and then the rest passed through.
                let event = if lexer.depth() >= case.depth && !met {
                    let skipped = skip(&mut lexer, &held, case.depth, case.sought)?;
                    met = skipped == Skipped::Met;
                    let key = met.then(|| unescape(lexer.text(Token::Key, &held)).into_owned());
                    (skipped != Skipped::More).then(|| format!("{skipped:?} {key:?}"))
                } else {
                    let token = lexer.next(&held)?;
                    met = met && token.is_none();
                    token.map(|token| format!("{token:?}"))
                };
                let Some(event) = event else { break };
                self.events.push(format!("{event} {:?} {}", (gone + lexer.start(), gone + lexer.at()), lexer.depth()));
            }
            let (at, start) = (gone + lexer.at, gone + lexer.start);
            self.pauses.push(match lexer.unfinished {
                // What a string that is passed through began with is nobody's business.
                Some(token @ Unfinished::Text(Token::String, _)) if lexer.depth() >= case.depth && !met => {
                    format!("{at} {:?} {token:?}", lexer.open)
                }
                Some(token @ Unfinished::Text(..)) => format!("{at} {:?} {token:?} {start} {}", lexer.open, lexer.escaped),
                Some(token) => format!("{at} {:?} {token:?} {start}", lexer.open),
                None => format!("{at} {:?} {:?}", lexer.open, lexer.expected),
            });
            let keep = match lexer.unfinished() {
                None => lexer.at(),
                Some(Token::String) if lexer.depth() >= case.depth && !met => lexer.at(),
                Some(_) => lexer.start(),
            };
            held.drain(..keep);
            lexer.rebase(keep);
            gone += keep;
        }
        lexer.finish().map(drop)
    }
}

/// The same in blocks and token by token, whole and cut at `cuts`.
fn agree(text: &[u8], case: &Case, cuts: impl Iterator<Item = usize>) -> Result<(), Error> {
    let whole = Seen::of(&[text], case, read_through);
    assert_eq!(Seen::of(&[text], case, Lexer::skip), whole, "{}", text.escape_ascii());
    for cut in cuts {
        let (first, second) = text.split_at(cut);
        let read = Seen::of(&[first, second], case, read_through);
        assert_eq!(Seen::of(&[first, second], case, Lexer::skip), read, "cut at {cut}: {}", text.escape_ascii());
        assert_eq!((&read.events, read.end), (&whole.events, whole.end), "cut at {cut}: {}", text.escape_ascii());
    }
    whole.end
}

/// Numbers that follow from a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Writes random texts.
struct Writer {
    random: Random,
    text: Vec<u8>,
    /// In how many of ten places there is white space.
    spaces: usize,
    white: &'static [&'static str],
}

impl Writer {
    fn write(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn space(&mut self) {
        while self.random.below(10) < self.spaces {
            let white = self.random.one_of(self.white);
            self.write(white);
        }
    }

    fn token(&mut self, text: &str) {
        self.space();
        self.write(text);
        self.space();
    }

    fn string(&mut self) {
        const PARTS: &[&str] = &[
            "a",
            "plain text",
            "{",
            "}]",
            ":,",
            "é",
            "€",
            "😀",
            r#"\""#,
            r"\\",
            r"\n",
            r"\u00e9",
            r"\ud83d\ude00",
            r"\/",
            " ",
            "null",
        ];
        self.space();
        self.write("\"");
        for _ in 0..self.random.one_of(&[0, 1, 2, 3, 5, 40]) {
            let part =
                if self.spaces.is_multiple_of(2) { self.random.one_of(PARTS) } else { self.random.one_of(&PARTS[..5]) };
            self.write(part);
        }
        self.write("\"");
        self.space();
    }

    fn key(&mut self) {
        const KEYS: &[&str] = &[
            "a",
            "",
            "reference",
            "lastUpdated12",
            "resourceTypo",
            "contained_",
            r"resource\u0054ype",
            "resourceType",
            "contained",
            r"c\u006fntained",
            r#"\"contained"#,
            "élan",
        ];
        // Those that are sought end much.
        let known = if self.random.below(8) == 0 { KEYS } else { &KEYS[..6] };
        let key = self.random.one_of(known);
        match self.random.below(6) {
            0 => self.string(),
            _ => self.token(&format!("\"{key}\"")),
        }
    }

    fn value(&mut self, depth: usize) {
        const SCALARS: &[&str] = &[
            "0",
            "-1",
            "12.5e+3",
            "true",
            "false",
            "null",
            "1234567890123456789012345678901234567890123456789012345678901234567",
        ];
        match self.random.below(if depth > 6 { 3 } else { 6 }) {
            0 => {
                let scalar = self.random.one_of(SCALARS);
                self.token(scalar);
            }
            1 | 2 => self.string(),
            3 | 4 => self.members(depth, "{", "}"),
            _ => self.members(depth, "[", "]"),
        }
    }

    fn members(&mut self, depth: usize, begin: &str, end: &str) {
        self.token(begin);
        for member in 0..self.random.one_of(&[0, 1, 2, 2, 3, 6]) {
            if member > 0 {
                self.token(",");
            }
            if begin == "{" {
                self.key();
                self.token(":");
            }
            self.value(depth + 1);
        }
        self.token(end);
    }

    /// A text, and how it is to be read.
    fn text(seed: u64) -> (Vec<u8>, Case) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let framing = random.one_of(&[Framing::One, Framing::Lines]);
        let white: &[&str] = if framing == Framing::One { &[" ", "\n", "\t", "\r\n  "] } else { &[" ", "\t"] };
        let spaces = random.one_of(&[0, 0, 1, 2, 5]);
        let sought = random.one_of(&[&[], &SOUGHT[..1], SOUGHT]);
        let limits = Limits {
            max_depth: random.one_of(&[5, 9, 64]),
            max_key: random.one_of(&[63, 64, 100]),
            max_number: random.one_of(&[20, 80]),
            ..Limits::default()
        };
        let case = Case { limits, framing, sought, depth: random.one_of(&[1, 1, 2, 3]) };
        let mut writer = Self { random, text: Vec::new(), spaces, white };
        writer.members(0, "[", "]");
        (writer.text, case)
    }
}

const SOUGHT: &[&[u8]] = &[b"resourceType", b"contained"];

#[test]
fn random_texts_are_passed_as_they_are_read() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..3000 {
        let (text, case) = Writer::text(seed);
        let all = text.len() < 400;
        let step = if all { 1 } else { text.len() / 20 };
        match agree(&text, &case, (0..text.len()).step_by(step)) {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    // Both sides of the limits were seen.
    assert!(taken > 1000 && refused > 100, "{taken} taken, {refused} refused");
}

#[test]
fn spoilt_texts_are_refused_as_they_are_read() {
    const BYTES: &[u8] = b"\"\\{}[]:,0-.e tn\n\r\t\0\x1f'/#u\x7f\x80\xbf\xc3\xe2\xf0\xff";
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let (mut text, case) = Writer::text(seed % 1000);
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        for _ in 0..random.one_of(&[1, 1, 1, 2]) {
            let (place, byte) = (random.below(text.len()), random.one_of(BYTES));
            match random.below(4) {
                0 => text.insert(place, byte),
                1 if text.len() > 1 => drop(text.remove(place)),
                2 => text.swap(place, place / 2),
                _ => text[place] = byte,
            }
        }
        match agree(&text, &case, std::iter::once(random.below(text.len()))) {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 1000 && refused > 10_000, "{taken} taken, {refused} refused");
}

#[test]
fn many_small_pieces_are_passed_as_one() {
    for seed in 0..300 {
        let (text, case) = Writer::text(seed);
        let whole = Seen::of(&[&text], &case, read_through);
        for length in [1, 7, 64, 65, 130] {
            let pieces: Vec<&[u8]> = text.chunks(length).collect();
            let read = Seen::of(&pieces, &case, read_through);
            assert_eq!(Seen::of(&pieces, &case, Lexer::skip), read, "seed {seed}, pieces of {length}");
            assert_eq!((read.events, read.end), (whole.events.clone(), whole.end), "seed {seed}, pieces of {length}");
        }
    }
}
