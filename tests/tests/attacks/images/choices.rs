//! Choices: strangers decide neither which layers stay in clear, nor whether a reader takes an image in
//! clear.

use sealcrate_test_kit::{FaultProxy, Layout};
use sealcrate_tests::fixtures::{FAST, requests};
use serde_json::Value;

use crate::shop::{AGE, KEY, OTHER, OWNER, Shop};

#[test]
fn tag_of_a_base_does_not_decide_what_stays_in_clear() {
    let shop = Shop::new();
    let base = Layout::create(shop.machine.path("base"));
    base.name(&base.add_image("linux/amd64", &["public"], Value::Null));
    let base = shop.name("base");
    shop.machine.succeed(&["push", &base, "--from=oci:base", "--type=NONE"]);
    let (name, from) = (shop.name("1"), format!("docker://{base}"));
    let push = |base: &str| {
        let base = format!("--base={base}");
        shop.machine.run(&["push", &name, "--from=oci:image", OWNER, &base])
    };
    let done = push(&from).failed(2).says("its digest");
    assert!(done.stderr.contains("--base"), "{}", done.said());
    let copy = ["copy", "oci:image", "oci:back:it", OWNER, "--base", &from];
    shop.fails(2, &copy).says("its digest");
    assert_eq!(shop.registry.tags("app"), ["base"]);
    // A digest and a layout on this machine are safe to choose, and a note tells the choice.
    let at = format!("docker://{}@{}", base, shop.registry.tag_digest("app", "base").unwrap());
    for base in [&*at, "oci:base"] {
        let done = push(base).with_status(0);
        assert_eq!(done.lines("note: layers of the base stay in clear: 1 of 2").len(), 1);
    }
}

#[test]
fn layer_that_was_private_is_not_pushed_in_clear() {
    for format in [&[OWNER][..], &["--pass-file=key", FAST]] {
        let shop = Shop::new();
        let name = shop.name("1");
        let push = ["push", &name, "--from=oci:image"];
        let private = [&push[..], format, &["--encrypt-layer=1"]].concat();
        let other = [&push[..], format, &["--encrypt-layer=0"]].concat();
        let clear = [&push[..], &["--type=NONE"]].concat();
        shop.machine.succeed(&private);
        let before = shop.registry.tag_digest("app", "1");
        let blobs = shop.registry.blobs().len();
        let refused = |arguments: &[&str]| {
            shop.machine.fail(2, arguments).says("layer 1").says("--allow-exposing");
            assert_eq!(shop.registry.tag_digest("app", "1"), before);
        };
        refused(&other);
        refused(&clear);
        // Another repository is no better, nor is another image that contains the layer.
        let elsewhere = shop.name_of("elsewhere", "1");
        refused(&["push", &elsewhere, "--from=oci:image", "--type=NONE"]);
        assert!(shop.registry.tags("elsewhere").is_empty());
        // Another machine knows the private layer from the image at the target.
        shop.machine.succeed(&["cache", "purge"]);
        refused(&other);
        if format.len() == 1 {
            refused(&clear);
        }
        assert!(shop.registry.blobs().len() <= blobs + 1, "layers were sent before the refusal");
        shop.machine.succeed(&[&other[..], &["--allow-exposing"]].concat());
    }
}

#[test]
fn private_layer_of_an_index_is_not_pushed_in_clear() {
    let shop = Shop::new();
    shop.push_several("1");
    let before = shop.registry.tag_digest("app", "1");
    let (name, elsewhere) = (shop.name("1"), shop.name("2"));
    for (name, more) in [
        (&name, &["--type=NONE"][..]),
        (&elsewhere, &["--type=NONE"]),
        (&elsewhere, &["--encrypt-layer=0", OWNER]),
    ] {
        let push = [&["push", name, "--from=oci:several"], more].concat();
        shop.machine.fail(2, &push).says("layer 1").says("--allow-exposing");
        assert_eq!(shop.registry.tag_digest("app", "1"), before);
        assert_eq!(shop.registry.tags("app"), ["1"]);
    }
    shop.machine.succeed(&["cache", "purge"]);
    let push = ["push", &name, "--from=oci:several", "--type=NONE"];
    shop.machine.fail(2, &push).says("layer 1");
    shop.machine.succeed(&[&push[..], &["--allow-exposing"]].concat());
}

