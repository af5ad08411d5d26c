//! Packed programs in containers that hold nothing else, under the engine's own confinement and
//! stricter ones.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Builder, Done, Engine, EngineImage};

use crate::programs::{Kind, MARK};
use crate::workshop::{PASSPHRASE, Workshop, assert_refused};

/// Packed programs, for all the tests here: under a passphrase, and to a recipient.
fn packed() -> &'static [Vec<u8>; 2] {
    static PACKED: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    PACKED.get_or_init(|| {
        let workshop = Workshop::new();
        // The costs of the key derivation are the default here.
        let under_passphrase = workshop.pack_with(Kind::Go.path(), &["--pass-file", "key"]);
        let to_recipient = workshop.pack(Kind::CStatic.path());
        [under_passphrase, to_recipient].map(|path| fs::read(path).unwrap())
    })
}

fn image<'e>(engine: &'e Engine, packed: &[u8]) -> EngineImage<'e> {
    let dockerfile = "FROM scratch\nCOPY program /program\nCMD [\"/program\"]\n";
    engine.build(Builder::Classic, dockerfile, &[("program", packed)])
}

/// Runs a container without a terminal.
fn run(engine: &Engine, image: &EngineImage<'_>, options: &[&str], arguments: &[&str]) -> Done {
    let arguments =
        [&["run", "--rm", "--network", "none"], options, &[image.name()], arguments].concat();
    Done::of(&mut engine.docker(&arguments))
}

const HARDENED: [&str; 7] =
    ["--read-only", "--user", "1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];

#[test]
fn program_runs_from_scratch_and_hardened() {
    let engine = Engine::from_env();
    let [under_passphrase, to_recipient] = packed();
    for (packed, key) in [(under_passphrase, PASSPHRASE), (to_recipient, &*key_pair().identity)] {
        let image = image(&engine, packed);
        let right = format!("BP={key}");
        for options in [&["-e", &right][..], &[&HARDENED[..], &["-e", &right]].concat()] {
            let done = run(&engine, &image, options, &[]).with_status(0);
            assert_eq!((&*done.stdout, &*done.stderr), (&*format!("{MARK}\n"), ""));
        }
        for options in [&["-e", "BP=wrong"][..], &[&HARDENED[..], &["-e", "BP=wrong"]].concat()] {
            assert_refused(run(&engine, &image, options, &[]), 3, "wrong key");
        }
        for place in ["BP", "BP_FILE", "/run/secrets/bp"] {
            assert_refused(run(&engine, &image, &HARDENED, &[]), 3, place);
        }
    }
}

#[test]
fn exit_status_and_variables_are_the_programs() {
    let engine = Engine::from_env();
    let image = image(&engine, &packed()[1]);
    let key = format!("BP={}", key_pair().identity);
    let options = ["-e", &key, "-e", "SEEN=yes"];
    run(&engine, &image, &options, &["/program", "exit", "53"]).with_status(53);
    let done = run(&engine, &image, &options, &["/program", "report"]).with_status(0);
    assert!(done.stdout.contains("variable: SEEN=yes\n"), "{}", done.said());
    assert!(!done.stdout.contains("BP="), "{}", done.said());
    assert!(done.stdout.contains("argument 0: /program\nargument 1: report\n"), "{}", done.said());
}

#[test]
fn secret_in_a_file_opens() {
    let engine = Engine::from_env();
    let workshop = Workshop::new();
    let image = image(&engine, &packed()[0]);
    let key = workshop.path("key");
    for (place, options) in
        [("/run/secrets/bp", &[][..]), ("/elsewhere/key", &["-e", "BP_FILE=/elsewhere/key"])]
    {
        let mount = format!("{}:{place}:ro", key.display());
        let options = [&["-v", &mount], options].concat();
        run(&engine, &image, &options, &[]).with_status(0).prints(&format!("{MARK}\n"));
    }
}

#[test]
fn limit_of_memory_is_said_and_does_not_kill() {
    let engine = Engine::from_env();
    let workshop = Workshop::new();
    let packed = workshop.pack_with(Kind::RustStatic.path(), &["--pass-file", "key"]);
    let image = image(&engine, &fs::read(packed).unwrap());
    let key = format!("BP={PASSPHRASE}");
    let within = |limit: &str| {
        let options = ["--memory", limit, "--memory-swap", limit, "-e", &key];
        run(&engine, &image, &options, &[])
    };
    assert_refused(within("8m").says("limit is 8 MiB"), 1, "not enough memory");
    // The key derivation alone takes 64 MiB where there is room.
    for limit in ["12m", "16m", "24m", "32m", "48m", "64m", "80m", "128m"] {
        within(limit).with_status(0).prints(&format!("{MARK}\n"));
    }
}

#[test]
fn request_to_end_reaches_the_first_process() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let engine = Engine::from_env();
    for (packed, key) in packed().iter().zip([PASSPHRASE, &key_pair().identity]) {
        let image = image(&engine, packed);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sealcrate-test-serving-{}-{count}", std::process::id());
        let key = format!("BP={key}");
        let options = ["--detach", "--network", "none", "--name", &name, "-e", &key];
        engine.run(&[&["run"], &options[..], &[image.name(), "/program", "serve"]].concat());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while engine.run(&["logs", &name]) != "serving as 1" {
            assert!(std::time::Instant::now() < deadline, "it does not serve");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        engine.run(&["stop", "--time", "60", &name]);
        let status = engine.run(&["inspect", "--format", "{{.State.ExitCode}}", &name]);
        let log = engine.run(&["logs", &name]);
        engine.run(&["rm", &name]);
        assert_eq!((&*status, &*log), ("42", "serving as 1\nasked to end"));
    }
}

/// A filter for system calls that makes one fail as a kernel or a policy would.
fn seccomp(workshop: &Workshop, call: &str, error: u32, argument: Option<(u32, u64)>) -> String {
    let arguments = argument.map_or(serde_json::json!([]), |(index, bits)| {
        serde_json::json!([{
            "index": index, "value": bits, "valueTwo": bits, "op": "SCMP_CMP_MASKED_EQ",
        }])
    });
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{
            "names": [call],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": error,
            "args": arguments,
        }],
    });
    let path = workshop.write("profile.json", profile.to_string());
    format!("seccomp={}", path.to_str().unwrap())
}

