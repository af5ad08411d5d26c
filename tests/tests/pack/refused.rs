//! The refusals and warnings of `pack`, and `keygen`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK, build_c, smallest};
use crate::workshop::{FAST, Workshop, start, start_with_key};

fn pack(workshop: &Workshop, program: &Path, options: &[&str]) -> Done {
    let arguments = ["pack", program.to_str().unwrap(), "-o", "out", "-r", &key_pair().recipient];
    Done::of(&mut workshop.sealcrate(&[&arguments, options].concat()))
}

/// Asserts that `pack` refuses a file, and names its kind.
#[track_caller]
fn assert_not_packed(workshop: &Workshop, program: &Path, text: &str) {
    pack(workshop, program, &[]).failed(1).says(text);
    assert!(!workshop.path("out").exists());
    workshop.sandbox.assert_nothing_is_left();
}

#[test]
fn what_is_no_program_is_named() {
    let workshop = Workshop::new();
    let script = workshop.write("script", "#!/bin/sh\necho hello\n");
    assert_not_packed(&workshop, &script, "script");
    assert_not_packed(&workshop, &workshop.write("empty", ""), "empty");
    assert_not_packed(
        &workshop,
        &workshop.write("text", "hello, world\n"),
        "not a program for Linux",
    );
    assert_not_packed(&workshop, &workshop.path("."), "not a regular file");
    assert_not_packed(&workshop, Path::new("/dev/zero"), "not a regular file");
    assert_not_packed(&workshop, &workshop.path("missing"), "missing");
}

#[test]
fn elf_file_that_cannot_be_started_is_named() {
    let workshop = Workshop::new();
    assert_not_packed(&workshop, &build_c("object", &["-c"]), "object file");
    let library = build_c("library", &["-shared", "-fPIC"]);
    assert_not_packed(&workshop, &library, "shared library");
    let bytes = fs::read(Kind::CPie.path()).unwrap();
    for length in [4, 63, 64, 200, bytes.len() / 2] {
        let truncated = workshop.write("truncated", &bytes[..length]);
        assert_not_packed(&workshop, &truncated, "cut off");
    }
}

#[test]
fn program_for_a_machine_without_a_stub_is_named() {
    let workshop = Workshop::new();
    let mut bytes = fs::read(smallest()).unwrap();
    // e_machine: RISC-V, then none that there is.
    for (machine, name) in [(243_u16, "RISC-V"), (0xfeed, "65261")] {
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        let done = pack(&workshop, &workshop.write("foreign", &bytes), &[]).failed(1);
        let said = done.stderr.to_lowercase();
        assert!(said.contains(&name.to_lowercase()), "{}", done.said());
    }
}

#[test]
fn packed_program_is_not_packed_again() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    assert_not_packed(&workshop, &packed, "packed already");
}

#[test]
fn run_path_beside_the_program_is_warned_of() {
    let workshop = Workshop::new();
    let beside = build_c("beside", &["-Wl,-rpath,$ORIGIN/../lib"]);
    let done = pack(&workshop, &beside, &[]).with_status(0);
    let warnings = done.lines("warning: ");
    assert!(warnings.iter().any(|line| line.contains("$ORIGIN")), "{}", done.said());
    let elsewhere = build_c("elsewhere", &["-Wl,-rpath,/opt/ORIGIN/lib"]);
    pack(&workshop, &elsewhere, &["--force"]).with_status(0).does_not_say("ORIGIN");
}

