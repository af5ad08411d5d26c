//! Tampering with the content of a registry: every change is refused with the code that fits it,
//! and leaves nothing in engine, layout and temporary folder.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_test_kit::{Tripwire, digest_of};
use sealcrate_tests::fixtures::{
    Pushed, Target, TestImage, failed, image_of, random_bytes, run, succeeded, tar_of,
};
use serde_json::{Value, json};

/// The length of a layer whose ciphertext has three packages.
const THREE_PACKAGES: usize = 150_000;
const PACKAGE: usize = 16 + 65_536 + 16;

const WRONG_KEY: &[i32] = &[3];
const UNENCRYPTED: &[i32] = &[4];
const DAMAGED: &[i32] = &[5];

fn pushed(length: usize) -> Pushed {
    Pushed::new(image_of(length))
}

/// The targets for which a test pulls a changed image.
#[derive(Clone, Copy)]
enum Targets {
    /// All targets, for a change that shows only when layers are on their way into them.
    All,
    /// A layout alone, for a change that shows before there is a target.
    Layout,
}

fn assert_fails(pushed: &Pushed, name: &str, targets: Targets, codes: &[i32]) {
    let targets = match targets {
        Targets::All => pushed.machine.targets(),
        Targets::Layout => vec![pushed.machine.layout_target()],
    };
    for target in &targets {
        pushed.machine.assert_pull_fails(&pushed.image, name, target, codes);
    }
}

/// Serves the manifest after a change, and holds that pulls fail.
fn assert_refused_by(
    targets: Targets,
    pushed: &Pushed,
    codes: &[i32],
    change: impl FnOnce(&mut Value),
) {
    let original = pushed.manifest();
    let mut manifest = original.clone();
    change(&mut manifest);
    assert_ne!(manifest, original, "nothing was changed");
    let dishonest = pushed.serving(manifest.to_string().as_bytes());
    assert_fails(pushed, &format!("{}/app:1", dishonest.host()), targets, codes);
}

/// Holds that a change is refused before there is a target.
fn assert_refused(pushed: &Pushed, codes: &[i32], change: impl FnOnce(&mut Value)) {
    assert_refused_by(Targets::Layout, pushed, codes, change);
}

/// Holds that a change to layers is refused.
fn assert_layers_refused(pushed: &Pushed, change: impl FnOnce(&mut Value)) {
    assert_refused_by(Targets::All, pushed, DAMAGED, change);
}

/// Serves other bytes as the blob of a descriptor, and makes the descriptor name them.
fn with_blob(pushed: &Pushed, descriptor: &mut Value, bytes: &[u8]) {
    descriptor["digest"] = pushed.add_blob(bytes).into();
    descriptor["size"] = bytes.len().into();
}

fn blob_of(pushed: &Pushed, descriptor: &Value) -> Vec<u8> {
    pushed.blob(descriptor["digest"].as_str().expect("it is a descriptor"))
}

fn assert_still_whole(pushed: &Pushed) {
    assert_whole(pushed, &pushed.name());
}

fn assert_whole(pushed: &Pushed, name: &str) {
    for target in pushed.machine.targets() {
        succeeded(&run(&mut pushed.machine.pull_into(name, &target)));
        pushed.machine.assert_has(&pushed.image, &target);
    }
}

#[test]
fn every_region_of_every_blob_is_checked_against_its_digest() {
    let pushed = pushed(40_000);
    for digest in [pushed.config(), pushed.layer(0), pushed.layer(1)] {
        let original = pushed.blob(&digest);
        for at in (0..original.len()).step_by(original.len() / 7) {
            let mut bytes = original.clone();
            bytes[at] ^= 1;
            pushed.registry.replace_blob(&digest, &bytes);
            assert_fails(&pushed, &pushed.name(), Targets::Layout, DAMAGED);
        }
        for bytes in [&original[..original.len() - 1], &[&original[..], b"x"].concat(), b""] {
            pushed.registry.replace_blob(&digest, bytes);
            // The registry may notice a blob without any bytes by itself.
            let codes: &[i32] = if bytes.is_empty() { &[1, 5] } else { DAMAGED };
            assert_fails(&pushed, &pushed.name(), Targets::All, codes);
        }
        pushed.registry.replace_blob(&digest, &original);
    }
    assert_still_whole(&pushed);
}

