//! Volumes, mounts, and files that have to stay in the clear.

use sealcrate_tests::Builder;

use crate::fixture::{Locksmith, PRIVATE};

const FILES: [(&str, &[u8]); 1] = [("a", b"private\n")];

#[test]
fn mounts_among_private_files_are_refused_unless_they_are_known() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN mkdir /app/data\nCMD [\"ls\", \"/app\", \"/app/data\"]\n"
    );
    let original = locksmith.build(&lines, &FILES);
    let locked = locksmith.lock(&original, &[]);
    let folder = locksmith.path("mounted");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("seen"), "").unwrap();
    let mount = format!("{}:/app/data", folder.display());
    let done = locksmith.unlock(locked.name(), &["-v", &mount], &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data").prints("");
    // A volume beneath the memory is hidden: a program would write to memory, and not to the volume.
    let hidden = ["-v", &mount, "--tmpfs=/dev/sealcrate:exec"];
    let done = locksmith.unlock(locked.name(), &hidden, &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data");
    let locked = locksmith.lock(&original, &["--mountpoint", "/app/data"]);
    locksmith.assert_same(&original, &locked, &["-v", &mount], &[]);
}

#[test]
fn volumes_have_nothing_private_unless_they_are_dropped() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY a /data/a\nVOLUME /data\nCMD [\"cat\", \"/data/a\"]\n");
    let original = locksmith.build(&lines, &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = locksmith.sealcrate(&arguments).failed(1);
    done.says("/data/a is private, but lies in the volume /data").says("--drop-volume");
    for options in [["--drop-volume", "/data"], ["--public", "/data"]] {
        let locked = locksmith.lock(&original, &options);
        locksmith.assert_same(&original, &locked, &[], &[]);
    }
}

#[test]
fn volumes_among_private_files_are_what_they_are_otherwise() {
    let locksmith = Locksmith::new();
    let script = "cat /app/a; stat -c '%a %u %g' /app/data; ls -A /app/data; echo more >> /app/data/b; \
                  cat /app/data/b; grep -c ' /app/data ' /proc/self/mountinfo";
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN mkdir /app/data && chmod 750 /app/data && chown 1000:2000 /app/data\n\
         VOLUME /app/data\nCMD {}\n",
        serde_json::json!(["sh", "-c", script])
    );
    let original = locksmith.build(&lines, &FILES);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[], &[]).with_status(0);
    assert_eq!(done.stdout, "private\n750 1000 2000\nmore\n1\n", "{}", done.said());
    // A program's files are on the volume, and the next start finds them.
    for image in [&original, &locked] {
        let folder = locksmith.path(&format!("volume-{}", image.name().len()));
        std::fs::create_dir(&folder).unwrap();
        let mount = format!("{}:/app/data", folder.display());
        let done = [0, 1].map(|_| locksmith.unlock(image.name(), &["-v", &mount], &[]));
        assert!(done[1].stdout.ends_with("b\nmore\nmore\n1\n"), "{}", done[1].said());
        assert_eq!(std::fs::read_to_string(folder.join("b")).unwrap(), "more\nmore\n");
    }
}

#[test]
fn files_that_engines_need_are_named() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}COPY a /etc/passwd\n"), &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = locksmith.sealcrate(&arguments).failed(1);
    done.says("/etc/passwd is private, but read or written by engines").says("--public");
}

#[test]
fn files_that_are_mounted_over_private_ones_are_refused_with_what_helps() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/in/a\nCOPY a /app/b\nRUN chmod 644 /app/in/a /app/b\n\
         CMD [\"cat\", \"/app/in/a\", \"/app/b\"]\n"
    );
    let original = locksmith.build(&lines, &FILES);
    let file = locksmith.path("mounted file");
    std::fs::write(&file, "from outside\n").unwrap();
    for inside in ["/app/in/a", "/app/in/new"] {
        let locked = locksmith.lock(&original, &[]);
        let mount = format!("{}:{inside}", file.display());
        let done = locksmith.unlock(locked.name(), &["-v", &mount], &[]).with_status(1).prints("");
        done.says(&format!("a file is mounted at /dev/sealcrate{inside}, among"))
            .says(&format!("lock the image with --public {inside},"));
        // The user can follow the advice.
        drop(locked);
        let followed = locksmith.lock(&original, &["--public", inside]);
        locksmith.assert_same(&original, &followed, &["-v", &mount], &[]).with_status(0);
    }
    let locked = locksmith.lock(&original, &[]);
    let folder = locksmith.path("mounted folder");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("{}:/app/da ta", folder.display());
    let done = locksmith.unlock(locked.name(), &["-v", &mount], &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/da ta,");
}

