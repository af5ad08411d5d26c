//! The decoder as containerd starts it: one layer, and its payload on descriptor 3.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::{Layout, digest_of};
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::{Done, grpc};
use serde_json::{Value, json};

const KEYS: &str = "../crates/crypt/tests/data/ocicrypt/keys";

/// The path of one of the keys that the tests have.
pub(crate) fn key(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(KEYS).join(name)
}

/// A machine with the layer `blob`, the folder `keys` with its key, and descriptor 3 in the file
/// `payload`. skopeo has encrypted the layer, unless a test says otherwise.
struct Node {
    machine: Machine,
    descriptor: Value,
    plain: String,
}

impl Node {
    fn new() -> Self {
        let machine = Machine::new();
        let plain = machine.layout("image", &["private"]);
        let plain = plain.json(&plain.root())["layers"][0]["digest"].as_str().unwrap().to_owned();
        let recipient = format!("--encryption-key=jwe:{}", key("ec.pub.pem").display());
        let copy = ["copy", "--insecure-policy", &recipient, "oci:image:latest", "oci:sealed:1"];
        machine.call("skopeo", &copy);
        Self::with(machine, plain, "ec.pem")
    }

    /// A machine whose layer sealcrate encrypted to an OpenPGP key.
    fn of_openpgp(public: &str, secret: &str) -> Self {
        let machine = Machine::new();
        let plain = machine.layout("image", &["private"]);
        let plain = plain.json(&plain.root())["layers"][0]["digest"].as_str().unwrap().to_owned();
        let recipient = format!("pgp:{}", key(public).display());
        let copy = ["copy", "--all-layers", "oci:image:latest", "oci:sealed:1", "-r", &recipient];
        machine.succeed(&copy);
        Self::with(machine, plain, secret)
    }

    /// Lays out the decoder's input from the layout `sealed`, and the key for it.
    fn with(machine: Machine, plain: String, secret: &str) -> Self {
        let sealed = Layout::open(machine.path("sealed"));
        let descriptor = sealed.json(&sealed.root())["layers"][0].clone();
        machine.write("blob", sealed.blob(descriptor["digest"].as_str().unwrap()));
        fs::create_dir(machine.path("keys")).unwrap();
        fs::copy(key(secret), machine.path("keys").join(secret)).unwrap();
        let node = Self { machine, descriptor, plain };
        node.say(&node.descriptor, &json!(null));
        node
    }

    /// Writes a payload as containerd does.
    fn say(&self, descriptor: &Value, parameters: &Value) {
        let payload = json!({
            "DecryptConfig": { "Parameters": parameters }, "Descriptor": descriptor,
        });
        let type_url = grpc::field(1, b"io.containerd.ocicrypt.v1.Payload");
        let value = grpc::field(2, payload.to_string().as_bytes());
        self.machine.write("payload", [type_url, value].concat());
    }

    /// Runs the decoder. Its output goes to the file `out`, and nothing is left elsewhere.
    #[track_caller]
    fn decode(&self, script: &str, arguments: &[&str]) -> Done {
        let arguments = [&["decoder"], arguments].concat();
        let done = Done::of(&mut self.machine.under_bash(script, &arguments));
        self.machine.sandbox.assert_nothing_is_left();
        done
    }

    /// Runs the decoder as containerd does.
    #[track_caller]
    fn decode_as_containerd(&self, arguments: &[&str]) -> Done {
        self.decode("\"$@\" < blob 3< <(cat payload) > out", arguments)
    }

    #[track_caller]
    fn is_refused(&self, status: i32, script: &str, says: &str) {
        let done = self.decode(script, &["--decryption-keys-path=keys"]).with_status(status);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.said());
        let done = done.says(says);
        assert!(done.stderr.starts_with("sealcrate: "), "{}", done.said());
        assert_eq!(fs::read(self.machine.path("out")).unwrap(), b"", "something was released");
    }

    fn released(&self) -> String {
        digest_of(&fs::read(self.machine.path("out")).unwrap())
    }
}

const AS_CONTAINERD: &str = "\"$@\" < blob 3< <(cat payload) > out";

#[test]
fn layer_is_decrypted_with_the_keys_of_the_node_or_of_the_client() {
    let node = Node::new();
    let done = node.decode_as_containerd(&["--decryption-keys-path", "keys"]).with_status(0);
    assert_eq!((node.released(), &*done.stderr), (node.plain.clone(), ""));

    let key = STANDARD.encode(fs::read(key("ec.pem")).unwrap());
    node.say(&node.descriptor, &json!({ "privkeys": [key], "privkeys-passwords": [""] }));
    fs::remove_dir_all(node.machine.path("keys")).unwrap();
    node.decode_as_containerd(&[]).with_status(0);
    assert_eq!(node.released(), node.plain);
}