#[test]
fn every_part_of_a_layers_ciphertext_is_authenticated() {
    let pushed = pushed(THREE_PACKAGES);
    let original = pushed.blob(&pushed.layer(1));
    assert!(original.len() > 2 * PACKAGE && original.len() < 3 * PACKAGE);
    // Version, cipher, length, nonce, ciphertext and tag of the first, second and last package.
    let parts = [0, 1, 2, 3, 4, 5, 12, 15, 16, 5000, PACKAGE - 16, PACKAGE - 1];
    let places = parts
        .into_iter()
        .flat_map(|part| [part, PACKAGE + part])
        .chain([0, 1, 2, 3, 4, 15, 16].map(|part| 2 * PACKAGE + part))
        .chain([original.len() - 16, original.len() - 1]);
    for at in places {
        let mut bytes = original.clone();
        bytes[at] ^= 0x80;
        assert_refused(&pushed, DAMAGED, |manifest| {
            with_blob(&pushed, &mut manifest["layers"][1], &bytes);
        });
    }
    assert_still_whole(&pushed);
}

#[test]
fn packages_cannot_be_dropped_repeated_or_swapped() {
    let pushed = pushed(THREE_PACKAGES);
    let blob = pushed.blob(&pushed.layer(1));
    let (first, second, last) =
        (&blob[..PACKAGE], &blob[PACKAGE..2 * PACKAGE], &blob[2 * PACKAGE..]);
    for parts in [
        vec![first, second],
        vec![first, last],
        vec![second, last],
        vec![last],
        vec![second, first, last],
        vec![first, first, second, last],
        vec![first, second, last, last],
        vec![first, second, last, b"x"],
        vec![first, second, &last[..last.len() - 1]],
        vec![first, second, &last[..20]],
    ] {
        let bytes = parts.concat();
        assert_layers_refused(&pushed, |manifest| {
            with_blob(&pushed, &mut manifest["layers"][1], &bytes);
        });
    }
}

#[test]
fn key_data_of_the_config_is_checked_first() {
    let pushed = pushed(1000);
    let other = STANDARD.encode(random_bytes(12));
    let other_salt = STANDARD.encode(random_bytes(16));
    let other_key = STANDARD.encode(random_bytes(48));
    for (member, value, codes) in [
        ("nonce", json!(other), WRONG_KEY),
        ("salt", json!(other_salt), WRONG_KEY),
        ("key", json!(other_key), WRONG_KEY),
        ("iters", json!(100_001), WRONG_KEY),
        ("iters", json!(0), DAMAGED),
        ("iters", json!(10_000_001), DAMAGED),
        ("iters", json!(u64::MAX), DAMAGED),
        ("iters", json!(-1), DAMAGED),
        ("algos", json!("PBKDF2-AES128-GCM"), DAMAGED),
        ("algos", json!("NONE"), DAMAGED),
        ("version", json!(1), DAMAGED),
        ("nonce", json!(""), DAMAGED),
        ("salt", json!(STANDARD.encode(random_bytes(15))), DAMAGED),
        ("key", json!("?"), DAMAGED),
        ("key", Value::Null, DAMAGED),
    ] {
        assert_refused(&pushed, codes, |manifest| manifest["config"]["crypto"][member] = value);
    }
}

#[test]
fn key_data_of_a_layer_is_checked() {
    let pushed = pushed(1000);
    for (member, value) in [
        ("nonce", json!(STANDARD.encode(random_bytes(12)))),
        ("salt", json!(STANDARD.encode(random_bytes(16)))),
        ("key", json!(STANDARD.encode(random_bytes(48)))),
        ("iters", json!(100_001)),
        ("iters", json!(20_000_001)),
        ("algos", json!("NONE")),
        ("version", json!(7)),
    ] {
        assert_refused(&pushed, DAMAGED, |manifest| {
            manifest["layers"][1]["crypto"][member] = value;
        });
    }
    assert_refused(&pushed, DAMAGED, |manifest| {
        manifest["layers"][1]["crypto"] = manifest["layers"][0]["crypto"].clone();
    });
    assert_refused(&pushed, DAMAGED, |manifest| {
        manifest["layers"][1]["crypto"] = manifest["config"]["crypto"].clone();
    });
}

