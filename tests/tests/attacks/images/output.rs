//! A stranger's text that steers the terminal, reverses the order of letters, or hides.
//!
//! Every shown member gets such a text, and the tests check the raw bytes of the output.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::{Reply, Server, Tar};
use sealcrate_tests::Done;
use serde_json::{Value, json};

use crate::shop::AGE;
use crate::stranger::{LAYER, REF_NAME, Stranger};

/// A title and a colour, a line that is not ours, marks that turn the direction, and characters
/// that nobody sees.
const HOSTILE: &str = "evil\u{1b}]0;x\u{7}\u{9b}31m\r\nforged\u{85}forged\u{2028}forged\u{2029}forged\
                       \u{202e}\u{202d}\u{2066}\u{2067}\u{2068}\u{61c}\u{200e}\u{200f}\u{200b}\u{200d}\
                       \u{2060}\u{feff}\u{ad}\u{3164}\u{fe0f}\u{e0041}_TOKEN";

/// The public options of an encrypted layer, as ocicrypt writes them.
const PUBLIC_OPTIONS: &str = r#"{"cipher":"AES_256_CTR_HMAC_SHA256","hmac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","cipheroptions":{}}"#;

/// Tells whether a character may be shown, by a list of the test's own.
fn may_be_shown(c: char) -> bool {
    let number = u32::from(c);
    let hidden = [
        (0, 0x9),
        (0xb, 0x1f),
        (0x7f, 0x9f),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x206f),
        (0x3164, 0x3164),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfffb),
        (0xe0000, 0xe0fff),
    ];
    !hidden.iter().any(|(first, last)| (*first..=*last).contains(&number))
}

#[track_caller]
fn assert_harmless(what: &str, printed: &str) {
    let hidden = printed.chars().find(|c| !may_be_shown(*c));
    assert_eq!(hidden, None, "{what}: {printed:?}");
    let forged = printed.lines().find(|line| line.trim_start().starts_with("forged"));
    assert_eq!(forged, None, "{what}: {printed:?}");
}

/// Tells whether a text is in some string or key of a document.
fn holds(document: &Value, text: &str) -> bool {
    match document {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(members) => {
            members.iter().any(|(key, value)| key.contains(text) || holds(value, text))
        }
        _ => false,
    }
}

impl Stranger {
    /// Runs a command, and holds that it shows the stranger's text without any character that acts.
    #[track_caller]
    fn shows(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        let said = done.said();
        assert!(
            done.stdout.contains("evil") || done.stderr.contains("evil"),
            "{arguments:?}: {said}"
        );
        self.assert_harmless(arguments, &done);
        done
    }

    #[track_caller]
    fn assert_harmless(&self, arguments: &[&str], done: &Done) {
        assert!(done.status.is_some_and(|status| status != 101), "{}", done.said());
        assert_harmless(&format!("{arguments:?} on standard output"), &done.stdout);
        assert_harmless(&format!("{arguments:?} on standard error"), &done.stderr);
    }

    /// Runs a command whose result is JSON, and holds that programs get the text as it is.
    #[track_caller]
    fn tells_programs(&self, arguments: &[&str]) {
        let done = self.run(&[arguments, &["--output=json"]].concat()).with_status(0);
        self.assert_harmless(arguments, &done);
        assert!(holds(&done.json(), HOSTILE), "{arguments:?}: {}", done.said());
    }
}

const INSPECT: [&str; 2] = ["inspect", "oci:image:it"];
const DRY_RUN: [&str; 5] =
    ["push", "r.example/app", "--from=oci:image:it", "--all-layers", "--dry-run"];

#[test]
fn a_platform_cannot_turn_the_terminal_around() {
    for member in ["os", "architecture", "variant"] {
        let mut stranger = Stranger::new();
        stranger.config[member] = HOSTILE.into();
        stranger.write();
        stranger.tells_programs(&INSPECT);
        let wanted = [&INSPECT[..], &["--platform=linux/s390x"]].concat();
        for arguments in [&INSPECT[..], &DRY_RUN, &wanted] {
            let done = stranger.run(arguments);
            stranger.assert_harmless(arguments, &done);
        }
    }
}

