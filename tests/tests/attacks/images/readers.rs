//! Readers: a stranger who changes wrapped keys cannot turn a change of readers against the wrong one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored::layers;
use serde_json::Value;

use crate::shop::{KEY, OTHER, OTHER_KEY, OWNER, Shop, children_mut};

const KEYS: &str = "org.opencontainers.image.enc.keys.";
const JWE: &str = "org.opencontainers.image.enc.keys.jwe";
const AGE: &str = "org.opencontainers.image.enc.keys.provider.sealcrate";

/// A change of a document.
type ChangeOf<'a> = &'a dyn Fn(&mut Value);

/// Makes an identity in a file, and returns its recipient.
fn keygen(machine: &Machine, file: &str) -> String {
    let done = machine.succeed(&["keygen", "-o", file]);
    done.lines("Public key: ")[0]["Public key: ".len()..].to_owned()
}

/// The wrapped keys of a layer of one kind.
fn items(layer: &Value, kind: &str) -> Vec<String> {
    let list = layer["annotations"][kind].as_str().unwrap();
    list.split(',').map(str::to_owned).collect()
}

fn put_items(layer: &mut Value, kind: &str, items: &[String]) {
    layer["annotations"][kind] = items.join(",").into();
}

/// Holds that nobody can change the readers of an image with other wrapped keys than the sealed ones, and that
/// the image opens.
#[track_caller]
fn assert_noticed(shop: &Shop, changed: &Value) {
    shop.put("1", changed);
    let (name, before) = (shop.name("1"), shop.registry.tag_digest("app", "1"));
    for change in [&["--remove", OTHER][..], &["--add", "jwe:p384.pub.pem"]] {
        let rewrap = [&["rewrap", &name, KEY], change].concat();
        shop.machine.fail(5, &rewrap).says("its list of readers is not the sealed one");
        assert_eq!(shop.registry.tag_digest("app", "1"), before);
    }
    let seen = shop.machine.succeed(&["inspect", &name, KEY]).stdout;
    assert!(seen.contains("wrapped keys are not those of these readers"), "{seen}");
    let seen = shop.machine.succeed(&["inspect", &name, KEY, "--output=json"]).json();
    assert_eq!(seen["record"]["readersAgree"], false);
    shop.pull("1", &["--require-binding=2"]);
}

#[test]
fn removal_is_not_turned_against_the_wrong_reader() {
    let shop = Shop::new();
    let (mine, theirs) = (keygen(&shop.machine, "mine"), keygen(&shop.machine, "theirs"));
    shop.push("image", "1", &["-r", OTHER, "-r", &mine, "-r", &theirs]);
    let name = shop.name("1");
    let seen = shop.machine.succeed(&["inspect", &name, KEY, "--output=json"]).json();
    assert_eq!(seen["record"]["readersAgree"], true);
    assert_eq!(seen["record"]["readers"].as_array().unwrap().len(), 4);
    let ours = shop.manifest("1");
    let change = |change: &dyn Fn(&mut Value)| {
        let mut changed = ours.clone();
        change(&mut changed["layers"][1]);
        assert_ne!(changed, ours);
        changed
    };
    // A reader who should stay is taken away, one occurs twice, one comes from another image.
    shop.push("image", "2", &["--no-cache", "-r", OTHER]);
    let other = shop.manifest("2");
    let foreign = items(&layers(&other)[1], JWE);
    let parsed =
        |item: &str| -> Value { serde_json::from_slice(&STANDARD.decode(item).unwrap()).unwrap() };
    let mixed: [ChangeOf<'_>; 6] = [
        &|layer| {
            let all = items(layer, JWE);
            put_items(layer, JWE, &all[..1]);
        },
        &|layer| {
            let mut all = items(layer, JWE);
            all.push(all[0].clone());
            put_items(layer, JWE, &all);
        },
        &|layer| {
            let mut all = items(layer, JWE);
            all[1] = foreign[1].clone();
            put_items(layer, JWE, &all);
        },
        &|layer| layer["annotations"][format!("{KEYS}other")] = "AAAA".into(),
        // The hints of two readers are exchanged.
        &|layer| {
            let all = items(layer, AGE);
            let (mut one, mut two) = (parsed(&all[0]), parsed(&all[1]));
            if one["hint"].is_null() {
                (one["evil"], two["evil"]) = (1.into(), 2.into());
            } else {
                let hint = one["hint"].take();
                one["hint"] = two["hint"].take();
                two["hint"] = hint;
            }
            put_items(layer, AGE, &[one, two].map(|item| STANDARD.encode(item.to_string())));
        },
        &|layer| drop(layer["annotations"].as_object_mut().unwrap().remove(AGE)),
    ];
    for of in mixed {
        assert_noticed(&shop, &change(of));
    }
    // The order of wrapped keys tells nothing.
    let reordered = change(&|layer| {
        let mut all = items(layer, JWE);
        all.reverse();
        put_items(layer, JWE, &all);
    });
    shop.put("1", &reordered);
    let done = shop.machine.succeed(&["rewrap", &name, KEY, "--remove", OTHER]);
    let told = done.lines("note: readers of the image: ");
    assert!(told.len() == 1 && !told[0].contains("nobody sealed"), "{}", done.said());
    shop.fails(3, &["pull", &name, "--to=oci:back", OTHER_KEY]);
    for key in [KEY, "-i=mine", "-i=theirs"] {
        let _ = std::fs::remove_dir_all(shop.machine.path("back"));
        shop.machine.succeed(&["pull", &name, "--to=oci:back", key]);
    }
    shop.machine.succeed(&["rewrap", &name, KEY, "--remove", &theirs]);
    shop.fails(3, &["pull", &name, "--to=oci:back", "-i=theirs"]);
    shop.pull("1", &[]);
}