#[test]
fn copy_puts_no_layer_in_clear_that_is_known_as_private() {
    for (format, to) in
        [(&[OWNER][..], &[OWNER][..]), (&["--pass-file=key", FAST], &["--new-pass-file=key", FAST])]
    {
        let shop = Shop::new();
        shop.several();
        for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
            let push = ["push", &shop.name(tag), "--from", from, "--encrypt-layer=1"];
            shop.machine.succeed(&[&push[..], format].concat());
        }
        let before = ["1", "2"].map(|tag| shop.registry.tag_digest("app", tag));
        // The new image is for the same readers, and encrypts another layer.
        let copy = |from: &str, name: &str, more: &[&str]| {
            let name = format!("docker://{name}");
            let copy = ["copy", from, &name, "--encrypt-layer=0"];
            shop.machine.run(&[&copy[..], to, more].concat())
        };
        let refused = |from: &str, name: &str| {
            copy(from, name, &[]).failed(2).says("layer 1\n").says("--allow-exposing");
            assert_eq!(["1", "2"].map(|tag| shop.registry.tag_digest("app", tag)), before);
        };
        let elsewhere = |tag: &str| shop.name_of(&format!("elsewhere-{tag}"), "1");
        for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
            // This machine's record knows the private layer at any target.
            refused(from, &elsewhere(tag));
            assert!(shop.registry.tags(&format!("elsewhere-{tag}")).is_empty());
            refused(from, &shop.name(tag));
        }
        // Another machine knows the private layer from the image at the target.
        shop.machine.succeed(&["cache", "purge"]);
        for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
            refused(from, &shop.name(tag));
            copy(from, &elsewhere(tag), &[]).with_status(0);
        }
        for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
            copy(from, &shop.name(tag), &["--allow-exposing"]).with_status(0);
        }
    }
}

#[test]
fn push_without_a_cache_knows_private_layers_by_the_passphrase() {
    let shop = Shop::new();
    shop.several();
    for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
        let (name, from) = (shop.name(tag), format!("--from={from}"));
        let push = ["push", &name, &from, "--pass-file=key", FAST];
        shop.machine.succeed(&[&push[..], &["--encrypt-layer=1"]].concat());
        // Only the image at the target shows the private layer.
        shop.machine.succeed(&["cache", "purge"]);
        let before = shop.registry.tag_digest("app", tag);
        let other = [&push[..], &["--no-cache", "--encrypt-layer=0"]].concat();
        shop.machine.fail(2, &other).says("layer 1\n").says("--allow-exposing");
        assert_eq!(shop.registry.tag_digest("app", tag), before);
        // Another passphrase opens nothing there.
        let to = ["push", &name, &from, "--pass-file=other-key", FAST, "--no-cache"];
        shop.machine.succeed(&[&to[..], &["--encrypt-layer=1"]].concat());
        shop.machine.succeed(&other);
    }
}