#[test]
fn a_platform_in_an_index_cannot_turn_the_terminal_around() {
    let mut stranger = Stranger::new();
    stranger.write();
    let index: Value =
        serde_json::from_slice(&fs::read(stranger.path("image/index.json")).unwrap()).unwrap();
    let mut child = index["manifests"][0].clone();
    child["platform"] = json!({ "os": "linux", "architecture": "amd64", "variant": HOSTILE });
    let mut other = child.clone();
    other["platform"] = json!({ "os": HOSTILE, "architecture": "amd64" });
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [child, other],
    });
    let index = index.to_string();
    let mut entry = json!({ "annotations": { REF_NAME: "it" } });
    stranger.fill(&mut entry, "application/vnd.oci.image.index.v1+json", index.as_bytes());
    stranger.write_index(&[entry]);
    for more in [&[][..], &["--platform=linux/s390x"]] {
        stranger.shows(&[&INSPECT[..], more].concat());
        stranger.shows(&[&DRY_RUN[..], more].concat());
    }
}

#[test]
fn history_and_variables_cannot_pass_for_lines_of_ours() {
    let members = ["User", "WorkingDir", "Entrypoint", "Cmd", "Env", "Labels"];
    let values = [
        json!(HOSTILE),
        json!([HOSTILE]),
        json!([HOSTILE]),
        json!([HOSTILE]),
        json!([format!("{HOSTILE}=value"), format!("A={HOSTILE}")]),
        json!({ HOSTILE: HOSTILE }),
    ];
    for (member, value) in members.into_iter().zip(values) {
        let mut stranger = Stranger::new();
        stranger.config["config"] = json!({ member: value });
        stranger.write();
        stranger.shows(&INSPECT);
        stranger.tells_programs(&INSPECT);
    }
    let mut stranger = Stranger::new();
    stranger.config["config"] = json!({ "Env": [format!("{HOSTILE}=value")] });
    stranger.config["history"] = json!([{ "created_by": format!("RUN |1 {HOSTILE}=x /bin/sh") }]);
    stranger.write();
    stranger.shows(&INSPECT);
    stranger.tells_programs(&INSPECT);
    // A config in clear, with warnings about its exposed names.
    stranger.shows(&[&DRY_RUN[..], &[AGE]].concat());
    stranger.shows(&["copy", "oci:image:it", "oci:sealed:it", "--all-layers", AGE]);
}

#[test]
fn media_types_cannot_steer_the_terminal() {
    let mut stranger = Stranger::new();
    stranger.manifest["layers"][0]["mediaType"] = HOSTILE.into();
    stranger.write();
    stranger.tells_programs(&INSPECT);
    let copy = ["copy", "oci:image:it", "docker-archive:out.tar"];
    let done = stranger.run(&copy);
    stranger.assert_harmless(&copy, &done);
    let mut stranger = Stranger::new();
    stranger.manifest["mediaType"] = HOSTILE.into();
    stranger.write();
    stranger.shows(&INSPECT);
}

#[test]
fn digests_cannot_steer_the_terminal() {
    for digest in [HOSTILE.to_owned(), format!("sha256:{HOSTILE}"), format!("{HOSTILE}:00")] {
        let mut stranger = Stranger::new();
        stranger.manifest["layers"][0]["digest"] = digest.as_str().into();
        stranger.write();
        for arguments in [&INSPECT[..], &DRY_RUN] {
            let done = stranger.run(arguments);
            stranger.assert_harmless(arguments, &done);
            assert_eq!(done.status, Some(5), "{}", done.said());
        }
    }
}

#[test]
fn names_in_a_layout_cannot_steer_the_terminal() {
    let mut stranger = Stranger::new();
    stranger.entry["annotations"][REF_NAME] = HOSTILE.into();
    stranger.write();
    stranger.shows(&["inspect", "oci:image:missing"]);
    let index: Value =
        serde_json::from_slice(&fs::read(stranger.path("image/index.json")).unwrap()).unwrap();
    let entry = &index["manifests"][0];
    stranger.write_index(&[entry.clone(), entry.clone()]);
    stranger.shows(&["inspect", "oci:image"]);
}

#[test]
fn names_of_key_schemes_cannot_steer_the_terminal() {
    let mut stranger = Stranger::new();
    let scheme = format!("org.opencontainers.image.enc.keys.{HOSTILE}");
    stranger.manifest["layers"][0] = json!({
        "mediaType": format!("{LAYER}+encrypted"),
        "annotations": { scheme: "AAAA", "org.opencontainers.image.enc.pubopts": STANDARD.encode(PUBLIC_OPTIONS) },
    });
    stranger.write();
    let done = stranger.run(&INSPECT);
    stranger.assert_harmless(&INSPECT, &done);
    assert!(done.said().contains("evil"), "{}", done.said());
}

