//! The key provider as a service, called by gRPC's own client and by ours.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::digest_of;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::{Authority, Done, GeneratedClient, KeyProviderService, grpc};
use serde_json::{Value, json};

use crate::keys::age_recipients::keygen;
use crate::keys::key_providers::{configure, with_providers};
use crate::keys::keyprovider::{ITEM, ask, numbers, sealed, unwrap_request};

const UNWRAP: &str = "/keyprovider.KeyProviderService/UnWrapKey";

const WRAP: &str = "/keyprovider.KeyProviderService/WrapKey";

/// A machine with an identity, its recipient, and the file `request` that asks to unwrap the key of a layer.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) request: Value,
}

impl Node {
    pub(crate) fn new() -> Self {
        let machine = Machine::new();
        let recipient = keygen(&machine, "identity");
        let annotations = sealed(&machine, &recipient);
        let request = unwrap_request(annotations[ITEM].as_str().unwrap());
        machine.write("request", request.to_string());
        Self { machine, request }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.machine.path("socket")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> KeyProviderService {
        let address = self.address();
        let own = rustix::process::geteuid().as_raw().to_string();
        let serve = ["keyprovider", "-i=identity", "--serve", &address, "--allow-uid", &own];
        KeyProviderService::start(&mut self.command(&[&serve[..], arguments].concat()))
    }

    /// Starts the binary without `setsid`, since signals would not reach it through that.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let binary = self.machine.sandbox.sealcrate().get_program().to_owned();
        let mut command = self.machine.sandbox.command(binary);
        command.args(arguments);
        command
    }

    /// Calls with a message around `json`.
    pub(crate) fn call(&self, method: &str, json: &[u8]) -> Result<Vec<u8>, grpc::Status> {
        let answer = grpc::call(&self.socket(), method, &grpc::field(1, json))?;
        Ok(grpc::only_field(&answer, 1).to_vec())
    }
}