const EPERM: u32 = 1;
const EINVAL: u32 = 22;
const ENOSYS: u32 = 38;

#[test]
fn kernel_that_does_not_know_the_newest_flag_is_asked_without_it() {
    let (engine, workshop) = (Engine::from_env(), Workshop::new());
    let image = image(&engine, &packed()[1]);
    let key = format!("BP={}", key_pair().identity);
    const MFD_EXEC: u64 = 0x10;
    let profile = seccomp(&workshop, "memfd_create", EINVAL, Some((1, MFD_EXEC)));
    let options = ["--security-opt", &profile, "-e", &key];
    run(&engine, &image, &options, &[]).with_status(0).prints(&format!("{MARK}\n"));
}

#[test]
fn what_a_policy_forbids_is_named() {
    let (engine, workshop) = (Engine::from_env(), Workshop::new());
    let image = image(&engine, &packed()[1]);
    let key = format!("BP={}", key_pair().identity);
    for (call, error) in
        [("memfd_create", EPERM), ("memfd_create", ENOSYS), ("memfd_create", EINVAL)]
    {
        let profile = seccomp(&workshop, call, error, None);
        let options = ["--security-opt", &profile, "-e", &key];
        let done = run(&engine, &image, &options, &[]);
        assert!(!done.stderr.contains("wrong key"), "{}", done.said());
        assert_refused(done, 1, "in memory");
    }
}

#[test]
fn program_runs_where_a_policy_forbids_execveat() {
    let (engine, workshop) = (Engine::from_env(), Workshop::new());
    let image = image(&engine, &packed()[1]);
    let key = format!("BP={}", key_pair().identity);
    for error in [EPERM, ENOSYS] {
        let profile = seccomp(&workshop, "execveat", error, None);
        let options = [&HARDENED[..], &["--security-opt", &profile, "-e", &key]].concat();
        run(&engine, &image, &options, &[]).with_status(0).prints(&format!("{MARK}\n"));
    }
}

