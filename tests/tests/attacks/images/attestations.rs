//! Attestations: they follow the image that they are about, and no word that a stranger wrote beside them
//! comes along.

use sealcrate_test_kit::{Layout, digest_of};
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, Shop, children, children_mut, marked};

#[test]
fn attestations_that_are_kept_are_about_the_right_image_on_both_sides() {
    let shop = Shop::new();
    let layout = shop.push_several("1");
    let plain = layout.json(&layout.root());
    let [amd, arm] = children(&plain) else { panic!("two children") };
    let about = |text: &str, of: &Value| {
        marked(layout.add_image("unknown/unknown", &[text], Value::Null), of)
    };
    let (of_arm, of_amd) = (about("of arm", arm), about("of amd", amd));
    layout.name(&layout.add_index(&[amd.clone(), of_arm, arm.clone(), of_amd]));
    let names = |index: &Value| {
        let all = children(index);
        for (attestation, image) in [(1, 2), (3, 0)] {
            let of = &all[attestation]["annotations"]["vnd.docker.reference.digest"];
            assert_eq!(*of, all[image]["digest"]);
            let unknown = json!({ "os": "unknown", "architecture": "unknown" });
            assert_eq!(all[attestation]["platform"], unknown);
        }
    };
    shop.push("several", "1", &["--keep-attestations", "--keep-history"]);
    let index = shop.manifest("1");
    names(&index);
    let (_, back) = shop.pull("1", &["--keep-attestations", "--require-binding=2"]);
    let opened = back.json(&back.root());
    names(&opened);
    assert_eq!(children(&opened), children(&layout.json(&layout.root())));
    shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER, "--keep-attestations"]);
    names(&shop.manifest("1"));
    // Without the option they are dropped, here and in the table.
    let (done, back) = shop.pull("1", &[]);
    assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
    assert_eq!(children(&back.json(&back.root())).len(), 2);
    // Words that a stranger writes beside an attestation stay behind.
    let honest = shop.manifest("1");
    let mut changed = honest;
    children_mut(&mut changed)[1]["urls"] = json!(["http://127.0.0.1:1/evil"]);
    children_mut(&mut changed)[1]["artifactType"] = "application/vnd.example.evil".into();
    children_mut(&mut changed)[1]["annotations"]["evil"] = "evil".into();
    shop.put("1", &changed);
    let (_, back) = shop.pull("1", &["--keep-attestations"]);
    assert_eq!(children(&back.json(&back.root())), children(&layout.json(&layout.root())));
    shop.machine.succeed(&[
        "rewrap",
        &shop.name("1"),
        KEY,
        "--add=jwe:p384.pub.pem",
        "--keep-attestations",
    ]);
    assert!(!shop.manifest("1").to_string().contains("evil"));
    // If a stranger exchanges one, drops it, or makes it about another image, it is another index.
    let evil = shop.put_plain("unknown/unknown", "evil");
    let index = shop.manifest("1");
    let mut changed = index.clone();
    let of = children(&changed)[0].clone();
    children_mut(&mut changed)[3] = marked(evil, &of);
    shop.put("1", &changed);
    shop.pull_fails(5, "1", &["--keep-attestations"]);
    shop.pull_fails(5, "1", &[]);
    let mut changed = index;
    children_mut(&mut changed)[3]["annotations"]["vnd.docker.reference.digest"] =
        digest_of(b"another").into();
    shop.put("1", &changed);
    let (_, back) = shop.pull("1", &["--keep-attestations"]);
    names(&back.json(&back.root()));
}

#[test]
fn attestations_of_images_that_nothing_binds_follow_the_right_image_without_other_words() {
    let shop = Shop::new();
    let each = shop.push_each();
    let about = |of: &Value| {
        let mut about = marked(shop.put_plain("unknown/unknown", "statement"), of);
        about["annotations"]["evil"] = "evil".into();
        about["artifactType"] = "application/vnd.example.evil".into();
        about["urls"] = json!(["http://127.0.0.1:1/evil"]);
        about
    };
    let [amd64, arm64] = each;
    let statements = [about(&arm64), about(&amd64)];
    let [of_arm64, of_amd64] = statements;
    shop.join("1", &[of_arm64, amd64.clone(), arm64, of_amd64]);
    let keep = ["--keep-attestations", "--allow-unencrypted"];
    let (_, back) = shop.pull("1", &keep);
    let from = format!("docker://{}", shop.name("1"));
    let again = ["copy", &from, "oci:again:latest", KEY, "-r", OTHER];
    shop.machine.succeed(&[&again[..], &keep].concat());
    let sealed = Layout::open(shop.machine.path("again"));
    for layout in [back, sealed] {
        let index = layout.json(&layout.root());
        let all = children(&index);
        for (attestation, image) in [(0, 2), (3, 1)] {
            let expected = marked(json!({}), &all[image]);
            assert_eq!(all[attestation]["annotations"], expected["annotations"]);
            assert_ne!(all[image]["digest"], amd64["digest"]);
        }
        assert!(!index.to_string().contains("evil"), "{index}");
    }
}
