//! A disk that is full, which only root can make.

use sealcrate_test_kit::FaultProxy;
use sealcrate_tests::MemoryFolder;
use sealcrate_tests::fixtures::{Pushed, failed, image_of, requests, run};

#[test]
fn a_layer_that_fills_the_disk_is_not_begun() {
    sealcrate_tests::assert_provided();
    let pushed = Pushed::new(image_of(20 << 20));
    let disk = MemoryFolder::new(16);
    let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
    let mut pull = pushed.machine.pull(&format!("{}/app:1", proxy.host()));
    pull.args(["--to", "oci:out:it"]).env("TMPDIR", disk.path());
    let said = failed(&run(&mut pull), &[1]);
    assert!(said.contains("there is not enough room in "), "{said}");
    assert!(said.contains("TMPDIR=FOLDER"), "{said}");
    assert_eq!(requests(&proxy, "GET", &pushed.layer(0)).len(), 0);
    assert!(!pushed.machine.sandbox.work().join("out").exists(), "something was made");
}