#[test]
fn key_derivations_of_absurd_cost_are_not_run() {
    let pushed = pushed(1000);
    let begun = std::time::Instant::now();
    assert_refused(&pushed, DAMAGED, |manifest| {
        for layer in manifest["layers"].as_array_mut().unwrap() {
            layer["crypto"]["iters"] = json!(9_999_999_999_u64);
        }
    });
    // A derivation of that cost would take a hundred times longer.
    assert!(begun.elapsed().as_secs() < 30);
}

#[test]
fn descriptors_that_do_not_fit_their_blobs_are_refused() {
    let pushed = pushed(1000);
    // The config names the blobs of the layers, before the client asks for any.
    for (place, absent) in [("/config", &[1][..]), ("/layers/0", DAMAGED)] {
        for by in [-1_i64, 1] {
            assert_refused(&pushed, DAMAGED, |manifest| {
                let size = &mut manifest.pointer_mut(place).unwrap()["size"];
                *size = (size.as_i64().unwrap() + by).into();
            });
        }
        let missing = digest_of(b"what nobody has uploaded");
        assert_refused(&pushed, absent, |manifest| {
            manifest.pointer_mut(place).unwrap()["digest"] = missing.clone().into();
        });
        for value in [json!("sha256:0"), json!("md5:00"), json!(7), Value::Null] {
            assert_refused(&pushed, DAMAGED, |manifest| {
                manifest.pointer_mut(place).unwrap()["digest"] = value;
            });
        }
        for value in [json!(-1), json!(u64::MAX), json!("1")] {
            assert_refused(&pushed, DAMAGED, |manifest| {
                manifest.pointer_mut(place).unwrap()["size"] = value;
            });
        }
    }
}

#[test]
fn an_encrypted_image_cannot_be_passed_off_as_a_plain_one() {
    let pushed = pushed(1000);
    let strip = |descriptor: &mut Value| {
        descriptor.as_object_mut().unwrap().remove("crypto").unwrap();
    };
    assert_refused(&pushed, UNENCRYPTED, |manifest| strip(&mut manifest["config"]));
    assert_refused(&pushed, UNENCRYPTED, |manifest| {
        strip(&mut manifest["config"]);
        manifest["layers"].as_array_mut().unwrap().iter_mut().for_each(strip);
    });
    // The config is proven, and the layer is not the one that it names.
    assert_refused(&pushed, DAMAGED, |manifest| strip(&mut manifest["layers"][0]));
}

#[test]
fn a_plain_image_in_the_place_of_an_encrypted_one_is_refused() {
    let pushed = pushed(1000);
    let tar = tar_of("evil", b"evil");
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [digest_of(&tar)] },
    });
    assert_refused(&pushed, UNENCRYPTED, |manifest| {
        let mut layer = json!({ "mediaType": "application/vnd.docker.image.rootfs.diff.tar" });
        with_blob(&pushed, &mut layer, &tar);
        let mut described =
            json!({ "mediaType": "application/vnd.docker.container.image.v1+json" });
        with_blob(&pushed, &mut described, config.to_string().as_bytes());
        manifest["layers"] = json!([layer]);
        manifest["config"] = described;
    });
}

#[test]
fn layers_cannot_be_swapped_dropped_added_or_replaced() {
    let pushed = pushed(1000);
    let layers = |manifest: &mut Value| manifest["layers"].as_array().unwrap().clone();
    assert_layers_refused(&pushed, |manifest| {
        let [low, high] = &layers(manifest)[..] else { panic!("two layers") };
        manifest["layers"] = json!([high, low]);
    });
    assert_layers_refused(&pushed, |manifest| {
        manifest["layers"] = json!([layers(manifest)[0]]);
    });
    assert_layers_refused(&pushed, |manifest| manifest["layers"] = json!([]));
    assert_layers_refused(&pushed, |manifest| {
        let low = layers(manifest)[0].clone();
        manifest["layers"].as_array_mut().unwrap().push(low);
    });
    assert_layers_refused(&pushed, |manifest| {
        let low = layers(manifest)[0].clone();
        manifest["layers"] = json!([low, low]);
    });
    assert_layers_refused(&pushed, |manifest| {
        let mut layer = json!({ "mediaType": "application/vnd.docker.image.rootfs.diff.tar" });
        with_blob(&pushed, &mut layer, &tar_of("evil", b"evil"));
        manifest["layers"][1] = layer;
    });
    assert_still_whole(&pushed);
}

