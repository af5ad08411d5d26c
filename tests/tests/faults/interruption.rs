//! Interruption at several moments: no tag, no image, no file, and the next run completes.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};
use sealcrate_test_kit::{Fault, FaultProxy, Gate, Rule};
use sealcrate_tests::fixtures::{
    Machine, Pushed, Running, image_of, requests, run, succeeded, wait_until,
};
use sealcrate_tests::{Registry, record_printed};

/// Long enough that several transfers are under way at once.
const LENGTH: usize = 2 << 20;

/// Each signal, and the exit code of a process that obeys it. No process survives the last one.
const SIGNALS: [(Signal, Option<i32>); 3] =
    [(Signal::INT, Some(130)), (Signal::TERM, Some(143)), (Signal::KILL, None)];

/// Waits for the request that the proxy holds, interrupts the run, and holds that it ends. The request
/// never gets an answer.
fn interrupt(
    running: Running,
    proxy: &FaultProxy,
    (method, part): (&str, &str),
    (signal, code): (Signal, Option<i32>),
) {
    let mut running = running;
    wait_until("the held request", || {
        assert!(!running.has_ended(), "the run ended before it could be interrupted");
        !requests(proxy, method, part).is_empty()
    });
    kill_process(running.pid(), signal).expect("the run goes on");
    let output = running.end();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), code, "{said}");
    assert!(output.stdout.is_empty());
    assert!(code.is_none() || said.contains("interrupted"), "{said}");
}

fn held(method: &str, part: &str) -> Rule {
    Rule::new(method, part, Fault::Hold(Gate::default())).once()
}

#[test]
fn an_interrupted_push_leaves_no_tag_and_no_file() {
    for signal in SIGNALS {
        for moment in [("HEAD", "/blobs/"), ("POST", "/uploads/"), ("PUT", "/uploads/")] {
            let registry = Registry::plain();
            let proxy = FaultProxy::start(registry.host(), vec![held(moment.0, moment.1)]);
            let (machine, image) = (Machine::with_own_passphrase(), image_of(LENGTH));
            let name = format!("{}/app:1", proxy.host());
            interrupt(Running::start(&mut machine.push(&image, &name)), &proxy, moment, signal);
            machine.sandbox.assert_nothing_is_left();
            assert_eq!(registry.tags("app"), [] as [String; 0]);
            succeeded(&run(&mut machine.push(&image, &name)));
            assert_eq!(registry.tags("app"), ["1"]);
        }
    }
}

#[test]
fn an_interrupted_pull_leaves_no_image_and_no_file() {
    let pushed = Pushed::new(image_of(LENGTH));
    let moments = [
        "/manifests/1".to_owned(),
        format!("/blobs/{}", pushed.config()),
        format!("/blobs/{}", pushed.layer(1)),
    ];
    for signal in SIGNALS {
        for moment in &moments {
            for target in pushed.machine.targets() {
                let proxy = FaultProxy::start(pushed.registry.host(), vec![held("GET", moment)]);
                let name = format!("{}/app:1", proxy.host());
                let pull = Running::start(&mut pushed.machine.pull_into(&name, &target));
                interrupt(pull, &proxy, ("GET", moment), signal);
                pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
            }
        }
        for target in pushed.machine.targets() {
            succeeded(&run(&mut pushed.machine.pull_into(&pushed.name(), &target)));
            pushed.machine.assert_has(&pushed.image, &target);
        }
    }
}

#[test]
fn an_interruption_while_the_tag_is_given_waits_for_it() {
    let registry = Registry::plain();
    let gate = Gate::default();
    let rule = Rule::new("PUT", "/manifests/", Fault::Hold(gate.clone())).once();
    let proxy = FaultProxy::start(registry.host(), vec![rule]);
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let name = format!("{}/app:1", proxy.host());
    let push = Running::start(&mut machine.push(&image, &name));
    wait_until("the manifest", || !requests(&proxy, "PUT", "/manifests/").is_empty());
    kill_process(push.pid(), Signal::INT).unwrap();
    wait_until("the note", || push.has_said("once more stops it"));
    gate.open();
    succeeded(&push.end());
    assert_eq!(registry.tags("app"), ["1"]);
}

#[test]
fn a_second_interruption_ends_even_that() {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), vec![held("PUT", "/manifests/")]);
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let name = format!("{}/app:1", proxy.host());
    let push = Running::start(&mut machine.push(&image, &name));
    wait_until("the manifest", || !requests(&proxy, "PUT", "/manifests/").is_empty());
    kill_process(push.pid(), Signal::INT).unwrap();
    // Two signals at once are one.
    wait_until("the note", || push.has_said("once more stops it"));
    kill_process(push.pid(), Signal::TERM).unwrap();
    assert_eq!(push.end().status.code(), Some(143));
    machine.sandbox.assert_nothing_is_left();
}

/// On a terminal of its own, which `script` makes; `stty` tells of it before and after.
#[test]
fn the_terminals_echo_is_back_after_an_interrupted_prompt() {
    let pushed = Pushed::new(image_of(1000));
    let binary = pushed.machine.sandbox.sealcrate();
    let binary = binary.get_program().to_str().unwrap();
    // The trap keeps the shell alive through Ctrl-C, and no other process.
    let inside = format!(
        "trap : INT; tty; '{binary}' pull {} --to oci:out; echo code=$?; stty -a",
        pushed.name()
    );
    let mut script = pushed.machine.sandbox.command("script");
    script.args(["--quiet", "--command", &inside, "/dev/null"]).env("SHELL", "/bin/sh");
    let mut session =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut keyboard, mut screen) =
        (session.stdin.take().unwrap(), session.stdout.take().unwrap());
    let mut shown = String::new();
    let mut read_until = |what: &str| {
        let mut bytes = [0; 1024];
        while !shown.contains(what) {
            let count = screen.read(&mut bytes).unwrap();
            assert!(count > 0, "{what} never came: {shown}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        shown.clone()
    };
    let terminal = read_until("Passphrase: ");
    let terminal = terminal.lines().find(|line| line.starts_with("/dev/")).unwrap().trim();
    wait_until("the echo is off", || {
        let state = Command::new("stty").args(["-a", "-F", terminal]).output().unwrap();
        String::from_utf8_lossy(&state.stdout).contains(" -echo ")
    });
    keyboard.write_all(b"typed in vain\x03").unwrap();
    let shown = read_until("-extproc");
    record_printed(&[shown.as_bytes()]);
    assert!(shown.contains("code=130"), "{shown}");
    assert!(shown.contains(" echo ") && !shown.contains(" -echo "), "{shown}");
    assert!(!shown.contains("typed in vain"), "{shown}");
    drop(keyboard);
    session.wait().unwrap();
    assert!(!pushed.machine.sandbox.work().join("out").exists());
}
