//! New readers of an image, without any transfer of its layers.

use sealcrate_test_kit::Layout;
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{data_keys, digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, PASSPHRASE, platform};
use serde_json::Value;

use crate::keys::age_recipients::keygen;
use crate::keys::recipients::{fixture, machine};

const RSA: &str = "jwe:rsa.pub.pem";

/// A machine with the identities `mine` and `theirs` and their recipients. Its registry has an image
/// that is encrypted to `mine` and to an RSA key.
struct Shared {
    machine: Machine,
    registry: Registry,
    mine: String,
    theirs: String,
}

impl Shared {
    fn new() -> Self {
        let (machine, registry) = (machine(), Registry::plain());
        machine.layout("image", &["public", "private"]);
        let (mine, theirs) = (keygen(&machine, "mine"), keygen(&machine, "theirs"));
        let pushed = Self { machine, registry, mine, theirs };
        let push = ["push", &pushed.name("1"), "--from=oci:image", "--encrypt-layer=1"];
        pushed.machine.succeed(&[&push[..], &["-r", &pushed.mine, "-r", RSA]].concat());
        pushed
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.host())
    }

    fn manifest(&self, tag: &str) -> Value {
        manifest(&self.registry, "app", tag)
    }

    fn rewrap<'a>(&'a self, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["rewrap", name, "-i=mine"], more].concat()
    }

    /// Holds that a key opens an image, bound, or does not.
    #[track_caller]
    fn assert_opens(&self, tag: &str, keys: &[&str], opens: bool) {
        let name = self.name(tag);
        let pull = [&["pull", &name, "--to=oci:back", "--require-binding"], keys].concat();
        if opens {
            self.machine.succeed(&pull);
            std::fs::remove_dir_all(self.machine.path("back")).unwrap();
        } else {
            self.machine.fail(3, &pull).says("wrong key");
        }
    }
}

#[test]
fn recipients_are_added_and_removed_and_layers_stay_where_they_are() {
    let pushed = Shared::new();
    let (machine, name) = (&pushed.machine, pushed.name("1"));
    let (before, blobs) = (pushed.manifest("1"), pushed.registry.blobs().len());
    let more = ["--add", &pushed.theirs, "--remove", RSA];
    let done = machine.succeed(&pushed.rewrap(&name, &more));
    assert_eq!(done.lines("note: the data keys stay").len(), 1, "{}", done.said());
    let after = pushed.manifest("1");
    assert_eq!(pushed.registry.blobs().len(), blobs + 1, "the manifest alone is new");
    assert_eq!(after["config"], before["config"]);
    for (old, new) in layers(&before).iter().zip(layers(&after)) {
        assert_eq!((digest(old), &old["size"]), (digest(new), &new["size"]));
    }
    pushed.assert_opens("1", &["-i=mine"], true);
    pushed.assert_opens("1", &["-i=theirs"], true);
    pushed.assert_opens("1", &["-i=rsa.pem"], false);
    // The new readers can do the same. A recipient with a key on a curve differs from an age
    // recipient.
    let remove = ["rewrap", &name, "-i=theirs", "--remove", &pushed.mine, "--add=jwe:ec.jwk.pub"];
    machine.succeed(&remove);
    pushed.assert_opens("1", &["-i=mine"], false);
    machine.succeed(&["rewrap", &name, "-i=theirs", "--remove=jwe:ec.pub.pem"]);
    pushed.assert_opens("1", &["-i=ec.pem"], false);
    pushed.assert_opens("1", &["-i=theirs"], true);
}

#[test]
fn another_tag_leaves_the_image_as_it_is_and_skopeo_opens_it() {
    let pushed = Shared::new();
    let before = pushed.manifest("1");
    let add = ["--to=2", "--add=jwe:p384.pub.pem", "--new-pass-file=key"];
    let done = pushed.machine.succeed(&pushed.rewrap(&pushed.name("1"), &add));
    done.says("readers of the image: ").says("passphrase").does_not_say("data keys stay");
    assert_eq!(pushed.manifest("1"), before);
    pushed.assert_opens("2", &["--pass-file=key"], true);
    pushed.assert_opens("2", &["-i=p384.pem"], true);
    let from = format!("docker://{}", pushed.name("2"));
    let copy = ["--insecure-policy", "copy", "--src-tls-verify=false", "--decryption-key=p384.pem"];
    pushed.machine.call("skopeo", &[&copy[..], &[&from, "oci:by-skopeo:1"]].concat());
}