#[test]
fn certificates_and_openpgp_keys_are_told_apart_by_what_was_sealed() {
    let shop = Shop::new();
    let keys = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/crypt/tests/data/ocicrypt/keys");
    for file in ["x509.cert.pem", "x509.key.pem", "pgp.pub.gpg", "pgp.sec.gpg"] {
        std::fs::copy(keys.join(file), shop.machine.path(file)).unwrap();
    }
    let (certificate, gpg) = ("pkcs7:x509.cert.pem", "pgp:pgp.pub.gpg");
    shop.push("image", "1", &["-r", certificate, "-r", gpg, "-r", OTHER]);
    let ours = shop.manifest("1");
    let name = shop.name("1");
    shop.push("image", "2", &["--no-cache", "-r", certificate, "-r", gpg]);
    let other = shop.manifest("2");
    for kind in ["pkcs7", "pgp"] {
        let kind = format!("{KEYS}{kind}");
        let mut changed = ours.clone();
        changed["layers"][1]["annotations"][&kind] =
            other["layers"][1]["annotations"][&kind].clone();
        assert_noticed(&shop, &changed);
        let mut changed = ours.clone();
        changed["layers"][1]["annotations"].as_object_mut().unwrap().remove(&kind);
        assert_noticed(&shop, &changed);
    }
    shop.put("1", &ours);
    shop.machine.succeed(&["rewrap", &name, KEY, "--remove", certificate]);
    shop.fails(3, &["pull", &name, "--to=oci:back", "-i=x509.key.pem"]);
    shop.machine.succeed(&["pull", &name, "--to=oci:back", "-i=pgp.sec.gpg"]);
    shop.machine.succeed(&["rewrap", &name, KEY, "--remove", gpg]);
    shop.fails(3, &["pull", &name, "--to=oci:back", "-i=pgp.sec.gpg"]);
}

#[test]
fn readers_of_an_index_are_held_to_each_image() {
    let shop = Shop::new();
    shop.push_several("1");
    shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER]);
    let mut index = shop.manifest("1");
    shop.change_child(&mut children_mut(&mut index)[1], |manifest| {
        let layer = &mut manifest["layers"][1];
        let all = items(layer, JWE);
        put_items(layer, JWE, &all[..1]);
    });
    shop.put("1", &index);
    shop.rewrap_fails(5, "1", &[]).says("list of readers");
    shop.pull("1", &["--require-binding=2"]);
}

#[test]
fn wrapped_keys_that_nobody_can_name_are_counted() {
    let shop = Shop::new();
    let name = shop.name("1");
    let mut copy = shop.machine.sandbox.command("skopeo");
    copy.args(["--insecure-policy", "copy", "--dest-tls-verify=false"]);
    for public in ["ec.pub.pem", "rsa.pub.pem"] {
        let key = shop.machine.path(public);
        copy.arg("--encryption-key").arg(format!("jwe:{}", key.display()));
    }
    copy.args(["oci:image:latest", &format!("docker://{name}")]);
    sealcrate_tests::Done::of(&mut copy).with_status(0);
    let home = format!("--home={}/app", shop.registry.host());
    let add = ["rewrap", &name, KEY, "--add=jwe:p384.pub.pem", &home];
    let done = shop.machine.succeed(&add);
    let told = done.lines("note: readers of the image: ");
    assert!(told.len() == 1 && told[0].contains("whose names nobody sealed"), "{}", done.said());
    assert_eq!(OWNER, "-r=jwe:ec.pub.pem");
}

#[test]
fn new_readers_are_told_where_keys_are_new() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    shop.push_several("2");
    for tag in ["1", "2"] {
        let name = shop.name(tag);
        let rewrap = ["rewrap", &name, KEY, "--reencrypt", "--add=jwe:ec.pub.pem", "--add", OTHER];
        let readers = |more: &[&str]| {
            let done = shop.machine.succeed(&[&rewrap[..], more].concat());
            let told = done.lines("note: readers of the image: ");
            let [told] = &told[..] else { panic!("{}", done.said()) };
            let mut readers: Vec<String> = told["note: readers of the image: ".len()..]
                .split(", ")
                .map(str::to_owned)
                .collect();
            readers.sort();
            let one = ["inspect", &name, KEY, "--platform=linux/amd64", "--output=json"];
            let seen = shop.machine.succeed(&one).json();
            let mut sealed: Vec<Value> = seen["record"]["readers"].as_array().unwrap().clone();
            sealed.sort_by_key(Value::to_string);
            assert_eq!(Value::from(readers.clone()), Value::from(sealed));
            readers
        };
        assert_eq!(readers(&[]).len(), 2);
        let three = readers(&["--new-pass-file=key"]);
        assert!(three.len() == 3 && three.iter().any(|it| it == "passphrase"), "{three:?}");
    }
}
