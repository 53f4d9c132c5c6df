//! The image in a real registry, over TLS: what is pulled is the module, and what the key did not sign is not pulled.

#![cfg(test)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

mod layout;
#[path = "registry.rs"]
mod registry;
mod signature;
#[path = "../support/tls.rs"]
#[expect(dead_code, unreachable_pub, reason = "the end-to-end tests use the rest")]
mod tls;

use layout::Layout;
use registry::{Skopeo, oci};

/// What went wrong, for a person.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const BILL: &str = r#"{ "metadata": { "component": { "name": "carewarden" } } }"#;

/// A registry on loopback, in a directory of its own, that ends with the test.
struct Registry {
    process: Child,
    directory: PathBuf,
    address: SocketAddr,
}

/// An empty directory for a test.
fn fresh(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/registry").join(name);
    let _absent = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

impl Registry {
    fn start(name: &str) -> Self {
        let directory = fresh(name);
        tls::Certificates::generate(&["127.0.0.1"]).unwrap().write(&directory).unwrap();
        let configuration = json!({
            "version": 0.1,
            "log": { "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": directory.join("store") } },
            "http": {
                "addr": "127.0.0.1:0",
                "tls": { "certificate": directory.join("server.crt"), "key": directory.join("server.key") },
            },
        });
        fs::write(directory.join("registry.json"), configuration.to_string()).unwrap();
        let log = fs::File::create(directory.join("registry.log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.args(["serve", "registry.json"]).current_dir(&directory);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let process = process.expect("docker-registry, of the package of that name, is installed");
        let address = address_in(&directory.join("registry.log"));
        Self { process, directory, address }
    }

    fn client(&self) -> Skopeo {
        Skopeo { authority: Some(self.directory.join("ca.crt")) }
    }

    fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// A pair of keys: the private and the public one.
    fn keys(&self, name: &str) -> (String, String) {
        let private = self.directory.join(format!("{name}.key"));
        let public = self.directory.join(format!("{name}.pub"));
        let file = |path: &Path| path.display().to_string();
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &file(&private)]);
        openssl(&["pkey", "-in", &file(&private), "-pubout", "-out", &file(&public)]);
        (fs::read_to_string(private).unwrap(), fs::read_to_string(public).unwrap())
    }

    fn pack(&self, name: &str, module: &[u8]) -> (PathBuf, String) {
        pack(&self.directory, name, module)
    }
}

