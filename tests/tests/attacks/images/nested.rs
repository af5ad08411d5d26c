//! Indexes within indexes: a reader chooses from the innermost one, and the outer ones vouch for nothing.

use sealcrate_test_kit::OCI_INDEX;
use serde_json::{Value, json};

use crate::shop::{KEY, Shop, children, children_mut};

/// Puts a stranger's index of `children`, and returns its descriptor for a platform.
fn wrapped(shop: &Shop, children: &[Value], platform: &Value) -> Value {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children });
    let mut inner = shop.put_child(&index);
    inner["platform"] = platform.clone();
    inner
}

#[test]
fn index_around_a_sealed_one_neither_helps_nor_harms() {
    let shop = Shop::new();
    shop.push_several("1");
    let sealed = shop.manifest("1");
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let inner = wrapped(&shop, children(&sealed), &platform);
    shop.join("2", &[inner]);
    // The image was chosen from the sealed index. The outer one does not count.
    let amd64 = "--platform=linux/amd64";
    shop.pull("2", &[amd64, "--require-binding=2"]);
    // A child of it is missing, and the outer index lists its platform.
    let [one, other] = children(&sealed) else { panic!("two children") };
    let inner = wrapped(&shop, std::slice::from_ref(one), &platform);
    shop.join("2", &[inner, other.clone()]);
    shop.pull_fails(5, "2", &[amd64]).says("platforms");
    shop.fails(5, &["inspect", &shop.name("2"), KEY, amd64]);
}

#[test]
fn image_for_another_platform_is_not_passed_off_by_an_outer_index() {
    let shop = Shop::new();
    let [amd64, mut arm64] = shop.push_each();
    arm64.as_object_mut().unwrap().remove("platform");
    let inner = wrapped(&shop, &[arm64.clone()], &amd64["platform"]);
    shop.join("1", std::slice::from_ref(&inner));
    // The inner index states nothing, and has a single image.
    shop.pull_fails(5, "1", &[]).says("the image that it is for");
    shop.fails(5, &["copy", &format!("docker://{}", shop.name("1")), "oci:back:it", KEY]);
    // The same holds at any depth.
    let deeper = wrapped(&shop, &[inner], &Value::Null);
    shop.join("1", &[deeper]);
    shop.pull_fails(5, "1", &[]).says("the image that it is for");
    // With the true platform, the image is accepted.
    let inner = wrapped(&shop, &[arm64], &json!({ "os": "linux", "architecture": "arm64" }));
    shop.join("1", &[inner]);
    shop.pull("1", &[]);
}

#[test]
fn index_around_images_that_nothing_binds_is_told_of() {
    let shop = Shop::new();
    let [amd64, _] = shop.push_each();
    let inner = wrapped(&shop, std::slice::from_ref(&amd64), &amd64["platform"]);
    let warning = "warning: nothing binds the images of this index";
    for (children, warnings) in [(amd64, 0), (inner, 1)] {
        shop.join("1", &[children]);
        for more in [&[][..], &["--platform=linux/amd64"]] {
            let (done, _) = shop.pull("1", more);
            assert_eq!(done.lines(warning).len(), warnings, "{}", done.said());
            let version2 = [more, &["--require-binding=2"]].concat();
            match warnings {
                0 => drop(shop.pull("1", &version2)),
                _ => drop(shop.pull_fails(5, "1", &version2)),
            }
        }
    }
    shop.rewrap_fails(2, "1", &[]).says("an index within an index");
}

#[test]
fn index_within_an_index_hides_nothing() {
    let shop = Shop::new();
    let layout = shop.push_several("1");
    let plain = layout.json(&layout.root());
    let [amd, arm] = children(&plain) else { panic!("two children") };
    let inner = layout.add_index(std::slice::from_ref(arm));
    layout.name(&layout.add_index(&[inner, amd.clone()]));
    let done = shop.push("several", "2", &["--keep-history"]);
    assert_eq!(done.lines("note: indexes within the index").len(), 1, "{}", done.said());
    let (_, back) = shop.pull("2", &["--require-binding=2"]);
    let opened = back.json(&back.root());
    assert_eq!(children(&opened), [arm.clone(), amd.clone()]);
    // A stranger's index within ours is not opened.
    let mut index = shop.manifest("2");
    let all = children(&index).to_vec();
    let mut inner = shop.put_child(&json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [all[0]],
    }));
    inner["platform"] = all[0]["platform"].clone();
    children_mut(&mut index)[0] = inner;
    shop.put("2", &index);
    shop.reading_fails(5, "2");
    shop.rewrap_fails(5, "2", &[]);
    // The inner index does not list the platforms that were sealed.
    shop.pull_fails(5, "2", &["--platform=linux/arm64"]);
}
