//! Time, memory and disk that a stranger would like to waste without end.

use std::path::Path;
use std::time::Duration;

use sealcrate_test_kit::{Fault, FaultProxy, Layout, OCI_CONFIG, Rule};
use sealcrate_tests::fixtures::{Machine, Pushed, failed, image_of, requests, run, succeeded};
use serde_json::json;

/// So slow that a blob of a megabyte takes hours.
const SLOWLY: Fault = Fault::Trickle(Duration::from_millis(20));

/// Pulls `pushed` through a proxy with one rule; the pull has to fail with 1. Returns its messages, and the
/// proxy.
fn pull_through(pushed: &Pushed, rule: Rule, options: &[&str]) -> (String, FaultProxy) {
    let proxy = FaultProxy::start(pushed.registry.host(), vec![rule]);
    let mut pull = pushed.machine.pull(&format!("{}/app:1", proxy.host()));
    let said = failed(&run(pull.args(["--to", "oci:out:it"]).args(options)), &[1]);
    pushed.machine.sandbox.assert_nothing_is_left();
    assert!(!pushed.machine.sandbox.work().join("out").exists(), "something was made");
    (said, proxy)
}

#[test]
fn a_registry_that_sends_one_byte_at_a_time_holds_nobody_for_ever() {
    let pushed = Pushed::new(image_of(1 << 20));
    for place in ["/manifests/".to_owned(), pushed.config()] {
        let rule = Rule::new("GET", &place, SLOWLY);
        let (said, _proxy) = pull_through(&pushed, rule, &["--timeout", "3"]);
        assert!(said.contains(" was not answered in full within 3 s"), "{said}");
        assert!(said.contains("hint: --timeout SECONDS"), "{said}");
    }
}

#[test]
fn a_registry_that_sends_a_layer_one_byte_at_a_time_holds_nobody_for_ever() {
    let pushed = Pushed::new(image_of(1 << 20));
    let rule = Rule::new("GET", &pushed.layer(0), SLOWLY);
    let (said, proxy) = pull_through(&pushed, rule, &[]);
    assert!(said.contains("is too slow: fewer than 1024 bytes a second"), "{said}");
    assert!(said.contains("hint: --min-rate BYTES"), "{said}");
    assert_eq!(requests(&proxy, "GET", &pushed.layer(0)).len(), 1);
}

#[test]
fn a_registry_that_sends_one_byte_a_connection_is_not_called_for_ever() {
    let pushed = Pushed::new(image_of(1 << 20));
    let rule = Rule::new("GET", &pushed.layer(0), Fault::CutResponseAfter(1));
    let (_said, proxy) = pull_through(&pushed, rule, &[]);
    assert_eq!(requests(&proxy, "GET", &pushed.layer(0)).len(), 5);
}

/// How many blocks of zeros of 128 KiB the layer unpacks to: 1.5 GiB.
const BLOCKS: usize = 12 << 10;

/// A frame of Zstandard that is all zeros, which as a tar is an empty one. RFC 8878, section 3.1.1.
fn zeros() -> Vec<u8> {
    // A window of 128 KiB, and no length of the content.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    for block in 1..=BLOCKS {
        let is_last = u32::from(block == BLOCKS);
        // A byte that is repeated.
        let header = ((128 << 10) << 3) | (1 << 1) | is_last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// The digest of the zeros that [`zeros`] unpacks to.
fn digest_of_zeros() -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let block = vec![0; 128 << 10];
    (0..BLOCKS).for_each(|_| context.update(&block));
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Writes an image of one layer into the layout `folder`.
fn write_image(folder: &Path, media_type: &str, layer: &[u8], diff_id: &str) {
    let layout = Layout::create(folder.to_owned());
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = layout.add(OCI_CONFIG, config.to_string().as_bytes());
    let layer = layout.add(media_type, layer);
    layout.name_as(&layout.add_manifest(&config, &[layer]), "1");
}

#[test]
fn a_few_bytes_that_unpack_to_a_great_many_keep_nobody_busy() {
    let machine = Machine::with_own_passphrase();
    let layer = zeros();
    assert!(layer.len() < 64 << 10);
    let media_type = "application/vnd.oci.image.layer.v1.tar+zstd";
    write_image(&machine.sandbox.work().join("bomb"), media_type, &layer, &digest_of_zeros());
    for target in ["oci:out:1", "docker-archive:out:app:1"] {
        let mut copy = machine.sandbox.sealcrate();
        let said = failed(&run(copy.args(["copy", "oci:bomb:1", target])), &[1]);
        assert!(said.contains("more than 1100 times its size"), "{said}");
        assert!(said.contains("hint: --max-ratio N"), "{said}");
        assert!(!machine.sandbox.work().join("out").exists(), "something was made");
    }
    // To a user who allows such a ratio, it is an honest image.
    let mut copy = machine.sandbox.sealcrate();
    succeeded(&run(copy.args(["copy", "oci:bomb:1", "oci:out:1", "--max-ratio", "100000"])));
}
