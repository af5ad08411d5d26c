//! A node with Debian's containerd, whose images our decoder decrypts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sealcrate_test_kit::{OCI_MANIFEST, digest_of};
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored::{manifest, put_blob, put_manifest};
use sealcrate_tests::{Builder, Containerd, Engine, KeyProviderService, Registry, busybox};
use serde_json::{Value, json};

use crate::keys::age_recipients::keygen;
use crate::keys::decoder::key;
use crate::keys::key_providers::{configure, own};

const STANZAS: &str = include_str!("../../../../deploy/containerd.toml");

const DOCKERFILE: &str = "FROM scratch\nCOPY sh /bin/sh\nCOPY secret /secret\n\
                          CMD [\"/bin/sh\", \"-c\", \"cat /secret\"]\n";

/// The stanzas of `deploy/`, with the binary and the keys of a test.
fn stanzas(machine: &Machine, keys: &Path) -> String {
    stanzas_with(machine, keys, "")
}

/// The same with one or several more variables, each behind a comma.
fn stanzas_with(machine: &Machine, keys: &Path, more: &str) -> String {
    let binary = machine.sandbox.sealcrate().get_program().to_owned();
    let decoder = machine.path("ctd-decoder");
    if !decoder.exists() {
        symlink(binary, &decoder).unwrap();
    }
    let tmp = format!("\"TMPDIR={}\"{more}", machine.sandbox.tmp().display());
    let changes = [
        ("/usr/local/bin/ctd-decoder", decoder.to_str().unwrap()),
        ("/etc/containerd/ocicrypt/keys", keys.to_str().unwrap()),
        ("\"TMPDIR=/var/tmp\"", &tmp),
    ];
    changes.into_iter().fold(STANZAS.to_owned(), |text, (of_deploy, ours)| {
        assert_eq!(text.matches(of_deploy).count(), 2, "{of_deploy}");
        text.replace(of_deploy, ours)
    })
}

/// The variable that names the key providers of a machine.
fn providers(machine: &Machine) -> String {
    format!(", \"OCICRYPT_KEYPROVIDER_CONFIG={}\"", machine.path("providers.json").display())
}

/// A registry with an encrypted image, and the machine that encrypted it.
struct Cluster {
    registry: Registry,
    machine: Machine,
    name: String,
}

