//! Images that are encrypted to OpenPGP keys: skopeo and GnuPG open ours, and we open theirs.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::Layout;
use sealcrate_tests::Done;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored::layers;
use serde_json::Value;

use crate::keys::recipients::{fixture, machine};
use crate::keys::to_recipients::assert_whole;

const PGP: &str = "org.opencontainers.image.enc.keys.pgp";
/// A change of a message.
type Change<'a> = dyn Fn(&[u8]) -> Vec<u8> + 'a;

const COPY: [&str; 2] = ["--insecure-policy", "copy"];

/// A machine whose user has a keyring of GnuPG with one key, in the files `public` and `secret` as well.
struct Owner {
    machine: Machine,
}

impl Owner {
    /// Makes the keys: the primary one, and the one to encrypt to.
    fn new(primary: &str, encrypts: &str) -> Self {
        let owner = Self { machine: machine() };
        let key = ["--quick-gen-key", "owner@example.org", primary, "sign", "never"];
        owner.gpg(&[&["--passphrase", ""], &key[..]].concat(), b"");
        let listed = owner.gpg(&["--with-colons", "--list-keys", "owner"], b"");
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        let fingerprint = line.split(':').nth(9).unwrap();
        let subkey = ["--passphrase", "", "--quick-add-key", fingerprint, encrypts, "encr"];
        owner.gpg(&subkey, b"");
        let public = owner.gpg(&["--export", "owner"], b"");
        owner.machine.write("public", public);
        let secret = owner.gpg(&["--passphrase", "", "--export-secret-keys", "owner"], b"");
        owner.machine.write("secret", secret);
        owner
    }

    /// Prepares a program whose keyring is the owner's.
    fn command(&self, program: &str) -> Command {
        let mut command = self.machine.sandbox.command(program);
        command.env("GNUPGHOME", self.keyring());
        command
    }

    /// The folder of the keyring: short, since GnuPG's agent has its socket there.
    fn keyring(&self) -> std::path::PathBuf {
        let folder = self.machine.sandbox.home().join("g");
        if !folder.is_dir() {
            fs::create_dir(&folder).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&folder, mode).unwrap();
        }
        folder
    }

    /// Runs GnuPG, which must succeed, on this input, and returns its output.
    #[track_caller]
    fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command("gpg");
        command.args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"]);
        command.args(["--trust-model", "always"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        output.stdout
    }

    #[track_caller]
    fn skopeo(&self, arguments: &[&str]) {
        Done::of(self.command("skopeo").args(COPY).args(arguments)).with_status(0);
    }

    /// The messages of the image in a layout.
    fn messages(&self, layout: &str) -> Vec<Vec<u8>> {
        let layout = Layout::open(self.machine.path(layout));
        let manifest = layout.json(&layout.root());
        let texts = layers(&manifest).iter().filter_map(|layer| layer["annotations"][PGP].as_str());
        texts.map(|text| STANDARD.decode(text).unwrap()).collect()
    }

    /// Changes the messages of the image in a copy of the layout, and returns the location of the copy.
    fn with_messages(&self, layout: &str, to: &str, change: &Change<'_>) -> String {
        Done::of(self.machine.sandbox.command("cp").args(["-r", layout, to])).with_status(0);
        let copy = Layout::open(self.machine.path(to));
        let mut manifest = copy.json(&copy.root());
        for layer in manifest["layers"].as_array_mut().unwrap() {
            if let Value::String(text) = &mut layer["annotations"][PGP] {
                *text = STANDARD.encode(change(&STANDARD.decode(&*text).unwrap()));
            }
        }
        let bytes = manifest.to_string();
        copy.name(&copy.add(manifest["mediaType"].as_str().unwrap(), bytes.as_bytes()));
        format!("oci:{to}:latest")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Ends the agent that GnuPG started; it would end by itself once its folder is gone.
        let _ = self.command("gpgconf").args(["--kill", "all"]).status();
    }
}

#[test]
fn skopeo_and_gpg_open_what_is_encrypted_to_a_key_of_gnupg() {
    let owner = Owner::new("rsa3072", "rsa3072");
    let machine = &owner.machine;
    machine.layout("image", &["public", "private"]);
    let to = "--encryption-key=pgp:public";
    machine.succeed(&["copy", "oci:image", "oci:enc:latest", to, "--encrypt-layer=-1"]);
    owner.skopeo(&["--decryption-key=secret", "oci:enc:latest", "oci:by-skopeo:latest"]);
    let ours = ["copy", "oci:enc", "oci:back", "--require-binding", "--decryption-key=secret"];
    machine.succeed(&ours).does_not_say("warning");
    for name in ["by-skopeo", "back"] {
        assert_whole(&Layout::open(machine.path(name)));
    }
    let [message] = &owner.messages("enc")[..] else { panic!("one layer is encrypted") };
    let opened = owner.gpg(&["--decrypt"], message);
    let options: Value = serde_json::from_slice(&opened).unwrap();
    assert_eq!(options["sealcrate"], 2);
    machine.fail(3, &["copy", "oci:enc", "oci:none", "-i=pgp.rsa.sec.gpg"]).says("wrong key");
    let inspect = machine.succeed(&["inspect", "oci:enc", "-i=secret"]);
    assert!(inspect.stdout.contains("wrapped by pgp"), "{}", inspect.said());
}