/// Packs a module under a name; where, and the digest of the image.
fn pack(directory: &Path, name: &str, module: &[u8]) -> (PathBuf, String) {
    let directory = directory.join(name);
    let digest = layout::pack(module, BILL, &directory).unwrap();
    (directory, digest)
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// The address that the registry says it listens on.
fn address_in(log: &Path) -> SocketAddr {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let text = fs::read_to_string(log).unwrap_or_default();
        let said = text.split("listening on ").nth(1).and_then(|rest| rest.split([',', '"', ' ']).next());
        if let Some(address) = said.and_then(|address| address.parse().ok()) {
            return address;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the registry did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Our module, if it was built; what is packed does not depend on it.
fn module() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wasm32-wasip1/release/carewarden.wasm");
    fs::read(path).expect("a module: run `make module`")
}

/// Why a pull was refused.
#[track_caller]
fn refusal(outcome: Result<Vec<u8>>) -> String {
    outcome.expect_err("the image was pulled").to_string()
}

#[test]
fn what_was_pushed_and_signed_is_pulled_as_it_was() {
    let registry = Registry::start("signed");
    let (key, public) = registry.keys("ours");
    let module = module();
    let (directory, digest) = registry.pack("image", &module);
    let reference = registry.client().push(&directory, &registry.repository("carewarden"), Some(&key)).unwrap();
    assert_eq!(reference, format!("{}@{digest}", registry.repository("carewarden")));
    assert!(registry.client().pull(&reference, &public).unwrap() == module);

    // By its sums, too, and by another's verifier of the signature.
    let sums = Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&directory).output();
    assert_eq!(String::from_utf8(sums.unwrap().stdout).unwrap().matches(": OK").count(), 3);
    let file = |name: &str| registry.directory.join(name).display().to_string();
    let tag = format!("docker://{}:{}", registry.repository("carewarden"), signature::tag(&digest));
    registry.client().copy(&tag, &format!("oci:{}", file("pulled"))).unwrap();
    let signatures = Layout::open(&registry.directory.join("pulled"));
    let layer = &signatures.manifest().unwrap().layers[0];
    fs::write(file("payload"), signatures.read_blob(layer).unwrap()).unwrap();
    fs::write(file("signature"), &layer.annotations["dev.cosignproject.cosign/signature"]).unwrap();
    openssl(&["base64", "-d", "-A", "-in", &file("signature"), "-out", &file("signature.der")]);
    let (public, signature, payload) = (file("ours.pub"), file("signature.der"), file("payload"));
    openssl(&["dgst", "-sha256", "-verify", &public, "-signature", &signature, &payload]);
}

#[test]
fn the_same_module_gives_the_same_image_and_another_another() {
    let directory = fresh("same");
    let pack = |name: &str, module: &[u8]| pack(&directory, name, module);
    let (one, two) = (pack("one", b"\0asm one"), pack("two", b"\0asm one"));
    let files = ["SHA256SUMS", "digest", "oci/index.json", "carewarden.cdx.json"];
    for name in files {
        assert_eq!(fs::read(one.0.join(name)).unwrap(), fs::read(two.0.join(name)).unwrap(), "{name}");
    }
    assert_ne!(one.1, pack("three", b"\0asm two").1);
    let bill: Value = serde_json::from_slice(&fs::read(one.0.join("carewarden.cdx.json")).unwrap()).unwrap();
    let sums = fs::read_to_string(one.0.join("SHA256SUMS")).unwrap();
    assert!(sums.starts_with(bill["metadata"]["component"]["hashes"][0]["content"].as_str().unwrap()));
    assert!(layout::pack(b"<html>", BILL, &directory.join("four")).is_err());
}

#[test]
fn what_the_key_did_not_sign_is_not_pulled() {
    let registry = Registry::start("refused");
    let client = registry.client();
    let ((key, public), (_, strange)) = (registry.keys("ours"), registry.keys("another"));
    let (directory, digest) = registry.pack("image", b"\0asm genuine");
    let repository = registry.repository("carewarden");
    let reference = client.push(&directory, &repository, None).unwrap();
    assert!(refusal(client.pull(&reference, &public)).contains("manifest unknown"));

    client.push(&directory, &repository, Some(&key)).unwrap();
    assert_eq!(client.pull(&reference, &public).unwrap(), b"\0asm genuine");
    assert!(refusal(client.pull(&reference, &strange)).contains("no signature of this key"));
    assert!(refusal(client.pull(&format!("{repository}:0.1.0"), &public)).contains("by its digest"));

    // A genuine signature says nothing about another image, nor about another repository.
    let (forged, other) = registry.pack("forged", b"\0asm forged");
    let forgery = client.push(&forged, &repository, None).unwrap();
    let from = format!("docker://{repository}:{}", signature::tag(&digest));
    client.copy(&from, &format!("docker://{repository}:{}", signature::tag(&other))).unwrap();
    assert!(refusal(client.pull(&forgery, &public)).contains("no signature of this key"));
    let elsewhere = registry.repository("elsewhere");
    let moved = client.push(&directory, &elsewhere, None).unwrap();
    client.copy(&from, &format!("docker://{elsewhere}:{}", signature::tag(&digest))).unwrap();
    assert!(refusal(client.pull(&moved, &public)).contains("no signature of this key"));

    // What was signed, changed: the signature does not hold.
    let changed = registry.directory.join("changed");
    client.copy(&from, &oci(&changed)).unwrap();
    let signatures = Layout::open(&changed);
    let layer = signatures.manifest().unwrap().layers.remove(0);
    let text = String::from_utf8(signatures.read_blob(&layer).unwrap()).unwrap();
    assert!(text.contains(&digest));
    let mut swapped = signatures.write_blob("text/plain", text.replace(&digest, &other).as_bytes()).unwrap();
    swapped.annotations = layer.annotations;
    signatures.write_image(&json!({}), swapped, &[]).unwrap();
    let outcome = signature::verify(&signatures, &repository, &other, &public);
    assert!(outcome.unwrap_err().to_string().contains("no signature of this key"));
}

#[test]
fn what_was_changed_in_the_registry_is_not_pulled() {
    let registry = Registry::start("tampered");
    let (key, public) = registry.keys("ours");
    let (directory, _) = registry.pack("image", b"\0asm genuine");
    let reference = registry.client().push(&directory, &registry.repository("carewarden"), Some(&key)).unwrap();
    let layer = Layout::open(&directory.join("oci")).manifest().unwrap().layers.remove(0);
    let hexadecimal = layer.digest.strip_prefix("sha256:").unwrap();
    let blobs = registry.directory.join("store/docker/registry/v2/blobs/sha256").join(&hexadecimal[..2]);
    let blob = blobs.join(hexadecimal).join("data");
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let refusal = refusal(registry.client().pull(&reference, &public));
    assert!(refusal.contains("did not match"), "{refusal}");
}

#[test]
fn an_image_that_is_laid_out_otherwise_is_not_unpacked() {
    let layout = Layout::create(&fresh("otherwise")).unwrap();
    let layer = layout.write_blob("application/octet-stream", b"\0asm").unwrap();
    layout.write_image(&json!({}), layer, &[]).unwrap();
    assert!(refusal(layout::unpack(&layout)).contains("the last layer"));
}