#[test]
fn set_user_id_is_refused_unless_forced() {
    let workshop = Workshop::new();
    let program = workshop.path("program");
    fs::copy(smallest(), &program).unwrap();
    for mode in [0o4755, 0o2755] {
        fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        assert_not_packed(&workshop, &program, "--force");
    }
    pack(&workshop, &program, &["--force"]).with_status(0);
    let mode = fs::metadata(workshop.path("out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "the packed file has no rights of its own");
    Done::of(&mut start_with_key(&workshop.path("out"))).with_status(9);
}

#[test]
fn file_capabilities_are_refused_unless_forced() {
    let workshop = Workshop::new();
    let program = workshop.path("program");
    fs::copy(smallest(), &program).unwrap();
    // In a user namespace of its own anybody may set them.
    let mut set = Command::new("unshare");
    set.args(["--map-root-user", "/usr/sbin/setcap", "cap_net_bind_service=ep"]).arg(&program);
    Done::of(&mut set).with_status(0);
    assert_not_packed(&workshop, &program, "capabilities");
    pack(&workshop, &program, &["--force"]).with_status(0);
    Done::of(&mut start_with_key(&workshop.path("out"))).with_status(9);
}

#[test]
fn file_that_is_there_is_not_overwritten_unless_forced() {
    let workshop = Workshop::new();
    workshop.write("out", "precious");
    pack(&workshop, smallest(), &[]).failed(1).says("--force");
    assert_eq!(fs::read(workshop.path("out")).unwrap(), b"precious");
    pack(&workshop, smallest(), &["--force"]).with_status(0);
    Done::of(&mut start_with_key(&workshop.path("out"))).with_status(9);
}

#[test]
fn contradictions_are_mistakes_of_usage() {
    let workshop = Workshop::new();
    let recipient = &key_pair().recipient;
    let program = smallest().to_str().unwrap();
    for options in [
        &["-r", recipient, "--pass-file", "key"][..],
        &["--pass-file", "key", "--pass-fd", "3"],
        &["-r", "age1qqqqqqqqqqqqqqqq"],
        &["-r", recipient, "--env", "1BP"],
        &["-r", recipient, "--env", ""],
        &["-r", recipient, "--env", "B=P"],
        &["-r", recipient, "--start-key-file", "relative"],
        &["-r", recipient, "--compress", "gzip"],
        &["--pass-file", "key", "--work-factor", "13"],
        &["--pass-file", "key", "--work-factor", "21"],
    ] {
        let arguments = [&["pack", program, "-o", "out"], options].concat();
        let done = Done::of(&mut workshop.sealcrate(&arguments)).with_status(2);
        assert!(done.stdout.is_empty() && done.stderr.starts_with("error: "), "{}", done.said());
        assert!(!workshop.path("out").exists());
    }
}

#[test]
fn short_passphrase_is_warned_of() {
    let workshop = Workshop::new();
    let program = smallest().to_str().unwrap();
    workshop.write("short", "abc");
    let arguments = ["pack", program, "-o", "out", "--pass-file", "short", FAST];
    let done = workshop.succeed(&arguments).says("keygen --passphrase");
    assert_eq!(done.lines("warning: ").len(), 1, "{}", done.said());
    let arguments = ["pack", program, "-o", "out2", "--pass-file", "key", FAST];
    workshop.succeed(&arguments).does_not_say("keygen");
}

#[test]
fn passphrase_comes_from_every_source_that_push_has() {
    let workshop = Workshop::new();
    let program = smallest().to_str().unwrap();
    let passphrase = "a long passphrase of no importance";
    workshop.write("long", format!("{passphrase}\n"));
    let pack = ["pack", program, "-o", "out", "--force", FAST];
    let opens = || Done::of(start(&workshop.path("out")).env("BP", passphrase)).with_status(9);
    for source in [["--pass-file", "long"], ["--pass", passphrase], ["-P", passphrase]] {
        workshop.succeed(&[&pack[..], &source].concat());
        opens();
    }
    let done = Done::of(workshop.sealcrate(&pack).env("SEALCRATE_PASS", passphrase));
    done.with_status(0);
    opens();
    Done::of(&mut workshop.sealcrate(&pack)).failed(3);
    opens();
}

#[test]
fn options_of_midgetpack_keep_their_meaning() {
    let workshop = Workshop::new();
    let program = smallest().to_str().unwrap();
    workshop.write("banner", "who asks?\n");
    let passphrase = "a long passphrase of no importance";
    let options = ["pack", "-p", "-P", passphrase, "-b", "banner", "-o", "out", program, FAST];
    workshop.succeed(&options);
    Done::of(start(&workshop.path("out")).env("BP", passphrase)).with_status(9);
}

#[test]
fn sum_of_the_packed_file_is_printed() {
    let workshop = Workshop::new();
    let done = pack(&workshop, smallest(), &[]).with_status(0);
    let sum = Done::of(Command::new("sha256sum").arg(workshop.path("out"))).with_status(0).stdout;
    let sum = sum.split_whitespace().next().unwrap();
    assert!(done.stdout.contains(sum), "{}", done.said());
}

#[test]
fn same_program_is_never_packed_the_same_way_twice() {
    let workshop = Workshop::new();
    let packed = [0, 1].map(|_| fs::read(workshop.pack(Kind::MuslStatic.path())).unwrap());
    let payloads = packed.map(|bytes| {
        let age = memchr::memmem::rfind(&bytes, b"age-encryption.org/v1\n").unwrap();
        bytes[age..].to_vec()
    });
    let common = payloads[0].iter().zip(&payloads[1]).filter(|(a, b)| a == b).count();
    assert!(common < payloads[0].len() / 20, "{common} of {}", payloads[0].len());
}

#[test]
fn nothing_of_the_program_is_in_the_packed_file() {
    let workshop = Workshop::new();
    let recipient = &key_pair().recipient;
    for compression in ["none", "lz4", "zstd"] {
        let options = ["-r", recipient, "--compress", compression];
        for kind in [Kind::Go, Kind::CStatic] {
            let packed = workshop.pack_with(kind.path(), &options);
            assert!(texts_of(kind.path()).len() > 100);
            assert!(texts_of(kind.path()).iter().any(|text| text.contains(MARK)));
            let stub = texts_of(&workshop.pack(smallest()));
            let seen = texts_of(&packed);
            let found: Vec<_> = texts_of(kind.path())
                .into_iter()
                .filter(|text| seen.contains(text) && !stub.contains(text))
                .collect();
            assert!(found.is_empty(), "{kind:?}, {compression}: {found:?}");
        }
    }
}

/// The texts of twelve characters or more that `strings` finds in a file.
fn texts_of(path: &Path) -> std::collections::HashSet<String> {
    let mut strings = Command::new("strings");
    let done = Done::of(strings.args(["--all", "--bytes=12"]).arg(path)).with_status(0);
    done.stdout.lines().map(ToOwned::to_owned).collect()
}

/// Makes a secret that goes to standard output.
fn printed_secret(workshop: &Workshop, keygen: &[&str]) -> String {
    Done::of_printing_a_secret(&mut workshop.sealcrate(keygen)).with_status(0).stdout
}

#[test]
fn generated_identity_opens_what_is_packed_to_it() {
    let workshop = Workshop::new();
    let done = workshop.succeed(&["keygen", "-o", "generated"]);
    let said = format!("{}{}", done.stdout, done.stderr);
    let recipient = said.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let mode = fs::metadata(workshop.path("generated")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Debian's tool derives the same recipient from the same file.
    let mut derive = workshop.sandbox.command("age-keygen");
    let derived = Done::of(derive.args(["-y", "generated"])).with_status(0).stdout;
    assert_eq!(derived.trim(), recipient);

    let packed = workshop.pack_with(smallest(), &["-r", recipient]);
    Done::of(start(&packed).env("BP_FILE", workshop.path("generated"))).with_status(9);
    Done::of(&mut workshop.sealcrate(&["keygen", "-o", "generated"])).failed(1);

    let printed = printed_secret(&workshop, &["keygen"]);
    let identity = printed.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    workshop.write("printed", format!("{identity}\n"));
    let mut derive = workshop.sandbox.command("age-keygen");
    Done::of(derive.args(["-y", "printed"])).with_status(0);
}

#[test]
fn generated_passphrase_is_long_and_never_the_same() {
    let workshop = Workshop::new();
    let [one, other] = [0, 1].map(|_| printed_secret(&workshop, &["keygen", "--passphrase"]));
    assert_ne!(one, other);
    assert_eq!(one.lines().count(), 1);
    assert!(one.trim().len() >= 22, "{one}");
    workshop.write("generated", &one);
    let options = ["--pass-file", "generated", FAST];
    let packed = workshop.pack_with(smallest(), &options);
    Done::of(start(&packed).env("BP", one.trim_end_matches('\n'))).with_status(9);
}

#[test]
fn targets_are_listed_with_the_size_of_their_stubs() {
    let workshop = Workshop::new();
    let listed = workshop.succeed(&["pack", "--list-targets"]).stdout;
    let size = listed.lines().find_map(|line| line.strip_prefix("amd64\t")).unwrap();
    let packed = workshop.pack(smallest());
    let size: u64 = size.parse().unwrap();
    assert!((1..fs::metadata(packed).unwrap().len()).contains(&size));
    // Every packed program has the stub in it, so the stub stays small.
    assert!(size <= 144 << 10, "{size}");

    let listed = workshop.succeed(&["pack", "--list-targets", "--output=json"]).json();
    assert_eq!(listed["targets"][0]["name"], "amd64");
    assert_eq!(listed["targets"][0]["stub_bytes"], size);
}

#[test]
fn build_tells_which_targets_it_has_and_which_not() {
    let workshop = Workshop::new();
    let all = ["amd64", "arm64", "armv7", "i386"];
    let listed = workshop.succeed(&["pack", "--list-targets", "--output=json"]).json();
    let names = |member: &str| -> Vec<String> {
        let list = listed[member].as_array().unwrap().iter();
        list.map(|item| item["name"].as_str().or(item.as_str()).unwrap().to_owned()).collect()
    };
    let (there, missing) = (names("targets"), names("missing"));
    let mut both = [there.clone(), missing.clone()].concat();
    both.sort();
    assert_eq!(both, all);

    let text = workshop.succeed(&["pack", "--list-targets"]).stdout;
    let is_missing =
        |name: &str| text.lines().any(|line| line == format!("{name}\tnot in this build"));
    for name in all {
        assert_eq!(is_missing(name), missing.iter().any(|other| other == name), "{text}");
    }

    let version = workshop.succeed(&["--version"]).stdout;
    let told = workshop.succeed(&["--version", "--verbose"]).stdout;
    let list = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
    let expected = format!(
        "{version}stubs: {}\nstubs that are not in this build: {}\n",
        list(&there),
        list(&missing)
    );
    assert_eq!(told, expected);
}