#[test]
fn generated_client_wraps_and_unwraps() {
    let node = Node::new();
    let mut service = node.serve(&[]);
    assert_eq!(fs::metadata(node.socket()).unwrap().mode() & 0o777, 0o600);
    let client = GeneratedClient::new();
    let ask = |method: &str| {
        Done::of(&mut client.call(&node.address(), method, &node.machine.path("request")))
    };
    let options = numbers(&ask("UnWrapKey").with_status(0).json()["keyunwrapresults"]["optsdata"]);
    let layer = serde_json::from_slice::<Value>(&options).unwrap()["digest"].clone();
    // The log names the caller and the layer, and no key.
    let logged = service.wait_for("unwrapped a key: sealed, version 2, layer ");
    assert_eq!(logged, layer);
    let uid = rustix::process::geteuid().as_raw();
    assert!(service.log().contains(&format!("note: uid {uid} pid ")), "{}", service.log());

    let recipient = node.machine.call("age-keygen", &["-y", "identity"]);
    let wrap = json!({
        "op": "keywrap",
        "keywrapparams": {
            "ec": { "Parameters": { "sealcrate": [STANDARD.encode(recipient)] } },
            "optsdata": STANDARD.encode(&options),
        },
    });
    node.machine.write("request", wrap.to_string());
    let item = numbers(&ask("WrapKey").with_status(0).json()["keywrapresults"]["annotation"]);
    let again = unwrap_request(&STANDARD.encode(item)).to_string();
    node.machine.write("request", &again);
    let back = ask("UnWrapKey").with_status(0).json();
    assert_eq!(numbers(&back["keyunwrapresults"]["optsdata"]), options);
    let symkey = serde_json::from_slice::<Value>(&options).unwrap()["symkey"].clone();
    assert!(!service.log().contains(symkey.as_str().unwrap()), "{}", service.log());

    node.machine.write("request", "x");
    ask("UnWrapKey").with_status(1).says("INVALID_ARGUMENT sealcrate: the request is malformed");
    assert_eq!(service.end().code(), Some(0));
    assert!(!node.socket().exists());
    node.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn images_are_opened_through_the_service() {
    let node = Node::new();
    let mut service = node.serve(&["-r", "recipients"]);
    let recipient = node.machine.call("age-keygen", &["-y", "identity"]);
    node.machine.write("recipients", recipient);
    configure(&node.machine, &json!({ "sealcrate": { "grpc": node.address() } }));
    let run = |arguments: &[&str]| Done::of(&mut with_providers(&node.machine, arguments));
    let open = ["copy", "-i=provider:sealcrate", "--require-binding"];
    run(&[&open[..], &["oci:sealed:1", "oci:back:1"]].concat()).with_status(0);
    let copy = ["copy", "--all-layers", "oci:image:latest", "oci:again:1"];
    run(&[&copy[..], &["-r=provider:sealcrate"]].concat()).with_status(0);
    run(&[&open[..], &["oci:again:1", "oci:again-back:1"]].concat()).with_status(0);
    // The service reads identities anew: another one in the same place does not fit.
    fs::remove_file(node.machine.path("identity")).unwrap();
    keygen(&node.machine, "identity");
    let done = run(&[&open[..], &["oci:sealed:1", "oci:no:1"]].concat()).failed(3);
    done.says("the key provider sealcrate fails: sealcrate: with the identities in identity");
    service.wait_for("refused: with the identities in identity: wrong key");
}

#[test]
fn hostile_calls_are_refused_and_the_service_goes_on() {
    let node = Node::new();
    let mut service = node.serve(&[]);
    let request = node.request.to_string();
    let code = |method: &str, json: &[u8]| node.call(method, json).unwrap_err().code;
    assert_eq!(code("/keyprovider.KeyProviderService/Other", b"{}"), "12");
    assert_eq!(code("/other/WrapKey", b"{}"), "12");
    assert_eq!(code(UNWRAP, b""), "3");
    assert_eq!(code(UNWRAP, "[".repeat(100_000).as_bytes()), "3");
    assert_eq!(code(WRAP, request.as_bytes()), "13");
    let long = node.call(UNWRAP, &vec![b' '; 5 << 20]).unwrap_err();
    assert_eq!(
        (long.code.as_str(), long.message.as_str()),
        ("8", "the message is longer than 4 MiB")
    );
    let malformed = grpc::call(&node.socket(), UNWRAP, &[0x08, 1]).unwrap_err();
    assert_eq!(malformed.code, "3");
    // Bytes that are no HTTP/2 at all.
    use std::io::Write as _;
    let mut stream = std::os::unix::net::UnixStream::connect(node.socket()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    let mut damaged = node.request.clone();
    damaged["keyunwrapparams"]["annotation"] = STANDARD.encode("{}").into();
    assert_eq!(code(UNWRAP, damaged.to_string().as_bytes()), "3");
    node.call(UNWRAP, request.as_bytes()).unwrap();
    assert_eq!(service.end().code(), Some(0));
}

#[test]
fn messages_above_the_limit_are_refused_and_the_service_goes_on() {
    let node = Node::new();
    let mut service = node.serve(&[]);
    let client = GeneratedClient::new();
    // The service reads a request up to the limit, even if only blanks follow the JSON.
    let mut request = node.request.to_string().into_bytes();
    let ask = |request: &[u8]| {
        node.machine.write("request", request);
        let request = node.machine.path("request");
        Done::of(&mut client.call(&node.address(), "UnWrapKey", &request))
    };
    request.resize(4 << 20, b' ');
    ask(&request).with_status(0);
    request.push(b' ');
    let says = "INVALID_ARGUMENT sealcrate: the request is longer than 4 MiB";
    ask(&request).with_status(1).says(says);
    for len in [5 << 20, 64 << 20] {
        request.resize(len, b' ');
        let done = ask(&request).with_status(1);
        assert_eq!(done.stderr, "RESOURCE_EXHAUSTED the message is longer than 4 MiB\n");
        ask(node.request.to_string().as_bytes()).with_status(0);
    }
    service.wait_for("refused: the request is longer than 4 MiB");
    assert_eq!(service.end().code(), Some(0));
    assert!(!node.socket().exists());
}

/// Requests in the exact bytes of the protocol: from tools in Go, and in Rust.
const WRITTEN: [(&str, &str); 2] = [
    (
        r#"{"op":"keywrap","keywrapparams":{"ec":{"Parameters":{"sealcrate":["PARAMETER"]},"DecryptConfig":{"Parameters":null}},"optsdata":"OPTIONS"},"keyunwrapparams":{"dc":null,"annotation":null}}"#,
        r#"{"op":"keyunwrap","keywrapparams":{"ec":null,"optsdata":null},"keyunwrapparams":{"dc":{"Parameters":{"sealcrate":["PARAMETER"]}},"annotation":"ITEM"}}"#,
    ),
    (
        r#"{"op":"keywrap","keywrapparams":{"ec":{"Parameters":{"sealcrate":["PARAMETER"]},"DecryptConfig":null},"optsdata":TEXT},"keyunwrapparams":{"dc":null,"annotation":null}}"#,
        r#"{"op":"keyunwrap","keywrapparams":{"ec":null,"optsdata":null},"keyunwrapparams":{"dc":{"Parameters":null},"annotation":"ITEM"}}"#,
    ),
];

#[test]
fn requests_as_the_protocol_has_them_are_answered_with_numbers() {
    let node = Node::new();
    let _service = node.serve(&[]);
    let options = format!(
        r#"{{"symkey":"{}","digest":"{}","cipheroptions":{{"nonce":"{}"}}}}"#,
        STANDARD.encode([7; 32]),
        digest_of(b"layer"),
        STANDARD.encode([8; 16]),
    );
    let recipient = node.machine.call("age-keygen", &["-y", "identity"]);
    let identity = fs::read(node.machine.path("identity")).unwrap();
    let by_service = |request: &str| {
        let method = if request.contains("\"keywrap\"") { WRAP } else { UNWRAP };
        String::from_utf8(node.call(method, request.as_bytes()).unwrap()).unwrap()
    };
    let by_program = |request: &str| {
        ask(&node.machine, &["-i=identity"], request.as_bytes()).with_status(0).stdout
    };
    // Between the words that every reader looks for there are only numbers, from 0 to 255.
    let bytes = |answer: &str, begin: &str| -> Vec<u8> {
        let numbers = answer.strip_prefix(begin).and_then(|rest| rest.strip_suffix("]}}"));
        let numbers = numbers.unwrap_or_else(|| panic!("{answer}"));
        numbers.split(',').map(|number| number.parse().unwrap()).collect()
    };
    for answer in [&by_service as &dyn Fn(&str) -> String, &by_program] {
        for (wrap, unwrap) in WRITTEN {
            let request = wrap
                .replace("PARAMETER", &STANDARD.encode(&recipient))
                .replace("OPTIONS", &STANDARD.encode(&options))
                .replace("TEXT", &json!(options).to_string());
            let item = bytes(&answer(&request), r#"{"keywrapresults":{"annotation":["#);
            let request = unwrap
                .replace("PARAMETER", &STANDARD.encode(&identity))
                .replace("ITEM", &STANDARD.encode(item));
            let back = bytes(&answer(&request), r#"{"keyunwrapresults":{"optsdata":["#);
            assert_eq!(String::from_utf8(back).unwrap(), options);
        }
    }
}

#[test]
fn over_tcp_both_sides_show_certificates() {
    let node = Node::new();
    let (authority, other) = (Authority::new(), Authority::new());
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    let (cert, key) =
        (path(authority.server_certificate_file()), path(authority.server_key_file()));
    let ca = path(authority.ca_file());
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca];
    let serve = ["keyprovider", "-i=identity", "--serve=tcp:127.0.0.1:0"];
    let mut service = KeyProviderService::start(&mut node.command(&[&serve[..], &tls].concat()));
    let address = service.wait_for("serving at tcp:");
    let client = GeneratedClient::new();
    let call = |certificates: &[&str]| {
        let mut call = client.call(&address, "UnWrapKey", &node.machine.path("request"));
        Done::of(call.args(certificates))
    };
    let answer = call(&[&ca, &key, &cert]).with_status(0).json();
    assert!(!numbers(&answer["keyunwrapresults"]["optsdata"]).is_empty());
    service.wait_for("unwrapped a key: sealed, version 2, layer ");
    // It answers nobody without a certificate, with a certificate of another authority, or without TLS.
    call(&[&ca, "", ""]).with_status(1).says("UNAVAILABLE");
    let strange = [path(other.server_key_file()), path(other.server_certificate_file())];
    call(&[&ca, &strange[0], &strange[1]]).with_status(1).says("UNAVAILABLE");
    call(&[]).with_status(1).says("UNAVAILABLE");
    assert_eq!(service.log().matches("unwrapped a key").count(), 1, "{}", service.log());

    let refused = |arguments: &[&str], says: &str| {
        let done = node.machine.run(&[&["keyprovider"], arguments].concat()).with_status(2);
        done.says(says);
    };
    refused(&["--serve=tcp:127.0.0.1:0"], "over TCP both sides have to show who they are");
    refused(
        &[&["--serve=tcp:127.0.0.1:0", "--allow-uid=1"], &tls[..]].concat(),
        "--allow-uid is for unix:",
    );
    refused(&[&["--serve=unix:s"], &tls[..]].concat(), "a Unix socket has no TLS");
    refused(&["--serve=0.0.0.0:1"], "an address is unix:PATH or tcp:IP:PORT");
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let node = Node::new();
    let authority = Authority::new();
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    let (cert, key) =
        (path(authority.server_certificate_file()), path(authority.server_key_file()));
    let ca = path(authority.ca_file());
    let serve = ["keyprovider", "-i=identity", "--serve=tcp:127.0.0.1:0"];
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca];
    let mut service = KeyProviderService::start(&mut node.command(&[&serve[..], &tls].concat()));
    let address = service.wait_for("serving at tcp:");
    let silent: Vec<_> =
        (0..400).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    service.wait_for("refused: no handshake, and others wait");
    let client = GeneratedClient::new();
    let mut call = client.call(&address, "UnWrapKey", &node.machine.path("request"));
    Done::of(call.args([&ca, &key, &cert])).with_status(0);
    drop(silent);
    assert_eq!(service.end().code(), Some(0));
}

#[test]
fn socket_of_another_service_is_not_taken() {
    let node = Node::new();
    let mut service = node.serve(&[]);
    let serve = ["keyprovider", "--serve", &node.address()];
    node.machine.run(&serve).with_status(1).says("another program listens at");
    node.call(UNWRAP, node.request.to_string().as_bytes()).unwrap();
    // The socket of a killed service is in nobody's way.
    drop(service);
    assert!(node.socket().exists());
    service = node.serve(&[]);
    node.call(UNWRAP, node.request.to_string().as_bytes()).unwrap();
    assert_eq!(service.end().code(), Some(0));
}
