//! Clear files that somebody has exchanged: the command does not start, and the init names the path.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sealcrate_tests::{Builder, EngineImage};

use crate::fixture::{Locksmith, PRIVATE, key};
use crate::programs::base::Base;
use crate::starts::refused::{file, left_behind};

/// Lays files over an image, as everybody who may write to the registry can.
fn laid_over<'w>(
    locksmith: &'w Locksmith,
    image: &EngineImage<'_>,
    lines: &str,
    files: &[(&str, &[u8])],
) -> EngineImage<'w> {
    let dockerfile = format!("FROM {}\n{lines}", image.name());
    locksmith.engine.build(Builder::Classic, &dockerfile, files)
}

/// Asserts that an image does not start, names the path, and leaves nothing.
#[track_caller]
fn assert_refused(locksmith: &Locksmith, image: &EngineImage<'_>, path: &str) {
    let done = left_behind(locksmith, image.name(), &["-e", &key()]).prints("5\n");
    let refused = format!("sealcrate: {path} is not the one that was locked: ");
    assert!(done.stderr.starts_with(&refused), "{}", done.said());
    assert!(done.stderr.contains("--unchecked"), "{}", done.said());
    assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{}", done.said());
}

/// An image whose command is a private script, which a program of the base runs.
fn script(locksmith: &Locksmith) -> EngineImage<'_> {
    let lines =
        format!("{PRIVATE}COPY run /app/run\nENV PATH=/app:/bin\nCMD [\"run\", \"sleep\"]\n");
    locksmith.build(&lines, &[("run", b"#!/bin/sh\necho it runs\n")])
}

#[test]
fn exchanged_shell_and_link_are_refused() {
    let locksmith = Locksmith::new();
    let original = script(&locksmith);
    let locked = locksmith.lock(&original, &[]);
    locksmith.assert_same(&original, &locked, &[], &[]).prints("it runs\n");

    let mut shell = file(&locksmith, locked.name(), "/bin/busybox");
    let len = shell.len();
    // A byte behind everything that the shell uses: it still works the same.
    shell.push(0);
    let longer = laid_over(&locksmith, &locked, "COPY sh /bin/busybox\n", &[("sh", &shell)]);
    assert_refused(&locksmith, &longer, "/bin/busybox");
    shell.truncate(len);
    *shell.last_mut().unwrap() ^= 1;
    let changed = laid_over(&locksmith, &locked, "COPY sh /bin/busybox\n", &[("sh", &shell)]);
    assert_refused(&locksmith, &changed, "/bin/busybox");

    for (lines, path) in [
        ("RUN chmod 4755 /bin/busybox\n", "/bin/busybox"),
        ("RUN cp /bin/busybox /bin/other && ln -sf other /bin/sh\n", "/bin/sh"),
        // A folder in the place of a link to the unlock folder.
        ("RUN rm /app && mkdir /app && cp /bin/busybox /app/run\n", "/app"),
        ("RUN mv /bin /other && /other/busybox ln -s other /bin\n", "/bin"),
    ] {
        let image = laid_over(&locksmith, &locked, lines, &[]);
        assert_refused(&locksmith, &image, path);
    }
    let gone = laid_over(&locksmith, &locked, "RUN rm /bin/sh\n", &[]);
    let done = locksmith.unlock(gone.name(), &[], &[]).with_status(5);
    done.says("/bin/sh is not the one that was locked: it is missing");
    // Files that the command does not need may change. New files are allowed in places where a start
    // never looks.
    let lines = "RUN mkdir /more && cp /bin/busybox /more/sh && ln -sf cat /bin/tac\n";
    let other = laid_over(&locksmith, &locked, lines, &[]);
    locksmith.unlock(other.name(), &[], &[]).with_status(0).prints("it runs\n");
}

#[test]
fn link_that_is_as_long_as_the_file_in_its_place_is_refused() {
    let locksmith = Locksmith::new();
    let text = "#!/bin/sh\n/app/run\n";
    let copy = format!("/bin/{}", "x".repeat(text.len() - "/bin/".len()));
    let lines = format!(
        "COPY tool /bin/tool\nRUN chmod 777 /bin/tool\n{PRIVATE}COPY run /app/run\nCMD [\"tool\"]\n"
    );
    let files = [("tool", text.as_bytes()), ("run", b"#!/bin/sh\necho it runs\n")];
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    locksmith.assert_same(&original, &locked, &[], &[]).prints("it runs\n");
    // The link has the file's mode as well, and leads to the same content.
    let line = format!("RUN mv /bin/tool {copy} && ln -s {copy} /bin/tool\n");
    assert_refused(&locksmith, &laid_over(&locksmith, &locked, &line, &[]), "/bin/tool");
}

