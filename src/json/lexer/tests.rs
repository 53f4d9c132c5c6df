use super::*;

/// Every token as `kind@start..end` with places in the whole text, read in pieces; the error where one ends it.
fn lexed(pieces: &[&[u8]], limits: Limits, framing: Framing) -> Result<Vec<(Token, usize, usize)>, Error> {
    let mut lexer = Lexer::new(limits, framing);
    let mut held: Vec<u8> = Vec::new();
    let mut gone = 0;
    let mut tokens = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        while let Some(token) = lexer.next(&held)? {
            tokens.push((token, gone + lexer.start(), gone + lexer.at()));
        }
        let keep = if lexer.unfinished().is_some() { lexer.start() } else { lexer.at() };
        held.drain(..keep);
        lexer.rebase(keep);
        gone += keep;
    }
    if let Some(token) = lexer.finish()? {
        tokens.push((token, gone + lexer.start(), gone + lexer.at()));
    }
    Ok(tokens)
}

/// The tokens of a text, which are the same wherever it is cut.
fn tokens(text: &[u8], limits: Limits, framing: Framing) -> Result<Vec<(Token, usize, usize)>, Error> {
    let whole = lexed(&[text], limits, framing);
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(lexed(&bytes, limits, framing), whole, "byte by byte: {}", text.escape_ascii());
    for cut in 0..=text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(lexed(&[first, second], limits, framing), whole, "cut at {cut}: {}", text.escape_ascii());
    }
    whole
}

fn verdict(text: &[u8]) -> Result<(), Error> {
    tokens(text, Limits::default(), Framing::One).map(drop)
}

#[test]
fn tokens_have_their_places() {
    let text = br#" {"a" : [1,-2.5e+3 ,true],"b":null} "#;
    let found = tokens(text, Limits::default(), Framing::One).unwrap();
    let found: Vec<_> = found.iter().map(|(token, start, end)| (*token, text[*start..*end].escape_ascii())).collect();
    let found: Vec<_> = found.iter().map(|(token, text)| format!("{token:?} {text}")).collect();
    let expected = [
        "BeginObject {",
        r#"Key \"a\""#,
        "BeginArray [",
        "Number 1",
        "Comma ,",
        "Number -2.5e+3",
        "Comma ,",
        "True true",
        "EndArray ]",
        "Comma ,",
        r#"Key \"b\""#,
        "Null null",
        "EndObject }",
    ];
    assert_eq!(found, expected);
}