#[test]
fn a_layer_in_clear_is_authenticated_as_well() {
    let image = image_of(1000);
    let pushed = Pushed::new_with(image, &["--encrypt-layer", "1"]);
    assert!(pushed.manifest()["layers"][0]["crypto"].is_null());
    assert_still_whole(&pushed);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar_of("low", b"other content")).unwrap();
    let other = gzip.finish().unwrap();
    assert_layers_refused(&pushed, |manifest| {
        with_blob(&pushed, &mut manifest["layers"][0], &other);
    });
    // A whole gzip member after the layer's own.
    let mut longer = blob_of(&pushed, &pushed.manifest()["layers"][0]);
    longer.extend_from_slice(&other);
    assert_layers_refused(&pushed, |manifest| {
        with_blob(&pushed, &mut manifest["layers"][0], &longer);
    });
}

#[test]
fn layers_of_another_image_under_the_same_passphrase_do_not_fit() {
    let pushed = pushed(1000);
    let other = TestImage::of(&[("low", b"other"), ("high", b"other")]);
    let name = format!("{}/app:2", pushed.registry.host());
    succeeded(&run(&mut pushed.machine.push(&other, &name)));
    let manifest: Value =
        serde_json::from_slice(&pushed.registry.manifest("app", "2").unwrap()).unwrap();
    assert_layers_refused(&pushed, |ours| ours["layers"][1] = manifest["layers"][1].clone());
    // The other config, whole, with our layers.
    assert_layers_refused(&pushed, |ours| ours["config"] = manifest["config"].clone());
}

#[test]
fn members_of_the_config_are_authenticated() {
    let pushed = pushed(1000);
    let config: Value = serde_json::from_slice(&pushed.blob(&pushed.config())).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        let bytes = config.to_string();
        assert_refused(&pushed, DAMAGED, |manifest| {
            with_blob(&pushed, &mut manifest["config"], bytes.as_bytes());
        });
    };
    changed(&|config| config["os"] = "windows".into());
    changed(&|config| config["architecture"] = "riscv64".into());
    changed(&|config| config["created"] = "1970-01-01T00:00:00Z".into());
    changed(&|config| config["author"] = "somebody".into());
    changed(&|config| config["config"] = json!({ "Cmd": ["/evil"] }));
    changed(&|config| config["rootfs"] = json!({ "type": "layers", "diff_ids": [] }));
    changed(&|config| drop(config.as_object_mut().unwrap().remove("created")));
    changed(&|config| drop(config.as_object_mut().unwrap().remove("enc")));
    let sealed = URL_SAFE.decode(config["enc"].as_str().unwrap()).unwrap();
    for at in [0, sealed.len() / 2, sealed.len() - 16, sealed.len() - 1] {
        let mut sealed = sealed.clone();
        sealed[at] ^= 1;
        changed(&|config| config["enc"] = URL_SAFE.encode(&sealed).into());
    }
    changed(&|config| config["enc"] = URL_SAFE.encode(&sealed[..sealed.len() - 1]).into());
    changed(&|config| config["enc"] = "".into());
    changed(&|config| *config = json!([]));
}

