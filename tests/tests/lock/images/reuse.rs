//! Locking again: unchanged layers keep their payload, blob by blob, where the rules allow it.

use std::collections::BTreeSet;

use sealcrate_tests::{Done, EngineImage, Registry};
use serde_json::Value;

use crate::fixture::{Locksmith, PRIVATE};

/// Builds an image with a layer that stays, and one with `text`.
fn original<'w>(locksmith: &'w Locksmith, text: &str) -> EngineImage<'w> {
    let lines =
        format!("{PRIVATE}COPY kept /app/kept\nCOPY own /app/own\nCMD [\"cat\", \"/app/own\"]\n");
    locksmith.build(&lines, &[("kept", b"stays as it is"), ("own", text.as_bytes())])
}

fn lock(locksmith: &Locksmith, image: &EngineImage<'_>, to: &str, options: &[&str]) -> Done {
    let to = format!("docker://{to}");
    let done = locksmith.sealcrate(&[&["lock", image.name(), "--to", &to], options].concat());
    done.with_status(0)
}

/// The digests of an image's layers.
fn layers(registry: &Registry, tag: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&registry.manifest("app", tag).unwrap()).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// The digests of an image's layers without compression, as its config has them.
fn diff_ids_in_registry(registry: &Registry, tag: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&registry.manifest("app", tag).unwrap()).unwrap();
    let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    serde_json::from_value(config["rootfs"]["diff_ids"].clone()).unwrap()
}

/// Tells for each of the second image's layers whether the first image has it.
fn shared(registry: &Registry, first: &str, second: &str) -> Vec<bool> {
    let first: BTreeSet<String> = layers(registry, first).into_iter().collect();
    layers(registry, second).iter().map(|layer| first.contains(layer)).collect()
}

/// Two images whose upper private layer alone differs: the second is built on the first's lower part.
struct Pair<'w> {
    one: EngineImage<'w>,
    two: EngineImage<'w>,
}

impl<'w> Pair<'w> {
    fn new(locksmith: &'w Locksmith) -> Self {
        let base = original(locksmith, "below both");
        let on_base = |text: &str| {
            let dockerfile = format!("FROM {}\nCOPY own /app/own\n", base.name());
            let files = [("own", text.as_bytes())];
            locksmith.engine.build(sealcrate_tests::Builder::Classic, &dockerfile, &files)
        };
        Self { one: on_base("the first"), two: on_base("the second") }
    }
}

#[test]
fn unchanged_layers_are_the_same_blobs_under_a_passphrase() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    std::fs::write(locksmith.path("pass"), "a passphrase of some length").unwrap();
    std::fs::write(locksmith.path("other"), "another passphrase of length").unwrap();
    let pair = Pair::new(&locksmith);
    let app = |tag: &str| format!("{}/app:{tag}", registry.host());
    let under = |file: &'static str| ["--pass-file", file, "--work-factor=14"];
    let first = app("1");
    lock(&locksmith, &pair.one, &first, &under("pass"));
    let again = [&under("pass")[..], &["--cache-from", &first]].concat();
    lock(&locksmith, &pair.two, &app("2"), &again).does_not_say("used again");
    let count = layers(&registry, "2").len();
    let expected: Vec<bool> = (0..count).map(|place| place + 2 < count).collect();
    assert_eq!(shared(&registry, "1", "2"), expected);

    let locked = format!("docker://{}", app("2"));
    let name = format!("{}-back", pair.two.name());
    let _back = locksmith.engine.remove_on_drop(&name);
    let unlock = ["unlock", "--from", &locked, "--pass-file=pass", "-t", &name];
    locksmith.sealcrate(&unlock).with_status(0);
    assert_eq!(locksmith.engine.image_id(&name), locksmith.engine.image_id(pair.two.name()));

    // The old passphrase opens nothing of the new image.
    let other = [&under("other")[..], &["--cache-from", &first]].concat();
    let told = lock(&locksmith, &pair.two, &app("3"), &other);
    told.says(&format!("nothing of docker://{first} is used again: wrong key"));
    let clear: Vec<bool> = (0..count).map(|place| place + 4 < count).collect();
    assert_eq!(shared(&registry, "1", "3"), clear);
    // A missing image is no reason to end.
    let missing = app("missing");
    let first_time = [&under("pass")[..], &["--cache-from", &missing]].concat();
    lock(&locksmith, &pair.two, &app("4"), &first_time).says("is used again");
}

