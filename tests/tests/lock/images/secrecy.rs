//! Nothing private is in the registry or in the engine's storage.

use std::fs;
use std::io::Read;
use std::path::Path;

use sealcrate_tests::fixtures::wait_until;
use sealcrate_tests::{Done, Registry, files_containing};

use crate::container::Container;
use crate::fixture::{Locksmith, PRIVATE, key, new_key_pair};

const MARK: &str = "mark-that-nobody-may-see-8531";

/// Returns the content of a file, decompressed if it is gzip.
fn decompressed(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut plain = Vec::new();
    match flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain) {
        Ok(_) => plain,
        Err(_) => bytes,
    }
}

#[test]
fn nothing_private_is_in_the_registry_or_the_engines_storage() {
    let locksmith = Locksmith::new();
    let engine = &locksmith.engine;
    let lines = format!(
        "{PRIVATE}ENV SETTING={MARK}\nLABEL mine={MARK}\nCOPY {MARK} /app/{MARK}\n\
         CMD [\"sh\", \"-c\", \"echo $SETTING; cat /app/*; sleep 100\"]\n"
    );
    let original = locksmith.build(&lines, &[(MARK, format!("{MARK}\n").as_bytes())]);
    // A key pair of this test alone: other tests give their keys in variables, which the engine stores.
    let (identity, recipient) = new_key_pair();
    let secret = locksmith.path("own");
    fs::write(&secret, &identity).unwrap();
    let locked = locksmith.lock_for(&original, &["-r", &recipient]);
    engine.run(&["image", "rm", "--force", original.name()]);

    let registry = Registry::plain();
    let name = format!("{}/team/app:1", registry.host());
    let _tagged = engine.remove_on_drop(&name);
    engine.run(&["tag", locked.name(), &name]);
    engine.run(&["push", "--quiet", &name]);
    let blobs = registry.blobs();
    assert!(blobs.len() > 3);
    for blob in blobs {
        assert!(memchr::memmem::find(&decompressed(&blob), MARK.as_bytes()).is_none(), "{blob:?}");
    }

    let root = engine.run(&["info", "--format", "{{.DockerRootDir}}"]);
    let mount = format!("{}:/run/secrets/sealcrate_key:ro", secret.display());
    let digest = engine.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &name]);
    let id = engine.run(&["run", "-d", "--network", "none", "-v", &mount, &digest]);
    wait_until("the container", || engine.run(&["logs", &id]).lines().count() == 2);
    let logs = engine.run(&["logs", &id]);
    // The writable layer has the mount points, and an export of everything on disk has no more.
    let changed = engine.run(&["diff", &id]);
    let exported = locksmith.path("exported.tar");
    engine.run(&["export", "-o", exported.to_str().unwrap(), &id]);
    let init = files_containing(&locksmith.sandbox.work(), b".sealcrate/init");
    let in_export = files_containing(&locksmith.sandbox.work(), MARK.as_bytes());
    let inspected = engine.run(&["inspect", &id]);
    let while_it_runs = files_containing(Path::new(&root), MARK.as_bytes());
    let with_key = files_containing(Path::new(&root), identity.as_bytes());
    engine.run(&["rm", "-f", &id]);
    let afterwards = files_containing(Path::new(&root), MARK.as_bytes());
    assert_eq!(logs, format!("{MARK}\n{MARK}"));
    assert!(!changed.contains("sealcrate/") && !changed.contains("app"), "{changed}");
    assert_eq!(init, [exported]);
    assert_eq!(in_export, [""; 0].map(std::path::PathBuf::from));
    assert!(!inspected.contains(MARK), "{inspected}");
    // The engine keeps the container's own output in its log.
    let others = |found: Vec<std::path::PathBuf>| {
        let is_log = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("-json.log");
        found.into_iter().filter(|path| !is_log(path)).collect::<Vec<_>>()
    };
    assert_eq!(others(while_it_runs), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(with_key, [""; 0].map(std::path::PathBuf::from));
    assert_eq!(afterwards, [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn limits_that_the_threat_model_names_are_real() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY a /app/private\nCMD [\"sleep\", \"100\"]\n");
    let original = locksmith.build(&lines, &[("a", b"seen from inside")]);
    let locked = locksmith.lock(&original, &[]);
    let (engine, key) = (&locksmith.engine, key());
    // The engine shows a key in a variable. The program does not see it.
    let container = Container::start(&locksmith, &locked, &[]);
    wait_until("the container", || container.run("cat /app/private || true") == "seen from inside");
    assert!(container.inspect().contains(&key));
    assert_eq!(
        container.run("tr '\\0' '\\n' < /proc/1/environ | grep -c SEALCRATE_KEY || true"),
        "0"
    );
    // New files among private ones lie in memory, and are lost with the next start.
    container.run("echo more > /app/more");
    engine.run(&["restart", "--time", "0", container.id()]);
    wait_until("the container", || container.run("cat /app/private || true") == "seen from inside");
    assert_eq!(container.run("ls /app"), "private");
    // A key in a file stays readable to the program.
    let secret = locksmith.path("identity");
    let mount = format!("{}:/run/secrets/sealcrate_key:ro", secret.display());
    let cat = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        &mount,
        locked.name(),
        "cat",
        "/run/secrets/sealcrate_key",
    ];
    let done = Done::of_printing_a_secret(&mut engine.docker(&cat));
    let identity = key.split_once('=').unwrap().1;
    done.with_status(0).prints(identity);
}
