//! Images that were joined to an index after their encryption: nothing binds them to each other.

use sealcrate_tests::Done;
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, OTHER_KEY, Shop, children, children_mut, marked};

#[test]
fn children_that_were_joined_by_hand_are_told_of_until_they_are_sealed() {
    let shop = Shop::new();
    let each = shop.push_each();
    shop.join("1", &each);
    // A stranger's words come along with no image.
    let mut said = shop.manifest("1");
    let mut about = marked(shop.put_plain("unknown/unknown", "statement"), &each[0]);
    about["annotations"]["evil"] = "evil".into();
    children_mut(&mut said).push(about);
    children_mut(&mut said)[0]["annotations"] = json!({ "evil": "evil" });
    said["annotations"] = json!({ "evil": "evil" });
    shop.put("2", &said);
    // Nobody vouches for the attestation.
    shop.pull_fails(4, "2", &["--keep-attestations"]);
    let (_, back) = shop.pull("2", &["--keep-attestations", "--allow-unencrypted"]);
    let opened = back.json(&back.root());
    assert!(children(&opened).len() == 3 && !opened.to_string().contains("evil"), "{opened}");
    let home = format!("--home={}/app", shop.registry.host());
    let rewrap = ["rewrap", &shop.name("2"), KEY, "--add", OTHER, &home];
    shop.machine.fail(4, &[&rewrap[..], &["--keep-attestations"]].concat());
    shop.machine.succeed(&rewrap);
    assert!(!shop.manifest("2").to_string().contains("evil"));
    let (_, back) = shop.pull("2", &["--keep-attestations", "--require-binding=2"]);
    assert!(!back.json(&back.root()).to_string().contains("evil"));
    for more in [&[][..], &["--platform=linux/amd64"]] {
        let (done, _) = shop.pull("1", more);
        assert_eq!(done.lines("warning: nothing binds the images of this index").len(), 1);
        shop.pull("1", &[more, &["--require-binding"]].concat());
        shop.pull_fails(5, "1", &[more, &["--require-binding=2"]].concat());
    }
    let done = shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER]);
    let told = done.lines("note: sealed together: ");
    assert!(told.len() == 2 && told[0].contains("linux/amd64"), "{}", done.said());
    assert!(told[1].contains("linux/arm64"), "{}", done.said());
    for more in [&[][..], &["--platform=linux/arm64"]] {
        let (done, _) = shop.pull("1", &[more, &["--require-binding=2"]].concat());
        assert!(done.lines("warning: ").is_empty(), "{}", done.said());
    }
    let mut index = shop.manifest("1");
    children_mut(&mut index).swap(0, 1);
    shop.put("1", &index);
    shop.pull_fails(5, "1", &[]);
    let other = ["pull", &shop.name("1"), "--to=oci:back", OTHER_KEY];
    shop.fails(5, &other);
}

#[test]
fn new_keys_seal_what_was_joined_by_hand_as_well() {
    let shop = Shop::new();
    let each = shop.push_each();
    shop.join("1", &each);
    shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add=jwe:ec.pub.pem", "--reencrypt"]);
    shop.pull("1", &["--require-binding=2"]);
}

/// Encrypts the layout `image` to the owner with skopeo, puts it under a tag, and describes it for an index.
fn of_another_tool(shop: &Shop, tag: &str) -> Value {
    let mut copy = shop.machine.sandbox.command("skopeo");
    copy.args(["--insecure-policy", "copy", "--dest-tls-verify=false", "--encryption-key"]);
    copy.arg(format!("jwe:{}", shop.machine.path("ec.pub.pem").display()));
    let to = format!("docker://{}", shop.name(tag));
    Done::of(copy.args(["oci:image:latest", &to])).with_status(0);
    shop.described(tag, "linux/amd64")
}

#[test]
fn change_of_readers_seals_no_image_of_another_tool_and_says_so() {
    let shop = Shop::new();
    let [_, arm64] = shop.push_each();
    let mut theirs = of_another_tool(&shop, "theirs");
    let mut about = marked(shop.put_plain("unknown/unknown", "statement"), &theirs);
    about["annotations"]["evil"] = "evil".into();
    theirs["annotations"] = json!({ "evil": "evil" });
    shop.join("1", &[theirs, arm64, about]);
    let home = format!("--home={}/app", shop.registry.host());
    let warning = "warning: nothing binds the images of the index to each other";
    let done = shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER, &home]);
    assert_eq!(done.lines(warning).len(), 1, "{}", done.said());
    assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
    let index = shop.manifest("1");
    let platforms: Vec<&Value> =
        children(&index).iter().map(|child| &child["platform"]["architecture"]).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    assert!(!index.to_string().contains("evil"), "{index}");
    for key in [KEY, OTHER_KEY] {
        let _ = std::fs::remove_dir_all(shop.machine.path("back"));
        shop.machine.succeed(&["pull", &shop.name("1"), "--to=oci:back", key]);
    }
    shop.pull_fails(5, "1", &["--require-binding"]);
    // New keys seal them together.
    let anew = ["rewrap", &shop.name("1"), KEY, "--add=jwe:ec.pub.pem", "--reencrypt", &home];
    let done = shop.machine.succeed(&anew);
    assert!(done.lines(warning).is_empty(), "{}", done.said());
    shop.pull("1", &["--require-binding=2"]);
}
