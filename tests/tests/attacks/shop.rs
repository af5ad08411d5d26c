//! A registry that strangers write to, and the machine of a user who has keys.

use std::fs;
use std::path::Path;

use sealcrate_test_kit::http::request;
use sealcrate_test_kit::{Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of};
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored;
use sealcrate_tests::{Done, Registry};
use serde_json::{Value, json};

/// The owner's key, which opens images that are encrypted to [`OWNER`].
pub(crate) const KEY: &str = "-i=ec.pem";
/// The recipient of the owner.
pub(crate) const OWNER: &str = "-r=jwe:ec.pub.pem";
/// Another reader's key.
pub(crate) const OTHER_KEY: &str = "-i=rsa.pem";
/// The recipient of another reader.
pub(crate) const OTHER: &str = "jwe:rsa.pub.pem";
/// The recipient of a reader who has an age identity.
pub(crate) const AGE: &str = "-r=age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/// A registry, and a machine with keys.
pub(crate) struct Shop {
    pub(crate) registry: Registry,
    pub(crate) machine: Machine,
}

impl Shop {
    /// Opens a shop with the owner's keys, and an image in the layout `image`.
    pub(crate) fn new() -> Self {
        let machine = Machine::new();
        let keys =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/crypt/tests/data/ocicrypt/keys");
        for name in ["ec.pem", "ec.pub.pem", "rsa.pem", "rsa.pub.pem", "p384.pem", "p384.pub.pem"] {
            fs::copy(keys.join(name), machine.path(name)).expect("the sandbox can be written");
        }
        let layout = Layout::create(machine.path("image"));
        layout.name(&layout.add_image("linux/amd64", &["public", "private"], Value::Null));
        Self { registry: Registry::plain(), machine }
    }

    /// The name of a tag of the repository `app`.
    pub(crate) fn name(&self, tag: &str) -> String {
        self.name_of("app", tag)
    }