#[test]
fn what_skopeo_encrypts_to_a_key_of_gnupg_is_opened() {
    let owner = Owner::new("rsa2048", "rsa2048");
    let machine = &owner.machine;
    machine.layout("image", &["public", "private"]);
    owner.skopeo(&["--encryption-key=pgp:owner@example.org", "oci:image:latest", "oci:enc:latest"]);
    assert!(!owner.messages("enc").is_empty());
    machine.succeed(&["copy", "oci:enc", "oci:back", "-i=secret"]).says("another tool wrote");
    assert_whole(&Layout::open(machine.path("back")));
    machine.succeed(&["copy", &fixture("pgp"), "oci:back-2", "-i=pgp.sec.gpg"]);
    machine.fail(5, &["copy", "oci:enc", "oci:none", "-i=secret", "--require-binding"]);
}

#[test]
fn gpg_opens_ours_and_its_messages_are_opened_on_every_curve() {
    for (primary, encrypts) in [
        ("ed25519", "cv25519"),
        ("nistp256", "nistp256"),
        ("nistp384", "nistp384"),
        ("nistp521", "nistp521"),
        ("rsa2048", "cv25519"),
    ] {
        let owner = Owner::new(primary, encrypts);
        let machine = &owner.machine;
        machine.layout("image", &["public", "private"]);
        machine.succeed(&["copy", "oci:image", "oci:enc", "-r=pgp:public", "--all-layers"]);
        machine.succeed(&["copy", "oci:enc", "oci:back", "-i=secret", "--require-binding"]);
        for message in owner.messages("enc") {
            assert!(owner.gpg(&["--decrypt"], &message).starts_with(b"{\"symkey\""));
        }
        let encrypt = |more: &[&str], message: &[u8]| {
            let content = owner.gpg(&["--decrypt"], message);
            owner.gpg(&[&["--encrypt", "-r", "owner"], more].concat(), &content)
        };
        for (i, more) in [
            &[][..],
            &["--rfc4880"],
            &["--compress-algo", "zip"],
            &["--compress-algo", "zlib"],
            &["--compress-algo", "none", "--cipher-algo", "AES192"],
            &["--throw-keyids", "--cipher-algo", "AES"],
        ]
        .into_iter()
        .enumerate()
        {
            let to = format!("by-gpg-{i}");
            let image = owner.with_messages("enc", &to, &|message| encrypt(more, message));
            let copy = ["copy", &image, &format!("oci:back-{i}"), "-i=secret"];
            machine.succeed(&[&copy[..], &["--require-binding"]].concat());
        }
    }
}