#[test]
fn dry_run_refuses_what_a_push_would() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let elsewhere = shop.name_of("elsewhere", "1");
    let dry = ["push", &elsewhere, "--from=oci:image", "--dry-run"];
    for more in [&["--type=NONE"][..], &["--encrypt-layer=0", OWNER], &["--encrypt-layer=0"]] {
        let dry = [&dry[..], more].concat();
        let done = shop.machine.fail(2, &dry).says("layer 1\n").says("--allow-exposing");
        assert!(done.stdout.is_empty(), "{}", done.said());
        shop.machine.succeed(&[&dry[..], &["--allow-exposing"]].concat());
    }
    shop.push_several("2");
    let several = ["push", &elsewhere, "--from=oci:several", "--dry-run", "--type=NONE"];
    shop.machine.fail(2, &several).says("layer 1\n");
    shop.machine.succeed(&[&dry[..], &["--encrypt-layer=1", OWNER]].concat());
    // A dry run asks this machine's record and nothing else.
    shop.machine.succeed(&["cache", "purge"]);
    shop.machine.succeed(&[&dry[..], &["--type=NONE"]].concat());
}

#[test]
fn locked_image_shows_no_layer_that_is_known_as_private() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    shop.push_several("2");
    let before = ["1", "2"].map(|tag| shop.registry.tag_digest("app", tag));
    let lock = |from: &str, to: &str, more: &[&str]| {
        let to = format!("--to=docker://{to}");
        let lock = ["lock", "--from", from, &to, "--encrypt-layer=0", AGE];
        shop.machine.run(&[&lock[..], more].concat())
    };
    let refused = |from: &str, to: &str| {
        lock(from, to, &[]).failed(2).says("layer 1\n").says("--allow-exposing");
    };
    let elsewhere = shop.name_of("elsewhere", "1");
    for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
        refused(from, &elsewhere);
        refused(from, &shop.name(tag));
    }
    // Another machine knows the private layer from the image at the target.
    shop.machine.succeed(&["cache", "purge"]);
    for (tag, from) in [("1", "oci:image"), ("2", "oci:several")] {
        refused(from, &shop.name(tag));
    }
    assert!(shop.registry.tags("elsewhere").is_empty());
    assert_eq!(["1", "2"].map(|tag| shop.registry.tag_digest("app", tag)), before);
    lock("oci:image", &elsewhere, &[]).with_status(0);
    lock("oci:image", &shop.name("1"), &["--allow-exposing"]).with_status(0);
}

#[test]
fn demand_that_no_key_can_meet_is_a_mistake() {
    let shop = Shop::new();
    shop.push_several("1");
    shop.push("image", "2", &[]);
    shop.machine.succeed(&["copy", "oci:several", &format!("docker://{}", shop.name("plain"))]);
    for tag in ["1", "2", "plain"] {
        let (name, from) = (shop.name(tag), format!("docker://{}", shop.name(tag)));
        for demand in ["--require-binding", "--require-binding=2"] {
            let mut commands = vec![
                vec!["copy", &from, "oci:back:it", demand],
                vec!["copy", &from, "oci:back:it", demand, "--all-layers", OWNER],
            ];
            if tag == "plain" {
                let pull = vec!["pull", &name, "--to=oci:back", "--allow-unencrypted", demand];
                commands.push([&pull[..], &["--platform=linux/amd64"]].concat());
                commands.push(pull);
            }
            for command in commands {
                shop.fails(2, &command).says("--require-binding");
            }
        }
    }
}

#[test]
fn encrypting_anew_exposes_nothing_that_was_private() {
    let shop = Shop::new();
    let layout = Layout::create(shop.machine.path("image"));
    layout.name(&layout.add_image("linux/amd64", &["public", "one", "two"], Value::Null));
    let name = shop.name("1");
    let from = format!("docker://{name}");
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--encrypt-layer=2"];
    shop.machine.succeed(&[&push[..], &[OWNER]].concat());
    let copy = ["copy", &from, "oci:back:it", KEY, "-r", OTHER];
    for (more, exposed) in
        [(&["--encrypt-layer=2"][..], "layer 1\n"), (&["--encrypt-layer=0"], "layer 1, layer 2\n")]
    {
        let copy = [&copy[..], more].concat();
        shop.fails(2, &copy).says(exposed).says("--allow-exposing");
        shop.machine.succeed(&[&copy[..], &["--allow-exposing"]].concat());
    }
    // Without a choice, private layers stay private.
    let _ = std::fs::remove_dir_all(shop.machine.path("back"));
    shop.machine.succeed(&copy);
    let back = Layout::open(shop.machine.path("back"));
    let types = back.json(&back.root())["layers"].to_string();
    assert_eq!(types.matches("+encrypted").count(), 2, "{types}");
    // From a format that encrypts the config to one that does not.
    shop.machine.succeed(&[&push[..], &["--pass-file=key", FAST]].concat());
    let copy = ["copy", &from, "oci:back:it", "--pass-file=key", "-r", OTHER];
    shop.fails(2, &copy).says("the config\n").says("--allow-exposing");
    shop.fails(2, &[&copy[..], &["--encrypt-layer=1"]].concat()).says("the config, layer 2\n");
    shop.machine.succeed(&[&copy[..], &["--allow-exposing"]].concat());
}