#[test]
fn files_that_the_user_may_not_read_are_checked_as_far_as_the_user_can_see() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "RUN cp /bin/busybox /bin/tool && chmod 715 /bin/tool && cp /bin/busybox /bin/hidden && \
         chmod 711 /bin/hidden && mkdir -m 700 /closed && cp /bin/busybox /closed/tool\n\
         {PRIVATE}COPY run /app/run\nENV PATH=/app:/bin\nUSER app\n\
         CMD [\"run\", \"tool\", \"hidden\", \"/closed/tool\"]\n"
    );
    let original = locksmith.build(&lines, &[("run", b"#!/bin/sh\necho it runs\n")]);
    let locked = locksmith.lock(&original, &[]);
    let memory = ["--tmpfs=/dev/sealcrate:exec,size=9m,mode=1777"];
    locksmith.assert_same(&original, &locked, &memory, &[]).prints("it runs\n");

    let mut other = file(&locksmith, locked.name(), "/bin/tool");
    *other.last_mut().unwrap() ^= 1;
    let copy = "USER 0\nCOPY other /bin/tool\nRUN chmod 715 /bin/tool";
    // The group may execute it and not read it, and the user is in the group now.
    for more in ["", " && chgrp 1000 /bin/tool"] {
        let lines = format!("{copy}{more}\nUSER app\n");
        let image = laid_over(&locksmith, &locked, &lines, &[("other", &other)]);
        let done = locksmith.unlock(image.name(), &memory, &[]).with_status(5).prints("");
        done.says("sealcrate: /bin/tool is not the one that was locked: its content is another");
    }
}

#[test]
fn file_that_is_mounted_over_is_refused_unless_that_was_said() {
    let locksmith = Locksmith::new();
    let original = script(&locksmith);
    let locked = locksmith.lock(&original, &[]);
    let other = locksmith.path("busybox");
    let mut bytes = file(&locksmith, locked.name(), "/bin/busybox");
    bytes.push(0);
    fs::write(&other, bytes).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let mount = format!("{}:/bin/busybox:ro", other.display());
    let run = |image: &EngineImage<'_>| locksmith.unlock(image.name(), &["-v", &mount], &[]);
    run(&locked).with_status(5).says("/bin/busybox is not the one that was locked: its content");
    drop(locked);
    for unchecked in ["/bin/busybox", "/bin", "/"] {
        let locked = locksmith.lock(&original, &["--unchecked", unchecked]);
        run(&locked).with_status(0).prints("it runs\n");
    }
}

#[test]
fn exchanged_and_added_libraries_are_refused() {
    let locksmith = Locksmith::new();
    let python = fs::canonicalize("/usr/bin/python3").unwrap();
    let version = python.file_name().unwrap().to_str().unwrap();
    let base = Base::of_program("/usr/bin/python3").with_package(&format!("lib{version}-minimal"));
    let tar = base.tar();
    let main = b"import os, sys\nprint(sys.version_info[0], os.getpid())\n";
    // The shell is for this test; the command is another one.
    let lines = format!(
        "ADD base.tar /\n{PRIVATE}COPY main.py /app/main.py\nENV PATH=/usr/local/bin:/usr/bin:/bin\n\
         CMD exec python3 /app/main.py\n"
    );
    let original = locksmith.build(&lines, &[("base.tar", &tar), ("main.py", main)]);
    let locked = locksmith.lock(&original, &[]);
    locksmith.assert_same(&original, &locked, &[], &[]).prints("3 1\n");
    let as_user =
        ["--user", "1000", "--read-only", "--tmpfs=/dev/sealcrate:exec,size=9m,mode=1777"];
    locksmith.assert_same(&original, &locked, &as_user, &[]).prints("3 1\n");

    let library = base.path_of("libz.so.1");
    let folder = Path::new(&library).parent().unwrap().to_str().unwrap();
    let faster = format!("{folder}/glibc-hwcaps/x86-64-v2/libz.so.1");
    for (line, path) in [
        (format!("RUN echo >> {library}"), library.as_str()),
        // The loader would take each of these before the one that was locked.
        (format!("RUN mkdir -p {folder}/glibc-hwcaps/x86-64-v2 && cp {library} {faster}"), ""),
        (format!("RUN echo {library} > /etc/ld.so.preload"), "/etc/ld.so.preload"),
        ("RUN echo > /etc/ld.so.cache".to_owned(), "/etc/ld.so.cache"),
        // And the shell this one.
        (
            "RUN mkdir -p /usr/local/bin && cp /bin/busybox /usr/local/bin/python3".to_owned(),
            "/usr/local/bin/python3",
        ),
        ("RUN echo >> /usr/bin/python3".to_owned(), "/usr/bin/python3"),
    ] {
        let image = laid_over(&locksmith, &locked, &format!("{line}\n"), &[]);
        let at = faster.strip_suffix("/libz.so.1").unwrap();
        assert_refused(&locksmith, &image, if path.is_empty() { at } else { path });
    }
}