impl Cluster {
    /// `encrypt` copies the image from the first place to the second, encrypted.
    fn with(encrypt: impl FnOnce(&Machine, &str, &str)) -> Self {
        let (engine, registry, machine) =
            (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
        let files = [("sh", busybox()), ("secret", b"for this node".to_vec())];
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        let built = engine.build(Builder::Classic, DOCKERFILE, &files);
        let name = format!("{}/team/app:1", registry.host());
        fs::create_dir(machine.path("keys")).unwrap();
        let (from, to) = (format!("docker-daemon:{}", built.name()), format!("docker://{name}"));
        encrypt(&machine, &from, &to);
        Self { registry, machine, name }
    }

    /// skopeo has encrypted the image to the EC key, which is in the folder `keys`.
    fn new() -> Self {
        Self::with(|machine, from, to| {
            machine.succeed(&["copy", from, "oci:image:1"]);
            let recipient = format!("--encryption-key=jwe:{}", key("ec.pub.pem").display());
            let copy = ["copy", "--insecure-policy", "--dest-tls-verify=false", &recipient];
            machine.call("skopeo", &[&copy[..], &["oci:image:1", to]].concat());
            fs::copy(key("ec.pem"), machine.path("keys/ec.pem")).unwrap();
        })
    }

    /// The binary under test has encrypted the image to the recipient of the file `identity`.
    fn of_ours(more: &[&str]) -> Self {
        Self::with(|machine, from, to| {
            let recipient = keygen(machine, "identity");
            let copy = ["copy", "--all-layers", "-r", &recipient, from, to];
            machine.succeed(&[&copy[..], more].concat());
        })
    }

    /// Holds that the node pulls the image, unpacks its original layers, and runs it.
    fn works_on(&self, node: &Containerd) {
        node.pull(&self.name).unwrap_or_else(|error| panic!("{error:?}: {}", node.log()));
        let (mut unpacked, mut expected) = (node.chain_ids(), chain_ids(&self.config()));
        unpacked.sort();
        expected.sort();
        assert_eq!(unpacked, expected);
        assert_eq!(node.run(&self.name), "for this node");
        self.machine.sandbox.assert_nothing_is_left();
    }

    fn config(&self) -> Value {
        let digest = manifest(&self.registry, "team/app", "1")["config"]["digest"].clone();
        serde_json::from_slice(&self.registry.blob(digest.as_str().unwrap()).unwrap()).unwrap()
    }

    /// Puts another command into the image, as anybody can who may write to the registry.
    fn change_command(&self, command: &[&str]) {
        let mut config = self.config();
        config["config"]["Cmd"] = json!(command);
        let config = config.to_string();
        put_blob(&self.registry, "team/app", &digest_of(config.as_bytes()), config.as_bytes());
        let mut changed = manifest(&self.registry, "team/app", "1");
        changed["mediaType"] = OCI_MANIFEST.into();
        changed["config"]["digest"] = digest_of(config.as_bytes()).into();
        changed["config"]["size"] = config.len().into();
        put_manifest(&self.registry, "team/app", "1", changed.to_string().as_bytes());
    }
}

/// The chain IDs of all layers. OCI image specification, "Layer ChainID".
fn chain_ids(config: &Value) -> Vec<String> {
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    let mut chain: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        let diff_id = diff_id.as_str().unwrap();
        chain.push(match chain.last() {
            None => diff_id.to_owned(),
            Some(below) => digest_of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

#[test]
fn node_with_the_key_pulls_unpacks_and_runs() {
    let cluster = Cluster::new();
    let node = Containerd::start(&stanzas(&cluster.machine, &cluster.machine.path("keys")));
    let id = node.pull(&cluster.name).unwrap();
    let manifest = manifest(&cluster.registry, "team/app", "1");
    assert_eq!(id, manifest["config"]["digest"]);
    let types = manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["mediaType"]);
    assert!(
        types.clone().count() == 2
            && types.into_iter().all(|media_type| {
                media_type == "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
            })
    );
    let mut unpacked = node.chain_ids();
    let mut expected = chain_ids(&cluster.config());
    unpacked.sort();
    expected.sort();
    assert_eq!(unpacked, expected);
    assert_eq!(node.run(&cluster.name), "for this node");
    cluster.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn node_without_the_key_says_so_and_unpacks_nothing() {
    let cluster = Cluster::new();
    fs::remove_file(cluster.machine.path("keys/ec.pem")).unwrap();
    fs::copy(key("rsa.pem"), cluster.machine.path("keys/rsa.pem")).unwrap();
    let node = Containerd::start(&stanzas(&cluster.machine, &cluster.machine.path("keys")));
    let refused = node.pull(&cluster.name).unwrap_err();
    for says in ["sealcrate: no key for layer", "is not a recipient's"] {
        assert!(refused.message.contains(says), "{refused:?}\n{}", node.log());
    }
    assert_eq!(node.chain_ids(), [""; 0]);
    cluster.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn node_with_an_age_identity_among_its_keys_pulls_and_runs_layers_of_every_compression() {
    for compression in ["--compression=gzip", "--compression=zstd"] {
        let cluster = Cluster::of_ours(&[compression]);
        let layers = manifest(&cluster.registry, "team/app", "1")["layers"].clone();
        let media_type = layers[0]["mediaType"].as_str().unwrap();
        let kind = &compression["--compression=".len()..];
        assert!(media_type.ends_with(&format!("tar+{kind}+encrypted")), "{media_type}");
        let keys = cluster.machine.path("keys");
        fs::rename(cluster.machine.path("identity"), keys.join("identity")).unwrap();
        cluster.works_on(&Containerd::start(&stanzas(&cluster.machine, &keys)));
    }
}

#[test]
fn node_whose_age_identity_is_with_a_key_provider_pulls_and_runs() {
    let cluster = Cluster::of_ours(&[]);
    let machine = &cluster.machine;
    let identity = machine.path("identity");
    let identity = format!("--identity={}", identity.display());
    configure(machine, &json!({ "sealcrate": own(machine, &[&identity]) }));
    let keys = machine.path("keys");
    let start = || Containerd::start(&stanzas_with(machine, &keys, &providers(machine)));
    cluster.works_on(&start());

    let address = format!("unix:{}", machine.path("socket").display());
    configure(machine, &json!({ "sealcrate": { "grpc": &address } }));
    let binary = machine.sandbox.sealcrate().get_program().to_owned();
    let mut serve = machine.sandbox.command(binary);
    let own = rustix::process::geteuid().as_raw().to_string();
    serve.args(["keyprovider", &identity, "--serve", &address, "--allow-uid", &own]);
    let mut service = KeyProviderService::start(&mut serve);
    cluster.works_on(&start());
    service.wait_for("unwrapped a key: sealed, version 2, layer sha256:");

    // With another identity in its place, the operator reads which program the error is from.
    fs::remove_file(machine.path("identity")).unwrap();
    keygen(machine, "identity");
    let node = start();
    let refused = node.pull(&cluster.name).unwrap_err();
    for says in ["sealcrate: cannot decrypt layer", "the key provider sealcrate fails", "wrong key"]
    {
        assert!(refused.message.contains(says), "{refused:?}\n{}", node.log());
    }
    assert_eq!(node.chain_ids(), [""; 0]);
    assert_eq!(service.end().code(), Some(0));
    let gone = node.pull(&cluster.name).unwrap_err();
    assert!(gone.message.contains("cannot reach unix:"), "{gone:?}");
}

#[test]
fn containerds_own_client_sends_no_payload_and_is_told() {
    let cluster = Cluster::new();
    let node = Containerd::start(&stanzas(&cluster.machine, &cluster.machine.path("keys")));
    let pull = ["images", "pull", "--plain-http", "--snapshotter=native", &cluster.name];
    let done = node.ctr(&pull);
    assert_ne!(done.status, Some(0), "{}", done.said());
    done.says("sealcrate: the client sent no payload");
}

#[test]
fn changed_command_runs_by_tag_and_is_refused_by_digest() {
    let cluster = Cluster::new();
    let digest = cluster.registry.tag_digest("team/app", "1").unwrap();
    let by_digest = format!("{}/team/app@{digest}", cluster.registry.host());
    cluster.change_command(&["/bin/sh", "-c", "echo changed: $(cat /secret)"]);
    let node = Containerd::start(&stanzas(&cluster.machine, &cluster.machine.path("keys")));
    // A decoder sees layers alone, and each of them is unchanged.
    node.pull(&cluster.name).unwrap();
    assert_eq!(node.run(&cluster.name), "changed: for this node");
    // A name with a digest brings the intended image, or none.
    let tagged = cluster.registry.manifest("team/app", "1").unwrap();
    cluster.registry.replace_blob(&digest, &tagged);
    let other = Containerd::start(&stanzas(&cluster.machine, &cluster.machine.path("keys")));
    let refused = other.pull(&by_digest).unwrap_err();
    assert!(refused.message.contains("digest"), "{refused:?}");
    assert_eq!(other.chain_ids(), [""; 0]);
}