#[test]
fn changed_messages_are_refused_and_leave_nothing() {
    let owner = Owner::new("rsa2048", "rsa2048");
    let machine = &owner.machine;
    machine.layout("image", &["public", "private"]);
    machine.succeed(&["copy", "oci:image", "oci:enc", "-r=pgp:public", "--all-layers"]);
    let content = |message: &[u8]| owner.gpg(&["--decrypt"], message);
    let by_gpg = |more: &'static [&str]| {
        let owner = &owner;
        move |message: &[u8]| {
            owner.gpg(&[&["--encrypt", "-r", "owner"], more].concat(), &content(message))
        }
    };
    let changes: [(&str, &str, &Change<'_>); 8] = [
        ("flipped", "does not authenticate", &|message| {
            let mut message = message.to_vec();
            *message.last_mut().unwrap() ^= 1;
            message
        }),
        ("session-key", "does not authenticate", &|message| {
            let mut message = message.to_vec();
            message[40] ^= 1;
            message
        }),
        ("cut", "malformed: packets", &|message| message[..message.len() - 1].to_vec()),
        ("relabelled", "without integrity", &|message| {
            let mut message = message.to_vec();
            // Behind the session key, whose length takes two bytes.
            let len = (usize::from(message[1]) - 192) * 256 + usize::from(message[2]) + 192;
            assert_eq!(message[3 + len], 0xd2);
            message[3 + len] = 0xc9;
            message
        }),
        ("long", "longer than 64 KiB", &|message| [message, &[0; 1 << 16]].concat()),
        ("bzip2", "not supported for its compression", &by_gpg(&["--compress-algo", "bzip2"])),
        ("other-cipher", "does not authenticate", &by_gpg(&["--cipher-algo", "CAST5"])),
        ("nested", "compressed twice", &|message| {
            let inner = owner.gpg(&["--store", "--compress-algo", "zlib"], &content(message));
            // Its input consists of packets already.
            let more = ["--no-literal", "--encrypt", "-r", "owner", "--compress-algo", "zlib"];
            owner.gpg(&more, &inner)
        }),
    ];
    for (name, text, change) in changes {
        let image = owner.with_messages("enc", name, change);
        let copy = ["copy", &image, "oci:back", "-i=secret"];
        machine.fail(5, &copy).says(text);
        assert!(!machine.path("back").exists(), "{name}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_told_with_what_to_do() {
    let machine = machine();
    machine.layout("image", &["text"]);
    let to = |to: &'static str| ["copy", "oci:image", "oci:none", "--all-layers", "-r", to];
    for (recipient, text, hint) in [
        ("pgp:owner@example.org", "GnuPG's keyring is not looked into", "gpg --export NAME"),
        ("pgp:pgp.rsa.sec.gpg", "it holds a private OpenPGP key", "gpg --export NAME"),
        ("pgp:rsa.pub.pem", "there is no public OpenPGP key", "gpg --export NAME"),
        ("pgp:pgp.expired.pub.gpg", "is expired", ""),
        ("pgp:pgp.revoked.pub.gpg", "is revoked", ""),
        ("pgp:pgp.sign-only.pub.gpg", "has none to encrypt to", ""),
        ("jwe:pgp.rsa.pub.gpg", "there is no public key in it", ""),
    ] {
        let done = machine.fail(2, &to(recipient)).says(text);
        assert!(done.stderr.contains(hint), "{recipient}: {}", done.said());
    }
    let open = |key: &'static str| ["copy", "oci:enc", "oci:none", "-i", key];
    machine.succeed(&[
        "copy",
        "oci:image",
        "oci:enc",
        "-r=pgp:pgp.password.pub.gpg",
        "--all-layers",
    ]);
    for (key, text) in [
        ("pgp.password.pub.gpg", "it is a public OpenPGP key"),
        ("pgp.sign-only.sec.gpg", "there is no OpenPGP key in it that can decrypt"),
        ("pgp.password.sec.gpg", "a passphrase is needed"),
        ("pgp.password.sec.gpg:file=other-key", "wrong password"),
    ] {
        machine.fail(3, &open(key)).says(text);
    }
    machine.write("password", "fixture\n");
    machine.succeed(&["copy", "oci:enc", "oci:back", "-i=pgp.password.sec.gpg:file=password"]);
    let pass = ["copy", "oci:enc", "oci:back-2", "-i=pgp.password.sec.gpg:pass=fixture"];
    machine.succeed(&pass).says("other users of this machine");
    assert!(!machine.path("none").exists());
}

#[test]
fn certificates_and_openpgp_keys_are_added_and_removed() {
    let machine = machine();
    machine.layout("image", &["public", "private"]);
    machine.succeed(&["copy", "oci:image", "oci:enc:1", "-r=jwe:rsa.pub.pem", "--all-layers"]);
    let rewrap = ["rewrap", "oci:enc:1", "-i=rsa.pem"];
    let added = ["--add=pgp:pgp.two-subkeys.pub.gpg", "--add=pkcs7:x509.cert.pem"];
    machine.succeed(&[&rewrap[..], &added].concat());
    let opens = |key: &str, opens: bool| {
        let copy = ["copy", "oci:enc:1", "oci:back", "--require-binding", "-i", key];
        if opens {
            machine.succeed(&copy);
            fs::remove_dir_all(machine.path("back")).unwrap();
        } else {
            machine.fail(3, &copy).says("wrong key");
        }
    };
    opens("pgp.two-subkeys.sec.gpg", true);
    opens("x509.key.pem", true);
    // The key was revoked meanwhile.
    let remove = ["--remove=pgp:pgp.revoked-subkey.pub.gpg"];
    machine.succeed(&[&rewrap[..], &remove].concat()).says("the data keys stay");
    opens("pgp.two-subkeys.sec.gpg", false);
    opens("x509.key.pem", true);
    machine.fail(1, &[&rewrap[..], &remove].concat()).says("not known to be encrypted to");
    machine.succeed(&[&rewrap[..], &["--remove=pkcs7:x509.cert.pem"]].concat());
    opens("x509.key.pem", false);
    opens("rsa.pem", true);
}