#[test]
fn layer_is_decrypted_with_an_openpgp_key_of_the_node_or_of_the_client() {
    for (public, secret) in
        [("pgp.rsa.pub.gpg", "pgp.rsa.sec.gpg"), ("pgp.cv25519.pub.asc", "pgp.cv25519.sec.asc")]
    {
        let node = Node::of_openpgp(public, secret);
        let done = node.decode_as_containerd(&["--decryption-keys-path", "keys"]).with_status(0);
        assert_eq!((node.released(), &*done.stderr), (node.plain.clone(), ""));

        let of_client = STANDARD.encode(fs::read(key(secret)).unwrap());
        node.say(&node.descriptor, &json!({ "privkeys": [of_client] }));
        fs::remove_file(node.machine.path("keys").join(secret)).unwrap();
        node.decode_as_containerd(&[]).with_status(0);
        assert_eq!(node.released(), node.plain);

        // Neither another user's key opens it, nor the public key in the place of the private one.
        node.say(&node.descriptor, &json!(null));
        fs::copy(key("pgp.sec.gpg"), node.machine.path("keys/other")).unwrap();
        node.is_refused(3, AS_CONTAINERD, ": the only one in keys is not a recipient's");
        fs::remove_file(node.machine.path("keys/other")).unwrap();
        fs::copy(key(public), node.machine.path("keys/public")).unwrap();
        node.is_refused(3, AS_CONTAINERD, "keys/public: it is a public OpenPGP key");
    }
}

/// The defaults of containerd 1.7 name such a file.
#[test]
fn list_of_key_providers_that_is_not_there_is_a_warning() {
    let node = Node::new();
    let script = format!("OCICRYPT_KEYPROVIDER_CONFIG=/missing/list {AS_CONTAINERD}");
    let done = node.decode(&script, &["--decryption-keys-path=keys"]).with_status(0);
    let warning =
        "warning: there is no file /missing/list, which OCICRYPT_KEYPROVIDER_CONFIG names\n";
    assert_eq!((node.released(), &*done.stderr), (node.plain, warning));
}

#[test]
fn called_ctd_decoder_it_takes_the_options_of_that() {
    let node = Node::new();
    let script = "shift 2; ln -s \"$1\" ctd-decoder; \
                  ./ctd-decoder --decryption-keys-path keys < blob 3< payload > out";
    node.decode(script, &[]).with_status(0);
    assert_eq!(node.released(), node.plain);
}

#[test]
fn nothing_is_released_without_a_payload_or_of_what_is_damaged() {
    let node = Node::new();
    for script in ["\"$@\" < blob > out", "\"$@\" < blob 3< /dev/null > out"] {
        node.is_refused(1, script, "the client sent no payload");
    }
    node.is_refused(1, "\"$@\" < blob 3< blob > out", "cannot use the payload on descriptor 3");
    let cut = "head -c -1 blob | \"$@\" 3< payload > out";
    node.is_refused(5, cut, "ends after");
    let longer = "{ cat blob; echo; } | \"$@\" 3< payload > out";
    node.is_refused(5, longer, "is longer than");
    let other = "{ head -c -1 blob; echo; } | \"$@\" 3< payload > out";
    node.is_refused(5, other, "is damaged: its digest is");

    // A stranger who may change the manifest may name the digest of a changed blob, but cannot
    // compute its HMAC.
    let mut blob = fs::read(node.machine.path("blob")).unwrap();
    blob[0] ^= 1;
    let mut changed = node.descriptor.clone();
    changed["digest"] = digest_of(&blob).into();
    node.machine.write("blob", &blob);
    node.say(&changed, &json!(null));
    node.is_refused(5, AS_CONTAINERD, "does not authenticate");
}

#[test]
fn missing_keys_are_named_in_one_line() {
    let node = Node::new();
    fs::remove_file(node.machine.path("keys/ec.pem")).unwrap();
    node.is_refused(3, AS_CONTAINERD, ": there is none in keys");
    fs::copy(key("rsa.pem"), node.machine.path("keys/rsa.pem")).unwrap();
    node.is_refused(3, AS_CONTAINERD, ": the only one in keys is not a recipient's");
    fs::remove_dir_all(node.machine.path("keys")).unwrap();
    node.is_refused(1, AS_CONTAINERD, "cannot read the keys in keys: No such file");
    let mut clear = node.descriptor.clone();
    clear["annotations"] = json!({});
    fs::create_dir(node.machine.path("keys")).unwrap();
    node.say(&clear, &json!(null));
    node.is_refused(5, AS_CONTAINERD, "there is no public options in its annotations");
}
