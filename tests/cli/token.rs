//! `carewarden token`: what it says of a token, and how it ends.

use std::process::Output;

use serde_json::{Value, json};

use crate::{assert_code, carewarden, text};

const POLICY: &str = "tests/fixtures/e2e/clinic.json";
const ES256: &str = "tests/fixtures/e2e/keys/es256.test-only.pem";
const RS256: &str = "tests/fixtures/e2e/keys/rs256.test-only.pem";
const NOW: &str = "2027-01-15T08:00:00Z";

/// RFC 8037 appendix A: an Ed25519 key, and a signature over a payload that is no JSON.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED25519_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// RFC 7515 appendix A.1: a shared secret, and a token signed with it.
const OCT: &str =
    r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const OCT_SIGNED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A file that a test made, under `target`.
fn file(name: &str, content: &[u8]) -> String {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("token");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn mint(arguments: &[&str]) -> String {
    let output = carewarden(&[&["token", "mint"], arguments].concat(), &[], b"");
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("development"));
    text(&output.stdout).trim_end().to_owned()
}

/// A token that `clinic.json` accepts at [`NOW`], with more or other claims.
fn minted(more: &[&str]) -> String {
    let usual = [
        ["--key", ES256],
        ["--alg", "ES256"],
        ["--kid", "es256"],
        ["--issuer", "https://idp.clinic.example"],
        ["--audience", "https://fhir.clinic.example"],
        ["--subject", "nurse-1"],
        ["--claim", r#"roles=["nurse","admin"]"#],
        ["--now", NOW],
    ];
    let kept = usual.iter().filter(|[flag, _]| *flag == "--claim" || !more.contains(flag));
    let kept: Vec<_> = kept.flatten().chain(more).copied().collect();
    mint(&kept)
}

fn judged_at(now: &str, token: &str) -> Output {
    carewarden(&["token", "--policy", POLICY, "--now", now], &[], format!("{token}\n").as_bytes())
}

/// The JSON that is said of a token with these keys.
fn explained(keys: &str, token: &[u8], code: i32) -> Value {
    let output = carewarden(&["token", "--jwks", keys, "--format", "json"], &[], token);
    assert_code(&output, code);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_good_token_is_accepted_and_its_checks_are_said() {
    let output = judged_at(NOW, &minted(&[]));
    assert_code(&output, 0);
    let out = text(&output.stdout);
    for said in [
        "header     {\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"es256\"}\n",
        "key        `es256` (EC P-256)\n",
        "signature  good\n",
        "ok   exp           expires in 5 min, at 2027-01-15T08:05:00Z\n",
        "ok   roles         `nurse` from /roles; ignored, since the provider may not confer it: `admin`\n",
        "\naccepted\n",
    ] {
        assert!(out.contains(said), "{said} in {out}");
    }
    assert!(!output.stdout.contains(&0x1b), "colour in a pipe");
}

#[test]
fn a_refused_token_is_told_why() {
    let cases: [(&str, &[&str], &str, &str); 9] = [
        ("2027-01-15T08:08:12Z", &[], "FAIL exp           expired 3 min 12 s ago", "token_expired"),
        ("2027-01-15T07:00:00Z", &[], "FAIL iat           from the future: issued at", "token_not_yet_valid"),
        (
            NOW,
            &["--audience", "https://x.example"],
            "aud is `https://x.example`; the policy wants `https://fhir",
            "token_audience",
        ),
        (NOW, &["--claim", "roles=7"], "FAIL roles         /roles is 7, which is no string", "malformed_claim"),
        (NOW, &["--expires-in", "2h"], "made to live 2 h; the policy accepts 1 h", "token_lifetime"),
        (NOW, &["--claim", r#"cnf={"jkt":"x"}"#], "FAIL cnf           bound to its holder", "unsupported_binding"),
        (
            NOW,
            &["--claim", r#"cnf={"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#],
            "FAIL cnf           needs a client certificate: the one with SHA-256 0000000000",
            "certificate_binding",
        ),
        (NOW, &["--claim", "patient=7"], "FAIL patient", "malformed_claim"),
        (NOW, &["--claim", r#"exp="soon""#], "FAIL exp           exp is `soon`, which is no time", "malformed_claim"),
    ];
    for (now, claims, said, reason) in cases {
        let output = judged_at(now, &minted(claims));
        assert_code(&output, 1);
        let out = text(&output.stdout);
        assert!(out.contains(said), "{said} in {out}");
        assert!(out.ends_with(&format!("refused: {reason}\n")), "{out}");
    }
}

#[test]
fn the_provider_and_its_keys_can_be_said() {
    let token = mint(&["--key", RS256, "--alg", "RS256", "--issuer", "https://elsewhere.example", "--now", NOW]);
    let output = judged_at(NOW, &token);
    assert_code(&output, 1);
    let out = text(&output.stdout);
    assert!(
        out.contains("iss is `https://elsewhere.example`; the policy wants `https://legacy.clinic.example`, `https://idp")
    );
    assert!(out.contains("signature  not checked\n") && out.ends_with("refused: unknown_issuer\n"), "{out}");
    // What else would have been wrong is said too.
    let fixed = ["token", "--policy", POLICY, "--now", NOW];
    let output = carewarden(&[&fixed[..], &["--provider", "smart"]].concat(), &[], token.as_bytes());
    assert_code(&output, 1);
    let out = text(&output.stdout);
    assert!(out.contains("signature  good\n") && out.contains("FAIL aud"), "{out}");

    // Keys of a file in the place of the policy's.
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "es256",
        "x": "rFPJDSBWc7om5bwI5y7P3jKVPeymtgFoHfpHzCJ-Jgw", "y": "x"});
    let broken = file("broken.jwk", key.to_string().as_bytes());
    for (more, code) in [
        (&["--jwks", &broken][..], 2),
        (&["--provider", "nobody"], 2),
        (&["--provider", "partners"], 2),
        (&["--jwks", "absent.jwk"], 2),
    ] {
        let output = carewarden(&[&fixed[..], more].concat(), &[], minted(&[]).as_bytes());
        assert_code(&output, code);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    let policy: Value = serde_json::from_slice(&std::fs::read(POLICY).unwrap()).unwrap();
    let set = file("issuer.jwks", policy["authentication"]["smart"]["jwks"]["inline"].to_string().as_bytes());
    // The same issuer, with another key.
    let arguments = ["token", "--policy", "policies/clinic", "--now", NOW, "--provider", "smart"];
    assert_code(&carewarden(&arguments, &[], minted(&[]).as_bytes()), 1);
    assert_code(&carewarden(&[&arguments[..], &["--jwks", &set]].concat(), &[], minted(&[]).as_bytes()), 0);
}

#[test]
fn a_bound_token_is_judged_with_its_certificate() {
    let certificate = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap().cert;
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
    let thumbprint = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest);
    let token = minted(&["--claim", &format!(r#"cnf={{"x5t#S256":"{thumbprint}"}}"#)]);
    let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap().cert;
    for (content, code) in
        [(certificate.pem().into_bytes(), 0), (certificate.der().to_vec(), 0), (other.pem().into_bytes(), 1)]
    {
        let path = file("client.crt", &content);
        let arguments = ["token", "--policy", POLICY, "--now", NOW, "--certificate", &path];
        assert_code(&carewarden(&arguments, &[], token.as_bytes()), code);
    }
    assert_code(&judged_at(NOW, &token), 1);
}

#[test]
fn with_keys_alone_any_payload_is_accepted() {
    let (ed25519, oct) = (file("ed25519.jwk", ED25519.as_bytes()), file("oct.jwk", OCT.as_bytes()));
    let found = explained(&ed25519, ED25519_SIGNED.as_bytes(), 0);
    assert_eq!((&found["accepted"], &found["signature"]), (&json!(true), &json!("good")));
    assert_eq!((&found["payload"], &found["key"]["type"]), (&json!("Example of Ed25519 signing"), &json!("Ed25519")));
    // Long expired, and nobody asks.
    assert_eq!(explained(&oct, OCT_SIGNED.as_bytes(), 0)["payload"]["iss"], "joe");
    let own = |key: &str, kid: &str| key.replacen('{', &format!(r#"{{"kid":"{kid}","#), 1);
    let sets = [
        // Keys that are none of ours are left out, and the rest is used.
        (format!(r#"{{"keys":[{ED25519},{{"kty":"EC","crv":"P-521"}},7]}}"#), ED25519_SIGNED, 0, 2),
        (format!(r#"{{"keys":[{OCT}]}}"#), OCT_SIGNED, 0, 0),
        // A shared secret beside a public key is none.
        (format!(r#"{{"keys":[{OCT},{ED25519}]}}"#), OCT_SIGNED, 1, 1),
        (format!(r#"{{"keys":[{OCT},{ED25519}]}}"#), ED25519_SIGNED, 0, 1),
        // Keys of one name are none.
        (format!(r#"{{"keys":[{},{}]}}"#, own(ED25519, "a"), own(ED25519, "a")), ED25519_SIGNED, 1, 2),
        (format!(r#"{{"keys":[{},{{"kid":"a","kty":"OKP"}}]}}"#, own(ED25519, "a")), ED25519_SIGNED, 1, 2),
        // Two that fit, and the token does not say which.
        (format!(r#"{{"keys":[{},{}]}}"#, own(ED25519, "a"), own(ED25519, "b")), ED25519_SIGNED, 1, 0),
        (r#"{"keys":[]}"#.to_owned(), ED25519_SIGNED, 1, 0),
    ];
    for (set, token, code, unusable) in sets {
        let found = explained(&file("set.jwks", set.as_bytes()), token.as_bytes(), code);
        assert_eq!(found["unusable_keys"].as_array().unwrap().len(), unusable, "{set}");
    }
    assert_eq!(explained(&ed25519, OCT_SIGNED.as_bytes(), 1)["reason"], "unknown_key");

    let weak = file("weak.jwk", br#"{"kty":"oct","k":"c2hvcnQ"}"#);
    assert_eq!(explained(&weak, OCT_SIGNED.as_bytes(), 1)["signature"], "not_checked");
    for content in ["", "{}", "[]", r#"{"keys":{}}"#] {
        let output = carewarden(&["token", "--jwks", &file("none.jwk", content.as_bytes())], &[], OCT_SIGNED.as_bytes());
        assert_code(&output, 2);
    }
}

#[test]
fn one_line_break_is_trimmed_and_nothing_else() {
    let keys = file("line.jwk", OCT.as_bytes());
    for (before, after, code) in [
        ("", "", 0),
        ("", "\n", 0),
        ("", "\r\n", 0),
        ("", "\n\n", 1),
        ("", " ", 1),
        (" ", "", 1),
        ("", "=", 1),
        ("", ".", 1),
    ] {
        let token = format!("{before}{OCT_SIGNED}{after}");
        assert_eq!(explained(&keys, token.as_bytes(), code)["accepted"], code == 0, "{before:?} {after:?}");
    }
    let found = explained(&keys, format!("Bearer {OCT_SIGNED}").as_bytes(), 1);
    assert!(found["checks"][0]["detail"].as_str().unwrap().contains("`Bearer`"));
    for token in [&b""[..], b"\n", b"\xff\xfe", b"..", b"a.b.c", b"e30.e30."] {
        assert_eq!(explained(&keys, token, 1)["reason"], "malformed_token");
    }
    assert_code(&carewarden(&["token", "--jwks", &keys, OCT_SIGNED], &[], b""), 0);
}

#[test]
fn what_a_token_says_cannot_move_the_cursor() {
    let token = minted(&["--subject", "a\u{1b}[2J\u{7}\u{202e}b\u{9b}c"]);
    let output = judged_at(NOW, &token);
    assert_code(&output, 0);
    let out = text(&output.stdout);
    assert!(!out.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{out:?}");
    assert!(out.contains(r"sub is `a\u{1b}[2J\u{7}\u{202e}b\u{9b}c`"), "{out}");
}

#[test]
fn tokens_of_every_algorithm_are_minted_and_verify() {
    let oct = json!({"kty": "oct", "kid": "s", "k": "A".repeat(128)}).to_string();
    let oct = file("mint-oct.jwk", oct.as_bytes());
    let ed25519 = file("mint-ed25519.jwk", ED25519.as_bytes());
    let policy: Value = serde_json::from_slice(&std::fs::read(POLICY).unwrap()).unwrap();
    let mut keys = policy["authentication"]["smart"]["jwks"]["inline"]["keys"].clone();
    keys[0].as_object_mut().unwrap().remove("alg");
    let keys = file("mint.jwks", json!({ "keys": keys }).to_string().as_bytes());
    for (key, algorithms, jwks) in [
        (RS256, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..], &keys),
        (ES256, &["ES256"], &keys),
        (&ed25519, &["EdDSA"], &ed25519),
        (&oct, &["HS256", "HS384", "HS512"], &oct),
    ] {
        for algorithm in algorithms {
            let token = mint(&["--key", key, "--alg", algorithm]);
            let found = explained(jwks, token.as_bytes(), 0);
            assert_eq!(found["header"]["alg"], *algorithm);
            assert_eq!(found["payload"]["exp"].as_i64().unwrap() - found["payload"]["iat"].as_i64().unwrap(), 300);
            let changed = token.replacen('.', ".e", 1);
            assert_eq!(explained(jwks, changed.as_bytes(), 1)["accepted"], false, "{algorithm}");
        }
    }
    // The `kid` of a JWK is the token's.
    assert_eq!(explained(&oct, mint(&["--key", &oct, "--alg", "HS256"]).as_bytes(), 0)["key"]["kid"], "s");
}

#[test]
fn a_key_that_does_not_fit_mints_nothing_and_is_not_repeated() {
    let ed25519 = file("misfit.jwk", ED25519.as_bytes());
    let short = file("short.txt", b"a short secret\n");
    for (key, algorithm) in [
        (ES256, "RS256"),
        (ES256, "ES384"),
        (RS256, "ES256"),
        (ES256, "HS256"),
        (&ed25519, "HS256"),
        (&short, "HS256"),
        (&short, "ES256"),
    ] {
        let output = carewarden(&["token", "mint", "--key", key, "--alg", algorithm], &[], b"");
        assert_code(&output, 2);
        let said = text(&output.stderr);
        assert!(output.stdout.is_empty() && said.contains("cannot sign with"), "{said}");
        assert!(!said.contains("nWGxne") && !said.contains("a short secret"), "{said}");
    }
    for arguments in [&["--alg", "none"][..], &["--alg", "ES256", "--claims", "7"], &["--alg", "ES256", "--claim", "x"]] {
        assert_code(&carewarden(&[&["token", "mint", "--key", ES256], arguments].concat(), &[], b""), 2);
    }
    assert_code(&carewarden(&["token"], &[], b""), 2);
}
