//! The image: an OCI layout on disk, its bill of materials and its sums.
//!
//! It is what Istio's agent and Envoy Gateway call the compatible variant of a Wasm image: a standard manifest whose one
//! layer is a tar with `plugin.wasm` in it. The same module gives the same digest: no file has a time or an owner, and
//! neither the image nor the bill of materials names the machine.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Result;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Where Istio's agent looks for the module in the last layer.
const PLUGIN: &str = "plugin.wasm";
/// What the files that are shipped beside the image are called.
const MODULE: &str = "carewarden.wasm";
const BILL: &str = "carewarden.cdx.json";
/// More than this is no module of ours, whatever a layer unpacks to.
const LARGEST: u64 = 64 << 20;

/// Packs a module and its bill of materials into a directory, which is made anew; the image's digest.
pub(crate) fn pack(module: &[u8], bill: &str, directory: &Path) -> Result<String> {
    if !module.starts_with(b"\0asm") {
        return Err("the module is no WebAssembly".into());
    }
    let bill = bill_of(bill, module)?;
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    let layout = Layout::create(&directory.join("oci"))?;
    let tar = tar_of(module)?;
    let layer = layout.write_blob(LAYER, &gzip(&tar)?)?;
    let description = [
        ("module.wasm.image/variant", "compat"),
        ("org.opencontainers.image.title", env!("CARGO_PKG_NAME")),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
        ("org.opencontainers.image.description", env!("CARGO_PKG_DESCRIPTION")),
    ];
    let config = json!({ "architecture": "wasm", "os": "wasip1", "config": {}, "rootfs": rootfs(&tar) });
    let digest = layout.write_image(&config, layer, &description)?;

    fs::write(directory.join(MODULE), module)?;
    fs::write(directory.join(BILL), &bill)?;
    fs::write(directory.join("digest"), format!("{digest}\n"))?;
    let blob = blob_path(&digest)?;
    let names = [MODULE, BILL].map(PathBuf::from).into_iter().chain([Path::new("oci").join(blob)]);
    let sums = names.map(|name| Ok(format!("{}  {}\n", sha256(&fs::read(directory.join(&name))?), name.display())));
    fs::write(directory.join("SHA256SUMS"), sums.collect::<Result<String>>()?)?;
    Ok(digest)
}

/// The module in a layout's image, as Istio's agent takes it out.
pub(crate) fn unpack(layout: &Layout) -> Result<Vec<u8>> {
    let manifest = layout.manifest()?;
    let layer = manifest.layers.last().ok_or("the image has no layer")?;
    if layer.media_type != LAYER {
        return Err(format!("the last layer of the image is no `{LAYER}`").into());
    }
    let bytes = layout.read_blob(layer)?;
    let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()).take(LARGEST));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.file_name().is_some_and(|name| name == PLUGIN) {
            let mut module = Vec::new();
            entry.read_to_end(&mut module)?;
            return Ok(module);
        }
    }
    Err(format!("there is no `{PLUGIN}` in the image").into())
}

/// What names a blob.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: usize,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an image is made of.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u8,
    media_type: String,
    config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// The images of a layout.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    manifests: [Descriptor; 1],
}

/// An OCI image layout with one image: blobs by digest, and an index.
pub(crate) struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// An empty one.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory.join("blobs/sha256"))?;
        fs::write(directory.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// One that is there.
    pub(crate) fn open(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Writes an image of one layer; the digest of its manifest.
    pub(crate) fn write_image(&self, config: &Value, layer: Descriptor, annotations: &[(&str, &str)]) -> Result<String> {
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config: self.write_blob(CONFIG, config.to_string().as_bytes())?,
            layers: vec![layer],
            annotations: annotations.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let descriptor = self.write_blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
        let digest = descriptor.digest.clone();
        let index = Index { schema_version: 2, manifests: [descriptor] };
        fs::write(self.directory.join("index.json"), serde_json::to_vec(&index)?)?;
        Ok(digest)
    }

    /// Writes a blob; its descriptor.
    pub(crate) fn write_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let digest = format!("sha256:{}", sha256(bytes));
        fs::write(self.directory.join(blob_path(&digest)?), bytes)?;
        let (media_type, annotations) = (media_type.to_owned(), BTreeMap::new());
        Ok(Descriptor { media_type, digest, size: bytes.len(), annotations })
    }

    /// The manifest of the image.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        Ok(serde_json::from_slice(&self.read_blob(&self.image()?)?)?)
    }

    /// The digest of the image.
    pub(crate) fn digest(&self) -> Result<String> {
        Ok(self.image()?.digest)
    }

    fn image(&self) -> Result<Descriptor> {
        let index: Index = serde_json::from_slice(&fs::read(self.directory.join("index.json"))?)?;
        let [image] = index.manifests;
        Ok(image)
    }

    /// The bytes that a descriptor names, and no others.
    pub(crate) fn read_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let bytes = fs::read(self.directory.join(blob_path(&descriptor.digest)?))?;
        if format!("sha256:{}", sha256(&bytes)) != descriptor.digest {
            return Err(format!("`{}` is not what its digest says", descriptor.digest).into());
        }
        Ok(bytes)
    }
}

/// Where a layout has the blob of a digest.
fn blob_path(digest: &str) -> Result<PathBuf> {
    let hexadecimal = digest.strip_prefix("sha256:").filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(Path::new("blobs/sha256").join(hexadecimal.ok_or_else(|| format!("`{digest}` is no SHA-256 digest"))?))
}

fn tar_of(module: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(module.len())?);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, PLUGIN, module)?;
    Ok(builder.into_inner()?)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// The bill of materials of this module alone: bound to it by its hash, and without the directory that it was made in.
fn bill_of(text: &str, module: &[u8]) -> Result<Vec<u8>> {
    let here = format!("path+file://{}", env!("CARGO_MANIFEST_DIR"));
    let mut bill: Value = serde_json::from_str(&text.replace(&here, "path+file://."))?;
    let component = bill.pointer_mut("/metadata/component").and_then(Value::as_object_mut);
    let component = component.ok_or("the bill of materials describes no component")?;
    component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": sha256(module) }]));
    // The command line is another binary, and not in the image.
    component.remove("components");
    Ok((serde_json::to_string_pretty(&bill)? + "\n").into_bytes())
}

/// What a layer is before it is compressed, as an image's configuration says it.
pub(crate) fn rootfs(layer: &[u8]) -> Value {
    json!({ "type": "layers", "diff_ids": [format!("sha256:{}", sha256(layer))] })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
