//! Applications of all kinds: a locked one does the same as the original.

use std::fs;
use std::process::Command;

use sealcrate_tests::fixtures::wait_until;
use sealcrate_tests::{Builder, Done};

use crate::fixture::{CLEAR, FOR_ALL, Locksmith, PRIVATE};

/// Prints everything that a program sees of its surroundings, except the effects of another folder.
const REPORT: &[u8] = b"#!/bin/sh
echo \"arguments: $0 $*\"
id
env | grep -v -e ^PWD= -e ^OLDPWD= | sort
stat -L -c '%n %a %u %g %Y' /app/* /app/sub/*
cat /app/sub/data /app/sub/inner
umask
trap 'echo ended; exit 9' TERM
[ \"$2\" != wait ] || { echo waiting; while :; do sleep 0.1; done; }
exit 42
";

pub(crate) const LINES: &str = "ENV SETTING=\"a b\" PATH=/app:/bin
COPY report /app/report
COPY data /app/sub/data
RUN ln -s data /app/sub/inner && ln -s ../report /app/sub/outer && chmod 640 /app/sub/data \\
    && chown 1000:2000 /app/sub/data && ln /app/sub/data /app/hard && touch -d @1500000000 /app/hard
WORKDIR /app/sub
ENTRYPOINT [\"report\", \"first\"]
CMD [\"own\"]
";

pub(crate) const FILES: [(&str, &[u8]); 2] = [("report", REPORT), ("data", b"some private data\n")];

#[test]
fn script_sees_what_it_sees_otherwise() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &FILES);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[], &[]).with_status(42);
    assert!(done.stdout.contains("SETTING=a b\n"), "{}", done.said());
    assert!(!done.stdout.contains("SEALCRATE_KEY"), "{}", done.said());
    locksmith.assert_same(
        &original,
        &locked,
        &["-e", "SETTING=mine", "-e", "OTHER=x"],
        &["a", "b c"],
    );
    locksmith.assert_same(&original, &locked, &["-e", "PATH=/bin:/app"], &[]);
    locksmith.assert_same(&original, &locked, &["--read-only"], &[]);
    locksmith.assert_same(&original, &locked, &["-w", "/bin"], &[]);
}

#[test]
fn other_users_need_a_folder_and_nothing_else() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}{LINES}USER app\n");
    let lines = lines.replace("chmod 640 /app/sub/data", "chmod 644 /app/sub/data");
    // A user other than root cannot give files away.
    let report = String::from_utf8(REPORT.to_vec()).unwrap().replace("%a %u %g", "%a");
    let files = [("report", report.as_bytes()), FILES[1]];
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[FOR_ALL], &[]);
    assert!(done.stdout.contains("groups=1000(app),2000(team)"), "{}", done.said());
    assert!(done.stdout.contains("HOME=/home/app\n"), "{}", done.said());
    let hardened =
        [FOR_ALL, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    locksmith.assert_same(&original, &locked, &hardened, &[]);
}

#[test]
fn every_layer_can_be_private() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(LINES, &FILES);
    let public = ["--all-layers", "--public", "/etc/passwd", "--public", "/etc/group"];
    let locked = locksmith.lock(&original, &public);
    locksmith.assert_same(&original, &locked, &[], &[]);
}

#[test]
fn clear_layers_may_lie_above_private_ones() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "COPY base /app/sub/gone\nCOPY base /app/kept\n{PRIVATE}{LINES}RUN rm /app/sub/gone\n{CLEAR}\
         COPY base /app/sub/later\nCOPY base /app/kept\nRUN ls /app/sub > /app/list\n"
    );
    let original = locksmith.build(&lines, &[FILES[0], FILES[1], ("base", b"in the clear\n")]);
    let locked = locksmith.lock(&original, &[]);
    locksmith.assert_same(&original, &locked, &[], &[]);
    let listed = ["-c", "ls -a /app /app/sub; cat /app/kept /app/sub/later /app/list"];
    locksmith.assert_same(&original, &locked, &["--entrypoint", "/bin/sh"], &listed);
}

#[test]
fn request_to_end_reaches_the_command() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &FILES);
    let locked = locksmith.lock(&original, &[]);
    let engine = &locksmith.engine;
    let key = crate::fixture::key();
    let id = engine.run(&["run", "-d", "--network", "none", "-e", &key, locked.name(), "wait"]);
    wait_until("the container", || engine.run(&["logs", &id]).ends_with("waiting"));
    let inside = |command: &[&str]| engine.run(&[&["exec", &id], command].concat());
    let with_environment =
        inside(&["/.sealcrate/init", "exec", "--", "sh", "-c", "echo $SETTING; pwd"]);
    assert_eq!(with_environment, "a b\n/dev/sealcrate/app/sub");
    assert!(!inside(&["/.sealcrate/init", "exec", "--", "env"]).contains("SEALCRATE_KEY"));
    // No process of the init is left.
    assert!(!inside(&["ps"]).contains("/.sealcrate"), "{}", inside(&["ps"]));
    engine.run(&["stop", "--time", "60", &id]);
    let status = engine.run(&["inspect", "--format", "{{.State.ExitCode}}", &id]);
    engine.run(&["rm", &id]);
    assert_eq!(status, "9");
}

#[test]
fn check_of_the_image_is_run_when_it_is_unlocked() {
    let locksmith = Locksmith::new();
    let engine = &locksmith.engine;
    let script = "test \"$SETTING\" = 'a b' && cat data && pwd && env";
    let in_shell = script.to_owned();
    let directly = serde_json::json!(["sh", "-c", script, "private argument"]).to_string();
    for check in [in_shell, directly] {
        let options = "--interval=1s --timeout=9s --start-period=2s --retries=7";
        let lines = format!("{PRIVATE}{LINES}HEALTHCHECK {options} CMD {check}\n");
        let original = locksmith.build(&lines, &FILES);
        let locked = locksmith.lock(&original, &[]);
        // The clear config says that there is a health check, and has its times.
        let clear = engine.run(&["inspect", "--format", "{{json .Config}}", locked.name()]);
        assert!(!clear.contains("SETTING") && !clear.contains("private argument"), "{clear}");
        let clear: serde_json::Value = serde_json::from_str(&clear).unwrap();
        let expected = serde_json::json!({
            "Test": ["CMD", "/.sealcrate/init", "exec", "--healthcheck"],
            "Interval": 1_000_000_000_u64, "Timeout": 9_000_000_000_u64,
            "StartPeriod": 2_000_000_000_u64, "Retries": 7,
        });
        assert_eq!(clear["Healthcheck"], expected);

        let key = crate::fixture::key();
        let run = ["run", "-d", "--network", "none", "-e", &key, "-e", "GIVEN=at the start"];
        let id = engine.run(&[&run[..], &[locked.name(), "wait"]].concat());
        let health = |format: &str| engine.run(&["inspect", "--format", format, &id]);
        wait_until("the container", || health("{{.State.Health.Status}}") != "starting");
        let status = health("{{.State.Health.Status}}");
        // Earlier checks may have run before the image was unlocked.
        let log: Vec<serde_json::Value> =
            serde_json::from_str(&health("{{json .State.Health.Log}}")).unwrap();
        let log = log.last().unwrap()["Output"].as_str().unwrap();
        engine.run(&["rm", "-f", &id]);
        assert_eq!(status, "healthy", "{log}");
        let mut lines = log.lines();
        assert_eq!(lines.next(), Some("some private data"));
        assert_eq!(lines.next(), Some("/dev/sealcrate/app/sub"));
        let environment: Vec<&str> = lines.collect();
        for variable in ["SETTING=a b", "PATH=/app:/bin", "GIVEN=at the start"] {
            assert!(environment.contains(&variable), "{variable}: {log}");
        }
        assert!(!log.contains("SEALCRATE") && !log.contains("AGE-SECRET-KEY"), "{log}");
    }
}

/// Compiles a program for the image.
fn compiled(locksmith: &Locksmith, command: &str, output: &str) -> Vec<u8> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(locksmith.sandbox.work());
    shell.env("GOCACHE", locksmith.path("cache")).env("HOME", locksmith.sandbox.home());
    Done::of(&mut shell).with_status(0);
    fs::read(locksmith.path(output)).unwrap()
}

#[test]
fn go_program_runs_from_nothing() {
    let locksmith = Locksmith::new();
    let source = "package main\nimport (\"fmt\"; \"os\")\nfunc main() {\n\
                  data, err := os.ReadFile(\"/data\")\n fmt.Println(string(data), err, os.Args[1:])\n\
                  os.Exit(3) }\n";
    fs::write(locksmith.path("main.go"), source).unwrap();
    let program = compiled(&locksmith, "CGO_ENABLED=0 go build -o program main.go", "program");
    let dockerfile =
        "FROM scratch\nCOPY program /program\nCOPY data /data\nENTRYPOINT [\"/program\"]\n";
    let files = [("program", program.as_slice()), ("data", b"private")];
    let original = locksmith.engine.build(Builder::Classic, dockerfile, &files);
    let locked = locksmith.lock(&original, &["--all-layers"]);
    let done = locksmith.assert_same(&original, &locked, &[], &["a"]).with_status(3);
    assert_eq!(done.stdout, "private <nil> [a]\n");
}

#[test]
fn dynamic_program_finds_its_private_library() {
    let locksmith = Locksmith::new();
    fs::write(locksmith.path("lib.c"), "int answer(void) { return 42; }\n").unwrap();
    fs::write(
        locksmith.path("main.c"),
        "#include <stdio.h>\nint answer(void);\nint main(void) { printf(\"%d\\n\", answer()); }\n",
    )
    .unwrap();
    let build = "gcc -shared -fPIC -Wl,-soname,libown.so.1 -o libown.so.1 lib.c \
                 && gcc -o program main.c ./libown.so.1 -Wl,-rpath,/app/lib";
    let program = compiled(&locksmith, build, "program");
    let library = fs::read(locksmith.path("libown.so.1")).unwrap();
    let libc = fs::read("/lib/x86_64-linux-gnu/libc.so.6").unwrap();
    let loader = fs::read("/lib64/ld-linux-x86-64.so.2").unwrap();
    let lines = format!(
        "COPY libc /lib/x86_64-linux-gnu/libc.so.6\nCOPY loader /lib64/ld-linux-x86-64.so.2\n\
         {PRIVATE}COPY libown.so.1 /app/lib/libown.so.1.2\n\
         RUN ln -s libown.so.1.2 /app/lib/libown.so.1\nCOPY program /app/program\nCMD [\"/app/program\"]\n"
    );
    let files = [
        ("libc", libc.as_slice()),
        ("loader", &loader),
        ("libown.so.1", &library),
        ("program", &program),
    ];
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[], &[]).with_status(0);
    assert_eq!(done.stdout, "42\n");
}