#[test]
fn takes_what_the_grammar_has() {
    let texts = "0|-0|10.01|1e5|1E-5|0.0e+0|true|false|null|\"\"|[]|{}|[ ]|{ }|[[],{}]|{\"a\":{\"a\":[]}}|\t\r\n1\n";
    for text in texts.split('|') {
        assert_eq!(verdict(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn refuses_what_the_grammar_does_not_have() {
    let syntax = "[01]|+1|.5|[1.]|1.e1|[1e]|[1e+]|[-]|--1|[0x1]|[1a]|NaN|Infinity|-Infinity|nul_|nulL|tru |TRUE|'a'|{a:1}|{\"a\" 1}|{\"a\"::1}\
        |{\"a\":}|{\"a\":1,}|{,}|{1:1}|{\"a\"}|[1,]|[,]|[1 2]|[1}|{\"a\":1]|]|}|,|:|[1:2]|/**/1|[1,//\n2]|{\"a\":1;}|#|\u{c}1|\u{a0}1\
        |\u{feff}1|\u{feff}{}|[\u{2028}]";
    for text in syntax.split('|') {
        assert_eq!(verdict(text.as_bytes()), Err(Error::Syntax), "{text}");
    }
    for text in ["1 1", "{} {}", "[]]", "{}x", "null\0", "1,", "\"a\"\"b\"", "{}\u{feff}"] {
        assert_eq!(verdict(text.as_bytes()), Err(Error::Trailing), "{text}");
    }
    for text in ["", " ", "{", "[", "[1", "[1,", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "tru", "\"", "\"\\"]
    {
        assert_eq!(verdict(text.as_bytes()), Err(Error::Unfinished), "{text}");
    }
}

#[test]
fn depth_keys_and_numbers_are_bounded_and_strings_are_not() {
    let limits = Limits { max_depth: 2, max_key: 3, max_number: 4, ..Limits::default() };
    let verdict = |text: &str| tokens(text.as_bytes(), limits, Framing::One).map(drop);
    assert_eq!(verdict(r#"[{"abc":1.25}]"#), Ok(()));
    assert_eq!(verdict("[[[]]]"), Err(Error::TooDeep));
    assert_eq!(verdict(r#"{"abcd":1}"#), Err(Error::LongKey));
    assert_eq!(verdict(r#"{"abcd"#), Err(Error::LongKey));
    assert_eq!(verdict(r#"{"abcd\x":1}"#), Err(Error::LongKey));
    assert_eq!(verdict("[12345]"), Err(Error::LongNumber));
    assert_eq!(verdict(&format!("[\"{}\"]", "x".repeat(300))), Ok(()));
}

#[test]
fn a_line_is_a_value_and_a_value_is_in_a_line() {
    let verdict = |text: &str| tokens(text.as_bytes(), Limits::default(), Framing::Lines).map(drop);
    for text in ["", "\n", "{}\n{}\n", "{}\r\n{}\r\n", "{} \n\n\r\n [1]", "1\n2"] {
        assert_eq!(verdict(text), Ok(()), "{text:?}");
    }
    assert_eq!(verdict("{} {}\n"), Err(Error::Trailing));
    assert_eq!(verdict("{}\r{}\n"), Err(Error::Trailing));
    assert_eq!(verdict("{\n}"), Err(Error::Syntax));
    assert_eq!(verdict("[1,\r2]"), Err(Error::Syntax));
    assert_eq!(verdict("[1\n"), Err(Error::Syntax));
    assert_eq!(verdict("{}\n["), Err(Error::Unfinished));
}

#[test]
fn going_back_reads_the_same_again() {
    let text = br#"[{"a":[1,"x"]},2]"#;
    let mut lexer = Lexer::new(Limits::default(), Framing::One);
    lexer.next(text).unwrap();
    lexer.next(text).unwrap();
    let rest = |lexer: &mut Lexer| {
        std::iter::from_fn(|| lexer.next(text).unwrap().map(|token| (token, lexer.start()))).collect::<Vec<_>>()
    };
    // From behind the bracket, and from behind the key after it.
    for reads in 0..2 {
        let mut lexer = lexer.clone();
        (0..reads).for_each(|_| _ = lexer.next(text));
        let place = lexer.place();
        let mut ahead = lexer.clone();
        (0..5).for_each(|_| _ = ahead.next(text));
        ahead.go_back(place);
        assert_eq!(rest(&mut ahead), rest(&mut lexer));
    }
}

/// Every text of the tests above inside a container, passed through and read token by token.
#[test]
fn what_is_passed_through_is_judged_as_what_is_read() {
    let texts = [
        r#"{"a":"b","c":["d",{"e":"f"}],"é":"\n"}"#,
        r#"{ "a" : "b" , "c" : [ 1 , true ] }"#,
        r#"{"a":"b" "c":1}"#,
        r#"{"a":"b",}"#,
        r#"{"a","b"}"#,
        r#"{"a":"b":"c"}"#,
        r#"["a":"b"]"#,
        r#"["a","b",]"#,
        r#"["a""b"]"#,
        r#"{"long key":"x"}"#,
        "[\"a\tb\"]",
        "[\"a\",\"b",
        "{\"a\":\"\\ud800\"}",
        r#"[["a"],["b"]]]"#,
        r#"["a"}"#,
    ];
    let limits = Limits { max_key: 7, ..Limits::default() };
    for text in texts {
        let wrapped = format!("[{text}]");
        let text = wrapped.as_bytes();
        for framing in [Framing::One, Framing::Lines] {
            let read = lexed(&[text], limits, framing).map(drop);
            for cut in 1..=text.len() {
                let mut lexer = Lexer::new(limits, framing);
                lexer.next(text).unwrap();
                let (first, _) = text.split_at(cut);
                let passed = lexer.skip(first, 1, &[]).and_then(|passed| match passed {
                    crate::json::Skipped::More => lexer.skip(text, 1, &[]),
                    ended => Ok(ended),
                });
                let passed = passed.and_then(|_| lexer.next(text).map(drop));
                assert_eq!(passed.and_then(|()| lexer.finish().map(drop)), read, "{wrapped}, cut at {cut}");
            }
        }
    }
}

#[test]
fn passing_through_stops_behind_the_key_that_is_looked_for() {
    for text in
        [&br#"{"x":{"y":[{"k":1}]},"sought":2}"#[..], br#"{"x":[],"s\u006fught":2}"#, br#"{"x":"sought", "sought" :2}"#]
    {
        let mut lexer = Lexer::new(Limits::default(), Framing::One);
        lexer.next(text).unwrap();
        assert_eq!(lexer.skip(text, 1, &[b"sought"]), Ok(crate::json::Skipped::Met));
        assert_eq!(lexer.next(text), Ok(Some(Token::Number)));
        assert_eq!(lexer.skip(text, 1, &[b"sought"]), Ok(crate::json::Skipped::Ended));
    }
}