#[test]
fn images_in_layouts_and_of_other_tools_are_rewrapped() {
    let machine = machine();
    let mine = keygen(&machine, "mine");
    machine.succeed(&["copy", &fixture("jwe-ec"), "oci:layout:foreign"]);
    let rewrap = ["rewrap", "oci:layout:foreign", "-i=ec.pem"];
    machine.succeed(&[&rewrap[..], &["--to=ours", "--add", &mine]].concat());
    machine.succeed(&["copy", "oci:layout:ours", "oci:back", "-i=mine"]);
    machine.succeed(&["copy", "oci:layout:foreign", "oci:back2", "-i=ec.pem"]);
    let remove = [&rewrap[..], &["--remove=jwe:ec.pub.pem"]].concat();
    let done = machine.fail(1, &remove).says("not known to be encrypted to one whom to remove");
    assert!(done.lines("hint: ")[0].contains("--reencrypt"), "{}", done.said());
    machine.fail(5, &[&rewrap[..], &["--require-binding", "--add", &mine]].concat());
}

#[test]
fn passphrase_of_crypto_clis_format_is_changed_and_layers_stay() {
    let (machine, registry) = (machine(), Registry::plain());
    let layout = machine.layout("image", &["public", "private"]);
    let name = format!("{}/app:1", registry.host());
    for more in [&[][..], &["--compat"]] {
        let push =
            ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
        machine.succeed(&[&push[..], more].concat());
        let before = manifest(&registry, "app", "1");
        let rewrap = ["rewrap", &name, "--pass-file=key", "--new-pass-file=other-key", FAST];
        let done = machine.succeed(&rewrap);
        assert_eq!(done.lines("note: the data keys stay").len(), 1, "{}", done.said());
        let after = manifest(&registry, "app", "1");
        assert_ne!(digest(&after["config"]), digest(&before["config"]));
        for (old, new) in layers(&before).iter().zip(layers(&after)) {
            assert_eq!(digest(old), digest(new));
        }
        if more.is_empty() {
            let (old, new) =
                (data_keys(&before, PASSPHRASE), data_keys(&after, "another horse battery"));
            assert_ne!(old[0], new[0], "the config has a new key");
            assert_eq!(old[1], new[1], "the layer has not");
            for member in ["nonce", "salt"] {
                let of = |manifest: &Value| layers(manifest)[1]["crypto"][member].clone();
                assert_ne!(of(&before), of(&after), "{member}");
            }
        }
        machine.fail(3, &["pull", &name, "--to=oci:back", "--pass-file=key"]).says("wrong");
        machine.succeed(&["pull", &name, "--to=oci:back", "--pass-file=other-key"]);
        let back = Layout::open(machine.path("back"));
        let config = |layout: &Layout| layout.json(&layout.root())["config"]["digest"].clone();
        assert_eq!(config(&back), config(&layout));
        std::fs::remove_dir_all(machine.path("back")).unwrap();
    }
    let recipient = ["rewrap", &name, "--pass-file=other-key", "--add", RSA];
    machine.fail(2, &recipient).says("one passphrase and no recipients");
    machine.fail(3, &["rewrap", &name, "--pass-file=key", "--new-pass-file=key", FAST]);
}

#[test]
fn reencryption_makes_new_keys_for_those_alone_who_are_named() {
    let pushed = Shared::new();
    let before = pushed.manifest("1");
    let more = ["--reencrypt", "--add", &pushed.theirs];
    let done = pushed.machine.succeed(&pushed.rewrap(&pushed.name("1"), &more));
    done.says(&format!("readers of the image: {}\n", pushed.theirs)).does_not_say("data keys stay");
    let after = pushed.manifest("1");
    assert_eq!(after["config"], before["config"]);
    assert_eq!(digest(&layers(&before)[0]), digest(&layers(&after)[0]));
    assert_ne!(digest(&layers(&before)[1]), digest(&layers(&after)[1]));
    pushed.assert_opens("1", &["-i=theirs"], true);
    pushed.assert_opens("1", &["-i=mine"], false);
    pushed.assert_opens("1", &["-i=rsa.pem"], false);
}

