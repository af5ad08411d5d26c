//! Volumes, mounts, and what has to stay in clear.

use crate::fixture::{PRIVATE, Workshop};

const FILES: [(&str, &[u8]); 1] = [("a", b"private\n")];

#[test]
fn mounts_among_private_files_are_refused_unless_they_are_known() {
    let workshop = Workshop::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN mkdir /app/data\nCMD [\"ls\", \"/app\", \"/app/data\"]\n"
    );
    let original = workshop.build(&lines, &FILES);
    let locked = workshop.lock(&original, &[]);
    let folder = workshop.path("mounted");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("seen"), "").unwrap();
    let mount = format!("{}:/app/data", folder.display());
    let done = workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data").prints("");
    // Hidden beneath the memory, where a program would write to memory and not to the volume.
    let hidden = ["-v", &mount, "--tmpfs=/dev/sealcrate:exec"];
    let done = workshop.unlock(locked.name(), &hidden, &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data");
    let locked = workshop.lock(&original, &["--mountpoint", "/app/data"]);
    workshop.assert_same(&original, &locked, &["-v", &mount], &[]);
}

#[test]
fn volumes_have_nothing_private_unless_they_are_dropped() {
    let workshop = Workshop::new();
    let lines = format!("{PRIVATE}COPY a /data/a\nVOLUME /data\nCMD [\"cat\", \"/data/a\"]\n");
    let original = workshop.build(&lines, &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = workshop.sealcrate(&arguments).failed(1);
    done.says("/data/a is private, but lies in the volume /data").says("--drop-volume");
    for options in [["--drop-volume", "/data"], ["--public", "/data"]] {
        let locked = workshop.lock(&original, &options);
        workshop.assert_same(&original, &locked, &[], &[]);
    }
}

#[test]
fn volumes_among_private_files_are_what_they_are_otherwise() {
    let workshop = Workshop::new();
    let script = "cat /app/a; stat -c '%a %u %g' /app/data; ls -A /app/data; echo more >> /app/data/b; \
                  cat /app/data/b; grep -c ' /app/data ' /proc/self/mountinfo";
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN mkdir /app/data && chmod 750 /app/data && chown 1000:2000 /app/data\n\
         VOLUME /app/data\nCMD {}\n",
        serde_json::json!(["sh", "-c", script])
    );
    let original = workshop.build(&lines, &FILES);
    let locked = workshop.lock(&original, &[]);
    let done = workshop.assert_same(&original, &locked, &[], &[]).with_status(0);
    assert_eq!(done.stdout, "private\n750 1000 2000\nmore\n1\n", "{}", done.said());
    // What is written is on the volume, and is found again.
    for image in [&original, &locked] {
        let folder = workshop.path(&format!("volume-{}", image.name().len()));
        std::fs::create_dir(&folder).unwrap();
        let mount = format!("{}:/app/data", folder.display());
        let done = [0, 1].map(|_| workshop.unlock(image.name(), &["-v", &mount], &[]));
        assert!(done[1].stdout.ends_with("b\nmore\nmore\n1\n"), "{}", done[1].said());
        assert_eq!(std::fs::read_to_string(folder.join("b")).unwrap(), "more\nmore\n");
    }
}

#[test]
fn files_that_engines_need_are_named() {
    let workshop = Workshop::new();
    let original = workshop.build(&format!("{PRIVATE}COPY a /etc/passwd\n"), &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = workshop.sealcrate(&arguments).failed(1);
    done.says("/etc/passwd is private, but read or written by engines").says("--public");
}

#[test]
fn files_that_are_mounted_over_private_ones_are_refused_with_what_helps() {
    let workshop = Workshop::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/in/a\nCOPY a /app/b\nCMD [\"cat\", \"/app/in/a\", \"/app/b\"]\n"
    );
    let original = workshop.build(&lines, &FILES);
    let file = workshop.path("mounted file");
    std::fs::write(&file, "from outside\n").unwrap();
    for inside in ["/app/in/a", "/app/in/new"] {
        let locked = workshop.lock(&original, &[]);
        let mount = format!("{}:{inside}", file.display());
        let done = workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(1).prints("");
        done.says(&format!("a file is mounted at /dev/sealcrate{inside}, among"))
            .says(&format!("lock the image with --public {inside},"));
        // The advice can be followed.
        drop(locked);
        let followed = workshop.lock(&original, &["--public", inside]);
        workshop.assert_same(&original, &followed, &["-v", &mount], &[]).with_status(0);
    }
    let locked = workshop.lock(&original, &[]);
    let folder = workshop.path("mounted folder");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("{}:/app/da ta", folder.display());
    let done = workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/da ta,");
}