/// A derivation that is asked to be expensive takes the memory that there is, and no more.
#[test]
fn expensive_derivation_takes_the_memory_that_the_limit_allows() {
    let engine = Engine::from_env();
    let workshop = Workshop::new();
    let options = ["--pass-file", "key", "--work-factor=18"];
    let packed = workshop.pack_with(Kind::CStatic.path(), &options);
    let image = image(&engine, &fs::read(packed).unwrap());
    let key = format!("BP={PASSPHRASE}");
    // 2^18 KiB are 256 MiB. The stub takes half of the memory, in powers of two, and 64 MiB at least.
    for (limit, least, most) in [("80m", 60, 76), ("300m", 128, 140), ("600m", 256, 270)] {
        let options = ["--memory", limit, "--memory-swap", limit, "-e", &key];
        let done = run(&engine, &image, &options, &["/program", "peak"]).with_status(0);
        let mib = done.stdout.trim().parse::<u32>().unwrap() >> 10;
        assert!((least..most).contains(&mib), "{mib} MiB of {limit}");
    }
}

/// If the folder is missing, the stub names the option that helps.
#[test]
fn program_in_a_folder_runs_with_the_option_that_is_advised() {
    let (engine, workshop) = (Engine::from_env(), Workshop::new());
    let recipient = &key_pair().recipient;
    let options = ["-r", recipient, "--in-folder", "/opt/app"];
    let packed = workshop.pack_with(Kind::CStatic.path(), &options);
    let image = image(&engine, &fs::read(packed).unwrap());
    let key = format!("BP={}", key_pair().identity);
    for confined in [&[][..], &HARDENED] {
        let options = [confined, &["-e", &key]].concat();
        let refused = run(&engine, &image, &options, &[]);
        let (_, advice) = refused.stderr.trim_end().split_once("start it with --tmpfs ").unwrap();
        let options = [&options[..], &["--tmpfs", advice]].concat();
        let done = run(&engine, &image, &options, &["/program", "report"]).with_status(0);
        assert!(done.stdout.starts_with("argument 0: /opt/app/CStatic\n"), "{}", done.said());
        assert_refused(refused, 1, "/opt/app is not memory of its own");
    }
}

#[test]
fn memory_that_holds_the_key_cannot_be_dumped() {
    let engine = Engine::from_env();
    let image = image(&engine, &packed()[1]);
    let key = format!("BP={}", key_pair().identity);
    let done = run(&engine, &image, &["-e", &key], &["/program", "report"]).with_status(0);
    // That is over when the program runs: its dumps are its own.
    assert!(done.stdout.contains("dumpable: 1\n"), "{}", done.said());
}

#[test]
fn image_starts_by_digest_as_any_other() {
    let engine = Engine::from_env();
    let registry = sealcrate_tests::Registry::plain();
    let image = image(&engine, &packed()[1]);
    let name = format!("{}/team/program:1", registry.host());
    let _tagged = engine.remove_on_drop(&name);
    engine.run(&["tag", image.name(), &name]);
    engine.run(&["push", "--quiet", &name]);
    let by_digest = engine.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &name]);
    assert!(by_digest.contains("@sha256:"), "{by_digest}");
    let key = format!("BP={}", key_pair().identity);
    let arguments = ["run", "--rm", "--network", "none", "-e", &key, &by_digest];
    assert_eq!(engine.run(&arguments), MARK);
}

#[test]
fn shown_by_the_engine_is_a_key_that_was_given_as_a_variable() {
    // The threat model says this of `-e`. Here it is tried.
    let (engine, workshop) = (Engine::from_env(), Workshop::new());
    let image = image(&engine, &packed()[0]);
    let created = |options: &[&str]| {
        let id = engine.run(&[&["create", "--network", "none"], options, &[image.name()]].concat());
        let shown = engine.run(&["inspect", &id]);
        engine.run(&["rm", &id]);
        shown
    };
    assert!(created(&["-e", &format!("BP={PASSPHRASE}")]).contains(PASSPHRASE));
    // A container that got the key so hands it on.
    let committed = |options: &[&str]| {
        let id = engine.run(&[&["create", "--network", "none"], options, &[image.name()]].concat());
        let name = format!("{}-committed", image.name());
        let _committed = engine.remove_on_drop(&name);
        engine.run(&["commit", &id, &name]);
        engine.run(&["rm", &id]);
        engine.run(&["inspect", &name])
    };
    assert!(committed(&["-e", &format!("BP={PASSPHRASE}")]).contains(PASSPHRASE));
    let mount = format!("{}:/run/secrets/bp:ro", Path::new(&workshop.path("key")).display());
    assert!(!created(&["-v", &mount]).contains(PASSPHRASE));
    assert!(!committed(&["-v", &mount]).contains(PASSPHRASE));
}
