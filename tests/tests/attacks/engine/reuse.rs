//! Folders of other users, which only root can prepare.

use sealcrate_tests::{Done, as_root};

use crate::leaks::reuse::{Scene, share_none, state};

#[test]
fn a_folder_that_somebody_else_has_prepared_is_not_used() {
    sealcrate_tests::assert_provided();
    let scene = Scene::new();
    let first = scene.push("app:1");
    for folder in [scene.cache(), state(&scene.machine)] {
        let give = |owner: &str| {
            Done::of(as_root("chown").arg(owner).arg(&folder)).with_status(0);
        };
        // Another user may change everything there, besides the user.
        Done::of(as_root("chmod").arg("0777").arg(&folder)).with_status(0);
        give("65534");
        let next = scene.push("app:2");
        let text = "belongs to another user";
        assert!(next.said.contains("warning: the cache is not used"), "{}", next.said);
        assert!(next.said.contains(text), "{}", next.said);
        assert!(share_none(&next.layers, &first.layers));
        give(&rustix::process::geteuid().as_raw().to_string());
    }
}
