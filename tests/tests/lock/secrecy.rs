//! Nothing private is in what lies around: in the registry, and in the engine's storage.

use std::fs;
use std::io::Read;
use std::path::Path;

use sealcrate_tests::{Registry, files_containing};

use crate::fixture::{PRIVATE, Workshop, key, wait_until};

const MARK: &str = "mark-that-nobody-may-see-8531";

/// Decompresses what is compressed.
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
    let workshop = Workshop::new();
    let engine = &workshop.engine;
    let lines = format!(
        "{PRIVATE}ENV SETTING={MARK}\nLABEL mine={MARK}\nCOPY {MARK} /app/{MARK}\n\
         CMD [\"sh\", \"-c\", \"echo $SETTING; cat /app/*; sleep 100\"]\n"
    );
    let original = workshop.build(&lines, &[(MARK, format!("{MARK}\n").as_bytes())]);
    let locked = workshop.lock(&original, &[]);
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
    let secret = workshop.path("identity");
    let mount = format!("{}:/run/secrets/sealcrate_key:ro", secret.display());
    let digest = engine.run(&["inspect", "--format", "{{index .RepoDigests 0}}", &name]);
    let id = engine.run(&["run", "-d", "--network", "none", "-v", &mount, &digest]);
    wait_until(|| engine.run(&["logs", &id]).lines().count() == 2);
    let logs = engine.run(&["logs", &id]);
    let while_it_runs = files_containing(Path::new(&root), MARK.as_bytes());
    let identity = key();
    let identity = identity.split_once('=').unwrap().1;
    let with_key = files_containing(Path::new(&root), identity.as_bytes());
    engine.run(&["rm", "-f", &id]);
    let afterwards = files_containing(Path::new(&root), MARK.as_bytes());
    assert_eq!(logs, format!("{MARK}\n{MARK}"));
    // What it prints itself, the engine keeps.
    let others = |found: Vec<std::path::PathBuf>| {
        let is_log = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("-json.log");
        found.into_iter().filter(|path| !is_log(path)).collect::<Vec<_>>()
    };
    assert_eq!(others(while_it_runs), [""; 0].map(std::path::PathBuf::from));
    assert_eq!(with_key, [""; 0].map(std::path::PathBuf::from));
    assert_eq!(afterwards, [""; 0].map(std::path::PathBuf::from));
}