/// Makes a tar file with names that the library refuses.
fn tar_of(entries: &[(&str, String)], mode: u32) -> Vec<u8> {
    let add = |archive: Tar, (name, content): &(&str, String)| {
        archive.file_with_mode(name, content.as_bytes(), mode)
    };
    entries.iter().fold(Tar::new(), add).bytes()
}

/// Short enough for the name of a file in a tar file.
const NAME: &str = "evil\u{1b}[2J\u{9b}1m\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\r\nforged";

#[test]
fn names_of_files_cannot_steer_the_terminal_of_who_locks_them() {
    let mut stranger = Stranger::new();
    // Neither can be locked as it is: set-user-ID programs, and paths that lead elsewhere.
    for (name, mode) in [(NAME.to_owned(), 0o4755), (format!("{NAME}/../x"), 0o644)] {
        stranger.layer = tar_of(&[(&name, "x".to_owned())], mode);
        stranger.write();
        let lock = ["lock", "--from=oci:image:it", "--to=oci:locked:it", "--all-layers", AGE];
        stranger.shows(&lock);
        stranger.shows(&[&lock[..], &["--force", "--verbose"]].concat());
    }
}

#[test]
fn names_in_archives_cannot_steer_the_terminal() {
    let stranger = Stranger::new();
    let archive = |entries: &[(&str, String)]| {
        fs::write(stranger.path("image.tar"), tar_of(entries, 0o644)).unwrap();
    };
    let manifest = |member: &str, value: Value| {
        let mut image = json!({ "Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar"] });
        image[member] = value;
        json!([image, image]).to_string()
    };
    for manifest in [
        manifest("RepoTags", json!([format!("app:1{HOSTILE}")])),
        manifest("RepoTags", json!([HOSTILE])),
        manifest("Config", json!(HOSTILE)),
        manifest("Layers", json!([HOSTILE])),
    ] {
        archive(&[("manifest.json", manifest), ("c.json", "{}".to_owned())]);
        for name in ["docker-archive:image.tar", "docker-archive:image.tar:app:2"] {
            let done = stranger.run(&["inspect", name]);
            stranger.assert_harmless(&[name], &done);
            assert_ne!(done.status, Some(0), "{}", done.said());
        }
    }
    archive(&[(&format!("../{NAME}"), String::new())]);
    stranger.shows(&["inspect", "docker-archive:image.tar"]);
    stranger.shows(&["inspect", "oci-archive:image.tar"]);
}

/// Starts a registry that gives each request the same answer.
fn refusing(status: u16, body: &str) -> Server {
    let body = body.to_owned();
    let json = "application/json";
    Server::start(move |_, _| Reply::new(status).header("content-type", json).body(body.as_str()))
}

#[test]
fn words_of_a_registry_cannot_steer_the_terminal() {
    let stranger = Stranger::new();
    let bodies = [
        json!({ "errors": [{ "code": HOSTILE, "message": HOSTILE, "detail": HOSTILE }] }),
        json!({ "error": HOSTILE, "error_description": HOSTILE }),
        json!({ "details": HOSTILE }),
        json!({ "message": HOSTILE }),
    ];
    for body in bodies {
        for status in [400, 403, 404] {
            let registry = refusing(status, &body.to_string());
            let pull = [
                "pull",
                &format!("{}/app:1", registry.host()),
                "--to=oci:out",
                "--pass-file=key",
                "--plain-http",
            ];
            stranger.shows(&pull);
            stranger.shows(&[&pull[..], &["--verbose"]].concat());
        }
    }
}

#[test]
fn documents_of_a_registry_cannot_steer_the_log() {
    let stranger = Stranger::new();
    let hostile = json!({ "schemaVersion": 2, "mediaType": HOSTILE, "layers": [] });
    let registry = refusing(200, &hostile.to_string());
    let inspect = ["inspect", &format!("{}/app:1", registry.host()), "--verbose", "--plain-http"];
    let done = stranger.run(&inspect);
    stranger.assert_harmless(&inspect, &done);
    assert_ne!(done.status, Some(0), "{}", done.said());
}
