//! Secrets in a log: with `--verbose`, sealcrate tells every step, and no secret that it uses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sealcrate_tests::{
    Anonymous, Done, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME, leaks_in, note_key,
    note_secret, transcripts,
};
use serde_json::json;

use crate::stranger::Stranger;

/// The passphrase of the reader before him.
const FORMER: &str = "the former reader's passphrase";

/// Runs a command that logs all its steps, and holds that it ends with `status` and has logged something.
#[track_caller]
fn logged(command: &mut Command, status: i32) -> Done {
    let done = Done::of(command.arg("--verbose")).with_status(status);
    assert!(done.stderr.contains("DEBUG"), "{}", done.said());
    done
}

fn reader() -> Stranger {
    let mut reader = Stranger::new();
    reader.write();
    fs::write(reader.path("former"), FORMER).expect("the sandbox can be written");
    note_secret("passphrase", FORMER);
    reader
}

fn sealcrate(reader: &Stranger, arguments: &[&str]) -> Command {
    let mut command = reader.sandbox.sealcrate();
    command.args(arguments);
    command
}

/// Holds that the output of the test of this name has no secret in it so far.
#[track_caller]
fn assert_nothing_was_told(test: &str) {
    let told = leaks_in(&transcripts()).into_iter().filter(|leak| leak.test.ends_with(test));
    assert_eq!(told.map(|leak| leak.kind).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_log_does_not_tell_how_somebody_logs_in() {
    let life = TokenLife::honest(Duration::from_secs(300));
    let issuer = TokenIssuer::start(Anonymous::Refused, life);
    let registry = Registry::with_tokens(&issuer);
    let name = format!("{}/app:1", registry.host());
    let push = ["push", &name, "--from=oci:image:it", "--all-layers", "--pass-file=key"];
    let push = [&push[..], &["--iterations=100000", "--plain-http"]].concat();
    let pull = ["pull", &name, "--to=oci:back", "--pass-file=key", "--plain-http"];
    for way in ["wrong password", "password", "identity token", "helper"] {
        let reader = reader();
        let host = registry.host();
        match way {
            "wrong password" => reader.sandbox.log_in(host, USERNAME, "a mistyped password"),
            "password" => reader.sandbox.log_in(host, USERNAME, PASSWORD),
            "identity token" => {
                reader.sandbox.log_in_with_identity_token(host, issuer.identity_token());
            }
            _ => {
                let answer = json!({
                    "ServerURL": host, "Username": USERNAME, "Secret": PASSWORD,
                });
                let helper = reader.path("docker-credential-x");
                // The helper's error output may be the secret as well.
                let script =
                    format!("#!/bin/sh\ncat > asked\necho '{answer}'\necho {PASSWORD} >&2\n");
                fs::write(&helper, script).unwrap();
                fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
                let config = json!({ "credHelpers": { host: "x" } }).to_string();
                fs::write(reader.sandbox.docker_config().join("config.json"), config).unwrap();
            }
        }
        let path = format!("{}:/usr/bin:/bin", reader.path("").display());
        let status = if way == "wrong password" { 1 } else { 0 };
        logged(sealcrate(&reader, &push).env("PATH", &path), status);
        logged(sealcrate(&reader, &pull).env("PATH", &path), status);
    }
    assert_nothing_was_told("a_log_does_not_tell_how_somebody_logs_in");
}

#[test]
fn a_helper_that_fails_does_not_tell_the_password() {
    let registry = Registry::plain();
    let name = format!("{}/app:1", registry.host());
    let pull = ["pull", &name, "--to=oci:back", "--pass-file=key", "--plain-http"];
    note_secret("password from a helper", PASSWORD);
    for script in [
        format!("echo '{PASSWORD}'; exit 1"),
        format!("echo '{PASSWORD}'"),
        format!("echo '{{\"Username\":\"a\",\"Secret\":[\"{PASSWORD}\"]}}'"),
        format!("echo '{PASSWORD}' >&2; exit 1"),
    ] {
        let reader = reader();
        let helper = reader.path("docker-credential-x");
        fs::write(&helper, format!("#!/bin/sh\ncat > asked\n{script}\n")).unwrap();
        fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
        let config = json!({ "credHelpers": { registry.host(): "x" } }).to_string();
        fs::write(reader.sandbox.docker_config().join("config.json"), config).unwrap();
        let path = format!("{}:/usr/bin:/bin", reader.path("").display());
        let done = Done::of(sealcrate(&reader, &pull).arg("--verbose").env("PATH", &path));
        assert!(reader.path("asked").exists(), "{}", done.said());
        assert_eq!(done.status, Some(1), "{}", done.said());
    }
    assert_nothing_was_told("a_helper_that_fails_does_not_tell_the_password");
}

#[test]
fn a_log_does_not_tell_what_opens_an_image() {
    let reader = reader();
    let registry = Registry::plain();
    let name = format!("{}/app:1", registry.host());
    let run = |arguments: &[&str]| logged(&mut sealcrate(&reader, arguments), 0);
    let quietly = |arguments: &[&str]| reader.run(arguments).with_status(0);
    let fast = "--iterations=100000";
    run(&["push", &name, "--from=oci:image:it", "--all-layers", "--pass-file=former", fast]);
    run(&["rewrap", &name, "--pass-file=former", "--new-pass-file=key", fast]);
    logged(&mut sealcrate(&reader, &["pull", &name, "--to=oci:back", "--pass-file=former"]), 3);
    run(&["pull", &name, "--to=oci:back", "--pass-file=key"]);
    run(&["inspect", &name, "--pass-file=key"]);

    let made = quietly(&["keygen", "-o", "identity", "--verbose"]);
    note_key(&fs::read(reader.path("identity")).unwrap());
    let said = made.said();
    let recipient = said.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let sealed = format!("{}/app:2", registry.host());
    run(&["push", &sealed, "--from=oci:image:it", "--all-layers", "-r", recipient]);
    run(&["pull", &sealed, "--to=oci:by-identity", "-i", "identity"]);
    // A provider of keys, which is this program as well, gets a key and gives one.
    let binary = reader.sandbox.sealcrate().get_program().to_owned();
    let arguments = ["keyprovider", "--verbose", "-i", "identity"];
    let own = json!({ "cmd": { "path": binary.to_str(), "args": arguments } });
    let providers = json!({ "key-providers": { "sealcrate": own } }).to_string();
    fs::write(reader.path("providers.json"), providers).unwrap();
    let pull = ["pull", &sealed, "--to=oci:by-provider", "-i=provider:sealcrate"];
    let providers = reader.path("providers.json");
    logged(sealcrate(&reader, &pull).env("OCICRYPT_KEYPROVIDER_CONFIG", providers), 0);

    quietly(&["pack", "/bin/true", "-o", "packed", "--pass-file=key", "--work-factor=14", "-v"]);
    quietly(&["unpack", "packed", "-o", "program", "--pass-file=key", "--verbose"]);
    quietly(&["pack", "/bin/true", "-o", "packed-2", "-r", recipient, "--verbose"]);
    quietly(&["unpack", "packed-2", "-o", "program-2", "-i", "identity", "--verbose"]);
    assert!(Path::new(&reader.path("program-2")).exists());
    assert_nothing_was_told("a_log_does_not_tell_what_opens_an_image");
}