#[test]
fn encrypting_an_index_anew_exposes_nothing_that_was_private() {
    let shop = Shop::new();
    shop.push_several("1");
    let from = format!("docker://{}", shop.name("1"));
    let copy = ["copy", &from, "oci:back:it", KEY, "-r", OTHER];
    shop.fails(2, &[&copy[..], &["--encrypt-layer=0"]].concat()).says("layer 1");
    shop.fails(2, &[&copy[..], &["--encrypt-layer=0", "--platform=linux/arm64"]].concat());
    shop.machine.succeed(&copy);
}

#[test]
fn plain_image_is_not_pulled_where_a_key_would_have_been_asked_for() {
    let shop = Shop::new();
    shop.push_several("2");
    let locked = shop.name("locked");
    let lock = ["lock", "--from=oci:image", "--to", &format!("docker://{locked}")];
    shop.machine.succeed(&["keygen", "-o", "mine"]);
    let mine = std::fs::read_to_string(shop.machine.path("mine")).unwrap();
    let mine =
        mine.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    shop.machine.succeed(&[&lock[..], &["--encrypt-layer=1", "-r", &mine]].concat());
    for (from, tag) in [("oci:image", "1"), ("oci:several", "2")] {
        let push = ["push", &shop.name(tag), &format!("--from={from}"), "--type=NONE"];
        shop.machine.succeed(&[&push[..], &["--allow-exposing"]].concat());
    }
    let proxy = FaultProxy::start(shop.registry.host(), Vec::new());
    for (tag, says) in
        [("1", "--allow-unencrypted"), ("2", "--allow-unencrypted"), ("locked", "docker pull")]
    {
        let name = format!("{}/app:{tag}", proxy.host());
        for more in [&[][..], &["--platform=linux/amd64"]] {
            let pull = [&["pull", &name, "--to=oci:back"], more].concat();
            shop.fails(4, &pull).says(says);
        }
        let archive = ["pull", &name, "--to=docker-archive:back.tar", "--platform=linux/amd64"];
        shop.fails(4, &archive).says(says);
        assert!(!shop.machine.path("back.tar").exists());
    }
    // Configs alone were read: of three images, one of them an index of two.
    let layers: Vec<String> = ["1", "locked"]
        .iter()
        .flat_map(|tag| shop.manifest(tag)["layers"].as_array().unwrap().clone())
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect();
    let asked = requests(&proxy, "GET", "/blobs/");
    assert!(!asked.is_empty());
    for request in asked {
        let target = request.head.target();
        assert!(!layers.iter().any(|layer| target.contains(&**layer)), "{target}");
    }
    for tag in ["1", "2"] {
        let name = format!("{}/app:{tag}", proxy.host());
        let to = format!("--to=oci:plain-{tag}");
        shop.machine.succeed(&["pull", &name, &to, "--allow-unencrypted"]);
        let to = format!("oci:copy-{tag}");
        shop.machine.succeed(&["copy", &format!("docker://{name}"), &to]);
    }
}
