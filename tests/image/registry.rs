//! To and from a registry, by skopeo, which has the credentials, the mirrors and the certificates of the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::layout::{self, Layout};
use super::{Result, signature};

/// Copies between a registry and this machine.
#[derive(Default)]
pub(crate) struct Skopeo {
    /// An authority that is trusted in place of those of the machine.
    pub(crate) authority: Option<PathBuf>,
}

impl Skopeo {
    /// Pushes an image, tagged with our version, and its signature where there is a key; the image by its digest.
    pub(crate) fn push(&self, directory: &Path, repository: &str, key: Option<&str>) -> Result<String> {
        let image = directory.join("oci");
        let digest = Layout::open(&image).digest()?;
        self.copy(&oci(&image), &docker(repository, env!("CARGO_PKG_VERSION")))?;
        if let Some(key) = key {
            let scratch = Scratch::new()?;
            signature::sign(repository, &digest, key, scratch.path())?;
            self.copy(&oci(scratch.path()), &docker(repository, &signature::tag(&digest)))?;
        }
        Ok(format!("{repository}@{digest}"))
    }

    /// Pulls an image by its digest and takes the module out, if this key has signed it.
    pub(crate) fn pull(&self, reference: &str, key: &str) -> Result<Vec<u8>> {
        let named = reference.split_once('@').ok_or("name the image by its digest: REPOSITORY@sha256:…")?;
        let (repository, digest) = named;
        let (signatures, image) = (Scratch::new()?, Scratch::new()?);
        self.copy(&docker(repository, &signature::tag(digest)), &oci(signatures.path()))?;
        signature::verify(&Layout::open(signatures.path()), repository, digest, key)?;
        self.copy(&format!("docker://{reference}"), &oci(image.path()))?;
        let image = Layout::open(image.path());
        if image.digest()? != digest {
            return Err("the registry gave another image".into());
        }
        layout::unpack(&image)
    }

    /// Copies an image as it is, whatever it is.
    pub(crate) fn copy(&self, from: &str, to: &str) -> Result {
        let mut command = Command::new("skopeo");
        command.args(["copy", "--quiet", "--preserve-digests", from, to]);
        if let Some(authority) = &self.authority {
            command.env("SSL_CERT_FILE", authority);
        }
        let output =
            command.output().map_err(|error| format!("skopeo, which talks to registries, does not run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("skopeo did not copy {from} to {to}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

fn docker(repository: &str, tag: &str) -> String {
    format!("docker://{repository}:{tag}")
}

pub(crate) fn oci(directory: &Path) -> String {
    format!("oci:{}", directory.display())
}

/// A directory that goes when it is no longer needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("carewarden-image-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _kept = fs::remove_dir_all(&self.0);
    }
}