#[test]
fn layers_for_recipients_are_used_again_by_digest_and_for_all_of_them() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    let pair = Pair::new(&locksmith);
    let app = |tag: &str| format!("{}/app:{tag}", registry.host());
    let to = ["-r", locksmith.recipient(), "-i", "identity"];
    let made = locksmith.sealcrate(&["keygen", "-o", "other"]).with_status(0);
    drop(made);
    let text = std::fs::read_to_string(locksmith.path("other")).unwrap();
    let other = text.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let digest =
        |tag: &str| format!("{}/app@{}", registry.host(), registry.tag_digest("app", tag).unwrap());
    lock(&locksmith, &pair.one, &app("1"), &to[..2]);
    let count = layers(&registry, "1").len();
    let reused: Vec<bool> = (0..count).map(|place| place + 2 < count).collect();
    let clear: Vec<bool> = (0..count).map(|place| place + 4 < count).collect();

    let cached = |tag: &str, more: &[&str], from: &str| {
        lock(&locksmith, &pair.two, &app(tag), &[&to, more, &["--cache-from", from]].concat())
    };
    cached("by-name", &[], &app("1")).says("name the image by digest");
    assert_eq!(shared(&registry, "1", "by-name"), clear);
    cached("by-digest", &[], &digest("1")).does_not_say("used again");
    assert_eq!(shared(&registry, "1", "by-digest"), reused);
    // One more recipient may be added, but not removed again.
    cached("added", &["-r", other], &digest("1")).does_not_say("used again");
    assert_eq!(shared(&registry, "1", "added"), reused);
    cached("removed", &[], &digest("added")).says("recipients that the new image does not have");
    assert_eq!(shared(&registry, "added", "removed"), clear);

    // In the engine, an ID names one image alone, like a digest.
    let id = format!("{}-one", pair.one.name());
    let _in_engine = locksmith.engine.remove_on_drop(&id);
    locksmith
        .sealcrate(&["lock", pair.one.name(), "-t", &id, "-r", locksmith.recipient()])
        .with_status(0);
    let by_id = format!("docker-daemon:{}", locksmith.engine.image_id(&id));
    cached("by-id", &[], &by_id).does_not_say("used again");
}

#[test]
fn layers_of_a_registry_are_used_again_in_the_engine() {
    let locksmith = Locksmith::new();
    let (engine, registry) = (&locksmith.engine, Registry::plain());
    let pass = "a passphrase of some length";
    std::fs::write(locksmith.path("pass"), pass).unwrap();
    let pair = Pair::new(&locksmith);
    let app = format!("{}/app:1", registry.host());
    let under = ["--pass-file=pass", "--work-factor=14"];
    lock(&locksmith, &pair.one, &app, &under);
    let earlier = diff_ids_in_registry(&registry, "1");

    let into_engine = |name: &str, from: &str| {
        let into = ["lock", pair.two.name(), "-t", name, "--cache-from", from];
        locksmith
            .sealcrate(&[&into[..], &under].concat())
            .with_status(0)
            .does_not_say("used again");
        let layers = engine.run(&["image", "inspect", "-f", "{{json .RootFS.Layers}}", name]);
        serde_json::from_str::<Vec<String>>(&layers).unwrap()
    };
    let [first, second] = ["first", "second"]
        .map(|more| engine.remove_on_drop(&format!("{}-{more}", pair.two.name())));
    let made = into_engine(first.name(), &format!("docker://{app}"));
    let (kept, changed) = made.split_at(made.len() - 2);
    assert_eq!(kept, &earlier[..kept.len()], "payloads below the layer that was changed");
    assert!(made.len() == earlier.len() && changed.iter().all(|layer| !earlier.contains(layer)));
    // A name alone means an image in the engine, since the new image goes there.
    let again = into_engine(second.name(), first.name());
    assert_eq!(again[..again.len() - 1], made[..made.len() - 1], "all but the skeleton");

    let key = format!("SEALCRATE_KEY={pass}");
    let show = ["cat", "/app/kept", "/app/own"];
    for locked in [&first, &second] {
        let done = locksmith.run(locked.name(), &["-e", &key], &show).with_status(0);
        assert_eq!(done.stdout, "stays as it isthe second", "{}", done.said());
    }
}