    pub(crate) fn name_of(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.registry.host())
    }

    /// Pushes the layout `from` to the owner, its upper layer encrypted.
    #[track_caller]
    pub(crate) fn push(&self, from: &str, tag: &str, more: &[&str]) -> Done {
        let (name, from) = (self.name(tag), format!("--from=oci:{from}"));
        let push = ["push", &name, &from, "--encrypt-layer=1", OWNER];
        self.machine.succeed(&[&push[..], more].concat())
    }

    /// Makes the layout `several` with an index of two platforms.
    pub(crate) fn several(&self) -> Layout {
        let layout = Layout::create(self.machine.path("several"));
        let children = ["amd64", "arm64"]
            .map(|of| layout.add_image(&format!("linux/{of}"), &["public", of], Value::Null));
        layout.name(&layout.add_index(&children));
        layout
    }

    /// Makes the layout `several` with an index of two platforms, and pushes it to the owner.
    pub(crate) fn push_several(&self, tag: &str) -> Layout {
        let layout = self.several();
        self.push("several", tag, &[]);
        layout
    }

    /// Pushes each image of the layout `several` by itself, so that nothing binds them to each other, and returns
    /// descriptors of them for an index.
    pub(crate) fn push_each(&self) -> [Value; 2] {
        self.several();
        ["amd64", "arm64"].map(|of| {
            self.push("several", of, &[&format!("--platform=linux/{of}")]);
            self.described(of, &format!("linux/{of}"))
        })
    }

    /// Describes the image under a tag for an index, as one for a platform.
    pub(crate) fn described(&self, tag: &str, platform: &str) -> Value {
        let (os, architecture) = platform.split_once('/').expect("platforms have a slash");
        let mut child = self.put_child(&self.manifest(tag));
        child["platform"] = json!({ "os": os, "architecture": architecture });
        child
    }

    pub(crate) fn manifest(&self, tag: &str) -> Value {
        stored::manifest(&self.registry, "app", tag)
    }

    /// The bytes of a blob or manifest that a descriptor names.
    pub(crate) fn bytes(&self, descriptor: &Value) -> Vec<u8> {
        self.registry.blob(stored::digest(descriptor)).expect("it is there")
    }

    pub(crate) fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&self.bytes(descriptor)).expect("it is JSON")
    }

    /// Uploads a blob, and makes a descriptor name it.
    pub(crate) fn put_blob(&self, descriptor: &mut Value, bytes: &[u8]) {
        let digest = digest_of(bytes);
        stored::put_blob(&self.registry, "app", &digest, bytes);
        (descriptor["digest"], descriptor["size"]) = (digest.into(), bytes.len().into());
    }

    /// Puts a manifest or index under a tag.
    pub(crate) fn put(&self, tag: &str, manifest: &Value) {
        self.put_text(tag, &manifest.to_string());
    }

    /// Puts the text of a manifest under a tag, even if members occur twice in it.
    pub(crate) fn put_text(&self, tag: &str, text: &str) {
        stored::put_manifest(&self.registry, "app", tag, text.as_bytes());
    }

    /// Puts a manifest without a tag, and returns its descriptor.
    pub(crate) fn put_child(&self, manifest: &Value) -> Value {
        let text = manifest.to_string();
        let digest = digest_of(text.as_bytes());
        self.put_text(&digest, &text);
        json!({ "mediaType": manifest["mediaType"], "digest": digest, "size": text.len() })
    }

    /// Makes a child of an index another manifest.
    pub(crate) fn change_child(&self, child: &mut Value, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.json(child);
        change(&mut manifest);
        let new = self.put_child(&manifest);
        (child["digest"], child["size"]) = (new["digest"].clone(), new["size"].clone());
    }

    /// Puts a stranger's plain image, and returns its descriptor.
    pub(crate) fn put_plain(&self, platform: &str, text: &str) -> Value {
        let (os, architecture) = platform.split_once('/').expect("platforms have a slash");
        let mut layer = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar" });
        let tar = sealcrate_tests::fixtures::tar_of("0", text.as_bytes());
        self.put_blob(&mut layer, &tar);
        let config = json!({
            "architecture": architecture, "os": os, "config": { "Cmd": ["/evil"] },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let mut described = json!({ "mediaType": OCI_CONFIG });
        self.put_blob(&mut described, config.to_string().as_bytes());
        let mut child = self.put_child(&json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": [layer],
        }));
        child["platform"] = json!({ "os": os, "architecture": architecture });
        child
    }

    /// Joins children by hand, as `docker buildx imagetools create` does.
    pub(crate) fn join(&self, tag: &str, children: &[Value]) {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
        self.put(tag, &index);
    }

    /// Pulls a tag into the layout `back` with the owner's key.
    #[track_caller]
    pub(crate) fn pull(&self, tag: &str, more: &[&str]) -> (Done, Layout) {
        let name = self.name(tag);
        let _ = fs::remove_dir_all(self.machine.path("back"));
        let done = self.machine.succeed(&[&["pull", &name, "--to=oci:back", KEY], more].concat());
        (done, Layout::open(self.machine.path("back")))
    }

    /// Holds that the owner's pull is refused and leaves nothing.
    #[track_caller]
    pub(crate) fn pull_fails(&self, status: i32, tag: &str, more: &[&str]) -> Done {
        let name = self.name(tag);
        self.fails(status, &[&["pull", &name, "--to=oci:back", KEY], more].concat())
    }

    /// Holds that every way to read a tag with the owner's key is refused.
    #[track_caller]
    pub(crate) fn reading_fails(&self, status: i32, tag: &str) -> Done {
        let from = format!("docker://{}", self.name(tag));
        self.fails(status, &["copy", &from, "oci:back:it", KEY]);
        self.pull_fails(status, tag, &[])
    }

    /// Holds that a change of readers is refused and leaves the tag as it is.
    #[track_caller]
    pub(crate) fn rewrap_fails(&self, status: i32, tag: &str, more: &[&str]) -> Done {
        let (name, before) = (self.name(tag), self.registry.tag_digest("app", tag));
        let done = self.fails(status, &[&["rewrap", &name, KEY, "--add", OTHER], more].concat());
        assert_eq!(self.registry.tag_digest("app", tag), before);
        done
    }

    /// Runs a command that has to fail, and to leave no layout `back`.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, arguments: &[&str]) -> Done {
        let _ = fs::remove_dir_all(self.machine.path("back"));
        let done = self.machine.fail(status, arguments);
        assert!(!self.machine.path("back").exists(), "{}", done.said());
        done
    }

    /// Copies with skopeo. Its JSON reader takes names in any case, and the last of several.
    #[track_caller]
    pub(crate) fn skopeo_reads(&self, from: &str, more: &[&str]) -> Layout {
        let _ = fs::remove_dir_all(self.machine.path("by-skopeo"));
        let copy = ["--insecure-policy", "copy", "--src-tls-verify=false"];
        self.machine.call("skopeo", &[&copy[..], more, &[from, "oci:by-skopeo:latest"]].concat());
        Layout::open(self.machine.path("by-skopeo"))
    }

    /// Uploads an image again to another repository, which belongs to the stranger.
    pub(crate) fn move_to(&self, repository: &str, tag: &str, manifest: &[u8]) {
        let value: Value = serde_json::from_slice(manifest).expect("it is JSON");
        let blobs = value["layers"].as_array().into_iter().flatten().chain([&value["config"]]);
        for blob in blobs {
            let bytes = self.bytes(blob);
            stored::put_blob(&self.registry, repository, stored::digest(blob), &bytes);
        }
        let target = format!("/v2/{repository}/manifests/{tag}");
        let media_type = value["mediaType"].as_str().expect("it names its type");
        let headers = [("Content-Type", media_type)];
        let put = request("PUT", self.registry.host(), &target, &headers, manifest);
        assert_eq!(put.expect("the registry answers").status, 201);
    }
}

/// Marks a child as BuildKit marks attestations.
pub(crate) fn marked(mut child: Value, about: &Value) -> Value {
    child["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": about["digest"],
    });
    child
}

/// The children of an index.
pub(crate) fn children(index: &Value) -> &[Value] {
    index["manifests"].as_array().expect("it is an index")
}

/// The children of an index, to be changed.
pub(crate) fn children_mut(index: &mut Value) -> &mut Vec<Value> {
    index["manifests"].as_array_mut().expect("it is an index")
}