#[test]
fn images_built_on_a_locked_one_add_files_where_a_folder_is_kept() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/in/a\nCMD [\"sh\", \"-c\", \"cat /app/*/a; cat /app/in/../added/*\"]\n"
    );
    let original = locksmith.build(&lines, &FILES);
    let locked = locksmith.lock(&original, &["--mountpoint", "/app/added"]);
    let lines = format!("FROM {}\nCOPY b /app/added/b\nCOPY b /app/in/b\n", locked.name());
    let built = locksmith.engine.build(Builder::Classic, &lines, &[("b", b"added\n")]);
    locksmith.unlock(built.name(), &[], &[]).with_status(0).prints("private\nadded\n");
    // A file in a private folder is hidden, and the help says so.
    locksmith.unlock(built.name(), &[], &["ls", "/app/in"]).with_status(0).prints("a\n");
    let help = locksmith.sealcrate(&["lock", "--help"]).with_status(0).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let said =
        "A Dockerfile that builds FROM the locked image cannot add files to a private folder";
    assert!(help.contains(said), "{help}");
}

/// A volume that an engine fills at its first mount. A drop removes it.
struct Volume<'w>(&'w Locksmith, String);

impl<'w> Volume<'w> {
    fn new(locksmith: &'w Locksmith) -> Self {
        Self(locksmith, locksmith.engine.run(&["volume", "create"]))
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        // By then, the test has checked everything.
        self.0.engine.try_run(&["volume", "rm", "--force", &self.1]);
    }
}

/// Starts a program three times with a fresh volume, in which it counts its starts. Returns its output.
fn counted(locksmith: &Locksmith, image: &str, at: &str) -> Vec<String> {
    let volume = Volume::new(locksmith);
    let mount = format!("{}:{at}", volume.1);
    let starts = [0; 3].map(|_| locksmith.unlock(image, &["-v", &mount], &[]));
    starts.map(|done| format!("{}{}", done.stdout, done.stderr)).to_vec()
}

const COUNT: &str = "CMD [\"sh\", \"-c\", \"n=$(cat /data/count 2>/dev/null); echo $((n + 1)) | tee /data/count\"]\n";

#[test]
fn what_is_written_to_a_volume_on_a_private_folder_is_not_lost() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY count /data/count\n{COUNT}");
    let original = locksmith.build(&lines, &[("count", b"0\n")]);
    let locked = locksmith.lock(&original, &[]);
    let expected = ["1\n", "2\n", "3\n"];
    assert_eq!(counted(&locksmith, original.name(), "/data"), expected);
    // The init refuses the volume, and the advice of each step leads to an image that loses nothing.
    for said in counted(&locksmith, locked.name(), "/data") {
        assert!(said.contains("lock the image with --mountpoint and that path"), "{said}");
    }
    let with_option = ["lock", original.name(), "-t", "never:1", "-r", locksmith.recipient()];
    let done = locksmith.sealcrate(&[&with_option[..], &["--mountpoint", "/data"]].concat());
    let done = done.failed(1).says("/data/count is private, but lies in /data, where something");
    done.says("--public PATH").says("--force");
    for more in ["--public=/data", "--force"] {
        let locked = locksmith.lock(&original, &["--mountpoint", "/data", more]);
        assert_eq!(counted(&locksmith, locked.name(), "/data"), expected, "{more}");
    }
}

#[test]
fn volumes_that_an_engine_has_filled_with_links_are_refused() {
    let locksmith = Locksmith::new();
    // The folder is clear, and one of its files private: in the image it is a link.
    let lines =
        format!("COPY x \"/da ta/x\"\n{PRIVATE}COPY count \"/da ta/in/count\"\nCMD [\"true\"]\n");
    let lines = lines.replace("COPY x \"/da ta/x\"", "COPY [\"x\", \"/da ta/in/x\"]");
    let lines =
        lines.replace("COPY count \"/da ta/in/count\"", "COPY [\"count\", \"/da ta/in/count\"]");
    let original = locksmith.build(&lines, &[("x", b"clear\n"), ("count", b"0\n")]);
    let locked = locksmith.lock(&original, &[]);
    let run = |options: &[&str]| locksmith.unlock(locked.name(), options, &[]);
    for at in ["/da ta", "/da ta/in"] {
        let volume = Volume::new(&locksmith);
        let mount = format!("{}:{at}", volume.1);
        for _ in 0..2 {
            let done = run(&["-v", &mount]).with_status(1);
            done.says("was filled with links to private files").says("--public").says("nocopy");
        }
        let empty = Volume::new(&locksmith);
        let mount = format!("{}:{at}:nocopy", empty.1);
        run(&["-v", &mount]).with_status(0);
        // Memory ends with the container, as in the original.
        run(&[&format!("--tmpfs={at}")]).with_status(0);
    }
    let folder = locksmith.path("mine");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("count"), "0").unwrap();
    run(&["-v", &format!("{}:/da ta/in", folder.display())]).with_status(0);
}
