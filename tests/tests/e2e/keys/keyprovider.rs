//! The key provider as other tools call it: one request on standard input, one answer on standard output.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::Layout;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::{Done, record};
use serde_json::{Value, json};

use crate::keys::age_recipients::keygen;

pub(crate) const ITEM: &str = "org.opencontainers.image.enc.keys.provider.sealcrate";

/// Runs the provider with a request on its standard input.
pub(crate) fn ask(machine: &Machine, arguments: &[&str], request: &[u8]) -> Done {
    let mut command = machine.sealcrate(&[&["keyprovider"], arguments].concat());
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary can be run");
    // A provider that has read enough may be gone.
    let _ = child.stdin.take().expect("it is piped").write_all(request);
    let output = child.wait_with_output().expect("a child can be waited for");
    // The answer is a key.
    record(command, &[&output.stderr]);
    machine.sandbox.assert_nothing_is_left();
    output.into()
}

/// A request to unwrap the item that is in base64 in an annotation, without parameters.
pub(crate) fn unwrap_request(item: &str) -> Value {
    json!({
        "op": "keyunwrap",
        "keywrapparams": { "ec": null, "optsdata": null },
        "keyunwrapparams": { "dc": { "Parameters": null }, "annotation": item },
    })
}

/// The bytes in an answer, which are numbers.
pub(crate) fn numbers(value: &Value) -> Vec<u8> {
    let numbers = value.as_array().unwrap_or_else(|| panic!("no numbers: {value}"));
    numbers.iter().map(|number| u8::try_from(number.as_u64().unwrap()).unwrap()).collect()
}

/// Makes an image in the layout `oci:sealed:1`, encrypted to `recipient`. Returns the annotations of its
/// encrypted layer.
pub(crate) fn sealed(machine: &Machine, recipient: &str) -> Value {
    machine.layout("image", &["private"]);
    let copy = ["copy", "-r", recipient, "--all-layers", "oci:image:latest", "oci:sealed:1"];
    machine.succeed(&copy);
    let sealed = Layout::open(machine.path("sealed"));
    sealed.json(&sealed.root())["layers"][0]["annotations"].clone()
}

#[test]
fn keys_of_pushed_images_are_unwrapped_and_what_is_wrapped_opens_images() {
    let machine = Machine::new();
    let recipient = keygen(&machine, "identity");
    let annotations = sealed(&machine, &recipient);
    let request = unwrap_request(annotations[ITEM].as_str().unwrap()).to_string();
    let done = ask(&machine, &["--identity", "identity"], request.as_bytes()).with_status(0);
    let content = numbers(&done.json()["keyunwrapresults"]["optsdata"]);
    let options: Value = serde_json::from_slice(&content).unwrap();
    let layout = Layout::open(machine.path("sealed"));
    assert_eq!(options["sealcrate"], 2);
    // The log names the layer and no key.
    let layer = options["digest"].as_str().unwrap();
    let logged = format!("note: unwrapped a key: sealed, version 2, layer {layer}\n");
    assert_eq!(done.stderr, logged);

    // The provider wraps the key for another one, whose recipient its own configuration names. In the
    // place of the old item, the new one opens the image.
    let other = keygen(&machine, "other");
    machine.write("recipients", format!("# ours\n{other}\n"));
    let wrap = json!({
        "op": "keywrap",
        "keywrapparams": {
            "ec": { "Parameters": { "sealcrate": [STANDARD.encode("Enabled")] }, "DecryptConfig": { "Parameters": null } },
            "optsdata": STANDARD.encode(&content),
        },
        "keyunwrapparams": { "dc": null, "annotation": null },
    });
    let done = ask(&machine, &["-r", "recipients"], wrap.to_string().as_bytes()).with_status(0);
    assert_eq!(done.stderr, "note: wrapped a key\n");
    let item = STANDARD.encode(numbers(&done.json()["keywrapresults"]["annotation"]));
    let mut manifest = layout.json(&layout.root());
    manifest["layers"][0]["annotations"][ITEM] = item.into();
    layout.name(&layout.add(sealcrate_test_kit::OCI_MANIFEST, manifest.to_string().as_bytes()));
    let pull = |identity: &str, to: &str| {
        machine.run(&["copy", "-i", identity, "--require-binding", "oci:sealed:latest", to])
    };
    pull("identity", "oci:no:1").failed(3);
    pull("other", "oci:back:1").with_status(0);
}

#[test]
fn identities_come_from_a_folder_or_from_the_request() {
    let machine = Machine::new();
    let recipient = keygen(&machine, "identity");
    let annotations = sealed(&machine, &recipient);
    let mut request = unwrap_request(annotations[ITEM].as_str().unwrap());
    fs::create_dir_all(machine.path("keys/more")).unwrap();
    fs::rename(machine.path("identity"), machine.path("keys/more/identity")).unwrap();
    machine.write("keys/note", "no key");
    let ask = |request: &Value, arguments: &[&str]| {
        ask(&machine, arguments, request.to_string().as_bytes())
    };
    ask(&request, &["-i", "keys"]).with_status(0);
    let identity = fs::read(machine.path("keys/more/identity")).unwrap();
    request["keyunwrapparams"]["dc"]["Parameters"] =
        json!({ "sealcrate": [STANDARD.encode(&identity)] });
    ask(&request, &[]).with_status(0);
    fs::remove_file(machine.path("keys/more/identity")).unwrap();
    request["keyunwrapparams"]["dc"] = Value::Null;
    let done = ask(&request, &["-i", "keys"]).with_status(3).prints("");
    done.says("no identity").says("in keys (not usable: keys/note: there is no private key");
    ask(&request, &["-i", "missing"])
        .with_status(1)
        .prints("")
        .says("cannot read missing: No such");
}

#[test]
fn what_cannot_be_answered_is_refused_in_one_line() {
    let machine = Machine::new();
    let recipient = keygen(&machine, "identity");
    let annotations = sealed(&machine, &recipient);
    keygen(&machine, "other");
    let request = unwrap_request(annotations[ITEM].as_str().unwrap());
    let refused = |status: i32, request: &[u8], says: &str| {
        let done = ask(&machine, &["-i", "other"], request).with_status(status).prints("");
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.said());
        assert!(done.stderr.starts_with("sealcrate: "), "{}", done.said());
        done.says(says);
    };
    refused(3, request.to_string().as_bytes(), "none of 1 key files opens the wrapped key");
    refused(1, b"", "the request is malformed");
    refused(1, "[".repeat(100_000).as_bytes(), "the request is malformed");
    refused(1, &vec![b' '; (4 << 20) + 1], "the request is longer than 4 MiB");
    refused(1, br#"{"op":"\u001b[31m"}"#, "unknown operation");
    refused(2, wrap_nobody().to_string().as_bytes(), "there is no recipient");
    let mut damaged = request.clone();
    damaged["keyunwrapparams"]["annotation"] = STANDARD.encode("{}").into();
    refused(5, damaged.to_string().as_bytes(), "a wrapped key (age) is malformed");
    let mut both = request;
    both["keywrapparams"] = wrap_nobody()["keywrapparams"].clone();
    refused(1, both.to_string().as_bytes(), "to wrap and to unwrap at once");
}

fn wrap_nobody() -> Value {
    let options = json!({
        "symkey": STANDARD.encode([7; 32]), "cipheroptions": { "nonce": STANDARD.encode([8; 16]) },
    });
    // Rust's caller sends the text itself.
    json!({ "op": "keywrap", "keywrapparams": { "ec": null, "optsdata": options.to_string() } })
}
