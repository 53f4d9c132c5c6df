//! Detectors: whatever a text holds, what leaves is JSON, the same however it was cut or spelled, without the identifiers
//! that were planted in it, and it takes no longer than its length explains (the fuzzer's `-timeout` sees to that).

use std::rc::Rc;

use carewarden::redact::{Format, Options, Program, Redactor};
use serde_json::Value;

use crate::Input;
use crate::input::Cuts;
use crate::support::program;

/// What is planted, and what must not be left of it.
const PLANTED: &[(&str, &str)] = &[
    ("", "\u{0}"),
    ("; 123-45-6789; ", "45-6789"),
    ("; jane.doe@clinic.example; ", "jane.doe@"),
    ("; 2019-10-27; ", "10-27"),
    ("; https://ehr.example/p?id=77123; ", "77123"),
    ("; 4111 1111 1111 1111; ", "1111 1111"),
    ("; (212) 555-0187; ", "555-0187"),
    ("; 192.0.2.77; ", "0.2.77"),
];

/// The longest text that an action has to see whole, and how far some texts are repeated.
const LONGEST: usize = 24 << 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spelling {
    Plain,
    /// Every character as `\u`.
    Escaped,
    /// Every third one.
    Mixed,
}

/// A text with something planted in it.
#[derive(Debug)]
pub struct Case {
    is_markup: bool,
    spelling: Spelling,
    planted: (&'static str, &'static str),
    /// Where it is planted, in sixteenths of the text.
    at: usize,
    repeats: bool,
    cuts: Cuts,
    text: String,
}

/// How many bytes decide about a text before it comes.
pub const DECISIONS: usize = 11;

impl crate::Case for Case {
    fn read(mut input: Input<'_>) -> Option<Self> {
        let is_markup = input.byte()? % 2 == 1;
        let spelling = input.one_of(&[Spelling::Plain, Spelling::Escaped, Spelling::Mixed])?;
        let planted = input.one_of(PLANTED)?;
        let at = usize::from(input.byte()? % 17);
        let repeats = input.byte()? == u8::MAX;
        let cuts = input.cuts()?;
        let text = String::from_utf8_lossy(&input.rest().0).into_owned();
        Some(Self { is_markup, spelling, planted, at, repeats, cuts, text })
    }

    fn run(&self) {
        let text = self.planted_text();
        let plain = self.left(&text, Spelling::Plain, &[]);
        let spelled = self.left(&text, self.spelling, &[self.cuts]);
        // A space keeps the bracket of a mask from becoming the end of a section; how `[` is spelled may ask for one.
        let close = |text: &str| if self.is_markup { text.replace("] ", "]") } else { text.to_owned() };
        assert_eq!(close(&plain), close(&spelled), "{:?} is found in another way", self.spelling);
        // Inside a tag what stands between signs is no text.
        if !self.is_markup {
            assert!(!plain.contains(self.planted.1) || self.text.contains(self.planted.1), "`{}` is left", self.planted.1);
        }
    }
}

impl Case {
    fn planted_text(&self) -> String {
        let mut text = self.text.clone();
        let mut at = text.len() * self.at / 16;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, self.planted.0);
        if self.repeats && !text.is_empty() {
            text = text.repeat((LONGEST / 6 / text.len()).max(1));
        }
        // Escaped, each byte may become six.
        let mut end = text.len().min(LONGEST / 6);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }

    fn answer(&self, text: &str, spelling: Spelling) -> String {
        let mut string = String::new();
        for (index, character) in text.chars().enumerate() {
            let escapes = spelling == Spelling::Escaped || spelling == Spelling::Mixed && index % 3 == 0;
            if escapes || character < ' ' || matches!(character, '"' | '\\') {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| string += &format!("\\u{unit:04x}"));
            } else {
                string.push(character);
            }
        }
        if self.is_markup {
            format!(r#"{{"resourceType":"Patient","text":{{"status":"generated","div":"{string}"}}}}"#)
        } else {
            format!(r#"{{"resourceType":"Patient","language":"{string}","active":true}}"#)
        }
    }

    /// The text that is left.
    fn left(&self, text: &str, spelling: Spelling, cuts: &[Cuts]) -> String {
        let answer = self.answer(text, spelling);
        let pieces = cuts.first().map_or_else(|| vec![answer.as_bytes()], |cuts| cuts.cut(answer.as_bytes()));
        let mut redactor = Redactor::new(detecting(), Options::new(Format::FhirJson));
        let mut output = Vec::new();
        let mut written = pieces.iter().try_for_each(|piece| redactor.write(piece, &mut output));
        written = written.and_then(|()| redactor.finish());
        assert_eq!(written, Ok(()));
        let left: Value = serde_json::from_slice(&output).expect("what leaves is JSON");
        let string = if self.is_markup { &left["text"]["div"] } else { &left["language"] };
        string.as_str().unwrap_or_default().to_owned()
    }
}

fn detecting() -> Rc<Program> {
    thread_local! {
        static PROGRAM: Rc<Program> = {
            let scan = serde_json::json!({"scan": ["us_ssn", "phone", "email", "ip", "url", "date", "us_zip", "mrn", "npi", "mbi",
                "payment_card", {"mrn": {"pattern": "M[- ]?[0-9]{6,8}"}}]});
            program(&serde_json::json!({"rules": [{"type": "xhtml", "action": scan}, {"path": "Patient.language", "action": scan}]}))
        };
    }
    PROGRAM.with(Rc::clone)
}