#[test]
fn reencryption_under_a_passphrase_makes_new_keys_in_both_formats() {
    let pushed = Shared::new();
    let (machine, before) = (&pushed.machine, pushed.manifest("1"));
    let more = ["--reencrypt", "--new-pass-file=key"];
    let done = machine.succeed(&pushed.rewrap(&pushed.name("1"), &more));
    done.says("readers of the image: passphrase\n").does_not_say("data keys stay");
    let after = pushed.manifest("1");
    assert_ne!(digest(&layers(&before)[1]), digest(&layers(&after)[1]));
    pushed.assert_opens("1", &["-i=mine"], false);
    pushed.assert_opens("1", &["--pass-file=key"], true);

    let name = pushed.name("2");
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    machine.succeed(&push);
    let before = pushed.manifest("2");
    let again = ["rewrap", &name, "--pass-file=key", "--new-pass-file=other-key", FAST];
    machine.succeed(&[&again[..], &["--reencrypt"]].concat()).does_not_say("note");
    let after = pushed.manifest("2");
    assert_eq!(digest(&layers(&before)[0]), digest(&layers(&after)[0]), "what is clear stays");
    assert_ne!(digest(&layers(&before)[1]), digest(&layers(&after)[1]));
    let (old, new) = (data_keys(&before, PASSPHRASE), data_keys(&after, "another horse battery"));
    assert_eq!((old.len(), new.len()), (2, 2));
    assert!(old.iter().all(|key| !new.contains(key)), "a data key is used again");
    machine.fail(3, &["pull", &name, "--to=oci:back", "--pass-file=key"]).says("wrong");
    machine.succeed(&["pull", &name, "--to=oci:back", "--pass-file=other-key"]);
}

#[test]
fn reencryption_that_is_refused_leaves_the_image_as_it_is() {
    let pushed = Shared::new();
    let (machine, name, before) = (&pushed.machine, pushed.name("1"), pushed.manifest("1"));
    let add = ["--reencrypt", "--add", &pushed.theirs];
    machine.fail(3, &[&["rewrap", &name, "-i=theirs"], &add[..]].concat()).says("wrong key");
    let both = pushed.rewrap(&name, &[&add[..], &["--remove", RSA]].concat());
    machine.fail_usage(&both);
    assert_eq!(pushed.manifest("1"), before);
}

#[test]
fn what_cannot_be_rewrapped_is_refused_and_stays() {
    let pushed = Shared::new();
    let (machine, name, before) = (&pushed.machine, pushed.name("1"), pushed.manifest("1"));
    let at_digest = format!("{}@{}", name, pushed.registry.tag_digest("app", "1").unwrap());
    let add = ["--add", &pushed.theirs];
    let fail = |status, arguments: &[&str], text: &str| {
        machine.fail(status, arguments).says(text);
        assert_eq!(pushed.manifest("1"), before);
    };
    fail(2, &pushed.rewrap(&name, &[]), "nothing says who is to open the image");
    fail(2, &pushed.rewrap(&name, &["--reencrypt"]), "nothing says who is to open the image");
    fail(2, &pushed.rewrap(&at_digest, &add), "give the result a tag");
    fail(3, &[&["rewrap", &name, "-i=theirs"], &add[..]].concat(), "wrong key");
    fail(3, &[&["rewrap", &name], &add[..]].concat(), "no identity was given");
    fail(
        1,
        &pushed.rewrap(&name, &["--remove", &pushed.mine, "--remove", RSA]),
        "nobody would be left",
    );
    fail(1, &pushed.rewrap(&name, &["--remove", &pushed.theirs]), "not known to be encrypted to");
    fail(
        2,
        &pushed.rewrap("docker-archive:x.tar", &add),
        "in a registry and in an OCI layout only",
    );
    fail(2, &pushed.rewrap("oci:image", &add), "oci:DIR:TAG");
    fail(4, &pushed.rewrap("oci:image:latest", &add), "not encrypted");
    let layout = Layout::create(machine.path("index"));
    let image = layout.add_image(platform(), &["text"], Value::Null);
    layout.name(&layout.add_index(&[image]));
    fail(4, &pushed.rewrap("oci:index:latest", &add), "not encrypted");
}