#[test]
fn key_data_in_urls_is_as_strict_and_no_url_is_fetched() {
    let pushed = Pushed::new_with(image_of(1000), &["--all-layers", "--compat"]);
    assert_still_whole(&pushed);
    let url = pushed.manifest()["layers"][0]["urls"][0].as_str().unwrap().to_owned();
    for (from, to, codes) in [
        ("version=0", "version=1", DAMAGED),
        ("algos=PBKDF2", "algos=MD5", DAMAGED),
        ("iters=100000", "iters=100001", DAMAGED),
        ("iters=100000", "iters=x", DAMAGED),
        ("nonce=", "nonce=A", DAMAGED),
        ("salt=", "pepper=", DAMAGED),
        ("key=", "key=A&key=", DAMAGED),
        ("crypto.senetas.com", "example.com", DAMAGED),
    ] {
        let changed = url.replacen(from, to, 1);
        assert_refused(&pushed, codes, |manifest| {
            manifest["layers"][0]["urls"] = json!([changed]);
        });
    }
    assert_refused(&pushed, DAMAGED, |manifest| manifest["layers"][0]["urls"] = json!([url, url]));
    let member = json!({});
    assert_refused(&pushed, DAMAGED, |manifest| manifest["layers"][0]["crypto"] = member);

    let tripwire = Tripwire::new();
    let elsewhere = format!("http://{}/blob", tripwire.host());
    let mut manifest = pushed.manifest();
    manifest["layers"][0]["urls"] = json!([elsewhere, url]);
    let behind = pushed.serving(manifest.to_string().as_bytes());
    assert_whole(&pushed, &format!("{}/app:1", behind.host()));
    assert!(!tripwire.was_touched(), "the URL was fetched");
}

/// Changes bytes at random places. A pull either fails and leaves nothing, or the change does not
/// matter, and the very same image comes.
#[test]
fn random_changes_are_refused_or_without_effect() {
    const CASES: usize = 60;
    let pushed = pushed(1500);
    let manifest = pushed.blob(&pushed.manifest_digest());
    let mut refused = 0;
    for case in random_bytes(CASES * 3).chunks(3) {
        let mut bytes = manifest.clone();
        let at = usize::from(u16::from_le_bytes([case[0], case[1]])) % bytes.len();
        let mask = case[2].max(1);
        bytes[at] ^= mask;
        let what = format!("byte {at} of the manifest ^ {mask:#x}");
        let dishonest = pushed.serving(&bytes);
        let target = pushed.machine.layout_target();
        let name = format!("{}/app:1", dishonest.host());
        let output = run(&mut pushed.machine.pull_into(&name, &target));
        if output.status.success() {
            pushed.machine.assert_has(&pushed.image, &target);
        } else {
            // A missing blob of an unknown digest proves no damage.
            let said = String::from_utf8_lossy(&output.stderr);
            let codes: &[i32] = if said.contains("answered with status 404")
                || said.contains("is not in the registry")
            {
                &[1]
            } else {
                &[3, 4, 5]
            };
            assert!(
                output.status.code().is_some_and(|code| codes.contains(&code)),
                "{what}: {said}"
            );
            pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
            refused += 1;
        }
    }
    assert!(refused > CASES / 2, "{refused} of {CASES} changes were refused");
}

#[test]
fn a_layout_that_was_there_stays_as_it_was() {
    let pushed = pushed(1000);
    let target = pushed.machine.layout_target();
    let other = TestImage::of(&[("low", &random_bytes(9))]);
    let name = format!("{}/app:2", pushed.registry.host());
    succeeded(&run(&mut pushed.machine.push(&other, &name)));
    succeeded(&run(&mut pushed.machine.pull_into(&name, &target)));
    let Target::Layout(folder) = &target else { panic!("the second target is a layout") };
    let before = files_of(folder);
    let layer = pushed.layer(1);
    pushed.registry.replace_blob(&layer, &random_bytes(pushed.blob(&layer).len()));
    let mut pull = pushed.machine.pull(&pushed.name());
    pull.arg("--to").arg(format!("oci:{}:other", folder.display()));
    failed(&run(&mut pull), DAMAGED);
    assert_eq!(files_of(folder), before);
}

/// Names and digests of the files in a layout.
fn files_of(folder: &std::path::Path) -> Vec<(std::path::PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the layout can be read") {
        let path = entry.expect("the layout can be read").path();
        if path.is_dir() {
            found.extend(files_of(&path));
        } else {
            let digest = digest_of(&std::fs::read(&path).expect("the layout can be read"));
            found.push((path, digest));
        }
    }
    found.sort();
    found
}
