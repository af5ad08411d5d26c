//! Every kind of ELF file runs when it is packed, and comes back bit by bit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;

use crate::programs::{Kind, MARK, smallest};
use crate::workshop::{Workshop, assert_refused, start, start_with_key};

fn packed_runs_and_comes_back(kind: Kind) {
    let workshop = Workshop::new();
    let packed = workshop.pack(kind.path());
    Done::of(&mut start(kind.path())).with_status(0).prints(&format!("{MARK}\n"));
    Done::of(&mut start_with_key(&packed)).with_status(0).prints(&format!("{MARK}\n"));
    Done::of(start_with_key(&packed).args(["exit", "77"])).with_status(77);
    assert_refused(Done::of(start(&packed).env("BP", "wrong")), 3, "wrong key");

    let packed = packed.to_str().unwrap();
    workshop.succeed(&["unpack", packed, "-i", "identity", "-o", "unpacked"]);
    let unpacked = workshop.path("unpacked");
    assert!(fs::read(&unpacked).unwrap() == fs::read(kind.path()).unwrap(), "{kind:?}");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(unpacked.as_path()), mode(kind.path()));
}

#[test]
fn static_program_in_c() {
    packed_runs_and_comes_back(Kind::CStatic);
}

#[test]
fn static_program_in_c_at_any_address() {
    packed_runs_and_comes_back(Kind::CStaticPie);
}

#[test]
fn stripped_static_program_in_c() {
    packed_runs_and_comes_back(Kind::CStaticStripped);
}

#[test]
fn dynamic_program_in_c() {
    packed_runs_and_comes_back(Kind::CDynamic);
}

#[test]
fn dynamic_program_in_c_at_any_address() {
    packed_runs_and_comes_back(Kind::CPie);
}

#[test]
fn stripped_dynamic_program_in_c() {
    packed_runs_and_comes_back(Kind::CPieStripped);
}

#[test]
fn dynamic_program_with_musl() {
    packed_runs_and_comes_back(Kind::MuslDynamic);
}

#[test]
fn static_program_with_musl() {
    packed_runs_and_comes_back(Kind::MuslStatic);
}

#[test]
fn program_in_go() {
    packed_runs_and_comes_back(Kind::Go);
}

#[test]
fn stripped_program_in_go() {
    packed_runs_and_comes_back(Kind::GoStripped);
}

#[test]
fn program_in_rust() {
    packed_runs_and_comes_back(Kind::Rust);
}

#[test]
fn static_program_in_rust() {
    packed_runs_and_comes_back(Kind::RustStatic);
}

#[test]
fn program_without_any_section() {
    let workshop = Workshop::new();
    let bare = workshop.path("bare");
    fs::copy(smallest(), &bare).unwrap();
    // e_shoff, e_shentsize, e_shnum, e_shstrndx
    let mut bytes = fs::read(&bare).unwrap();
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    fs::write(&bare, bytes).unwrap();
    let packed = workshop.pack(&bare);
    Done::of(&mut start_with_key(&packed)).with_status(9).prints("ran\n");
}

#[test]
fn every_compression_runs_and_comes_back() {
    let workshop = Workshop::new();
    let recipient = &sealcrate_tests::fixtures::key_pair().recipient;
    let mut sizes = Vec::new();
    for compression in ["none", "lz4", "zstd"] {
        let options = ["-r", recipient, "--compress", compression];
        let packed = workshop.pack_with(Kind::Go.path(), &options);
        Done::of(&mut start_with_key(&packed)).with_status(0).prints(&format!("{MARK}\n"));
        let unpacked = workshop.path(compression);
        let paths = [&packed, &unpacked].map(|path| path.to_str().unwrap());
        workshop.succeed(&["unpack", paths[0], "-i", "identity", "-o", paths[1]]);
        assert!(fs::read(&unpacked).unwrap() == fs::read(Kind::Go.path()).unwrap());
        sizes.push(fs::metadata(&packed).unwrap().len());
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
}

#[test]
fn packed_program_survives_strip() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::Go.path());
    for options in [&["--strip-all"][..], &["--strip-debug"], &["--strip-unneeded"]] {
        let stripped = workshop.path("stripped");
        let mut strip = Command::new("strip");
        Done::of(strip.args(options).arg("-o").arg(&stripped).arg(&packed)).with_status(0);
        Done::of(&mut start_with_key(&stripped)).with_status(0).prints(&format!("{MARK}\n"));
    }
}

#[test]
fn packed_program_is_an_elf_file_like_others() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::Go.path());
    let done = Done::of(Command::new("readelf").args(["-aW"]).arg(&packed)).with_status(0);
    assert_eq!(done.stderr, "", "{}", done.said());
    assert!(done.stdout.contains("EXEC (Executable file)"), "{}", done.said());
    assert!(!done.stdout.contains("INTERP"), "{}", done.said());
}

#[test]
fn packed_program_keeps_the_mode_of_the_file() {
    let workshop = Workshop::new();
    let program = workshop.path("program");
    fs::copy(smallest(), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o750)).unwrap();
    let packed = workshop.pack(&program);
    assert_eq!(fs::metadata(packed).unwrap().permissions().mode() & 0o7777, 0o750);
}

#[test]
fn packed_program_reads_its_own_standard_input() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    let text = workshop.write("text", "what is read\n");
    let mut copying = start_with_key(&packed);
    copying.arg("copy").stdin(fs::File::open(text).unwrap()).stdout(Stdio::piped());
    Done::of(&mut copying).with_status(0).prints("what is read\n");
}

#[test]
fn packed_program_can_be_started_twice_at_a_time() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    let children = [0, 1].map(|_| {
        let mut command = start_with_key(&packed);
        command.stdout(Stdio::piped()).spawn().unwrap()
    });
    for child in children {
        Done::from(child.wait_with_output().unwrap()).with_status(0).prints(&format!("{MARK}\n"));
    }
}
