//! Inits of other machines, in QEMU. They start a program of this machine, which the kernel runs.

use sealcrate_tests::{Done, EngineImage};

use crate::fixture::{Locksmith, PRIVATE, key};

/// Other machines under their names in images, and the static QEMU for their programs.
const MACHINES: [(&str, &str); 3] = [
    ("arm64", "/usr/bin/qemu-aarch64-static"),
    ("arm", "/usr/bin/qemu-arm-static"),
    ("386", "/usr/bin/qemu-i386-static"),
];

/// Locks an image whose config names another machine.
fn lock_for_machine<'w>(
    locksmith: &'w Locksmith,
    original: &EngineImage<'_>,
    machine: &str,
) -> EngineImage<'w> {
    let script = format!(
        "mkdir changed && docker save {} | tar -x -C changed && cd changed && \
         config=$(ls | grep -E '^[0-9a-f]{{64}}.json$') && \
         sed 's/\"architecture\":\"amd64\"/\"architecture\":\"{machine}\"/' \"$config\" > config.json && \
         rm \"$config\" && sed -i \"s/$config/config.json/\" manifest.json && \
         tar -cf ../changed.tar . && cd .. && rm -r changed",
        original.name()
    );
    let mut shell = locksmith.sandbox.command("sh");
    shell.args(["-euc", &script]).env("DOCKER_HOST", locksmith.engine.address());
    Done::of(&mut shell).with_status(0);
    let name = format!("{}-{machine}", original.name());
    let locked = locksmith.engine.remove_on_drop(&name);
    let lock = ["lock", "--from=docker-archive:changed.tar", "-t", &name, "-r"];
    locksmith.sealcrate(&[&lock[..], &[locksmith.recipient()]].concat()).with_status(0);
    let inspected = locksmith.engine.run(&["image", "inspect", "-f", "{{.Architecture}}", &name]);
    assert_eq!(inspected, machine);
    locked
}

#[test]
fn inits_of_other_machines_unlock() {
    let locksmith = Locksmith::new();
    // Some chunks, and times that are too far for 32 bits.
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let lines = format!(
        "{PRIVATE}ENV SETTING=private\nCOPY a /app/sub/a\nCOPY large /app/sub/large\n\
         RUN ln /app/sub/a /app/hard && chmod 600 /app/hard && ln -s sub/a /app/soft \\\n\
         && chown 1000:2000 /app/sub && touch -d @5000000000 /app/sub/a /app/sub\n\
         CMD [\"sh\", \"-c\", \"echo $SETTING; cat /app/soft; stat -c '%a %h %Y' /app/hard; \
         stat -c '%u %g %Y' /app/sub; sha256sum < /app/sub/large; env | grep -c SEALCRATE\"]\n"
    );
    let original = locksmith.build(&lines, &[("a", b"content\n"), ("large", &large)]);
    let expected = locksmith.run(original.name(), &[], &[]);
    assert!(
        expected.stdout.starts_with("private\ncontent\n600 2 5000000000\n1000 2000 5000000000\n"),
        "{}",
        expected.said()
    );
    for (machine, emulator) in MACHINES {
        let locked = lock_for_machine(&locksmith, &original, machine);
        let emulator = format!("type=bind,src={emulator},dst=/emulator,readonly");
        let options = ["--mount", &emulator, "--entrypoint", "/emulator"];
        let start = |more: &[&str], arguments: &[&str]| {
            let arguments = [&["/.sealcrate/init"], arguments].concat();
            locksmith.run(locked.name(), &[&options[..], more].concat(), &arguments)
        };
        let done = start(&["-e", &key()], &[]);
        assert_eq!(
            (done.status, &done.stdout),
            (expected.status, &expected.stdout),
            "{machine}: {}",
            done.said()
        );
        start(&["-e", &key()], &["echo", "given"]).with_status(0).prints("given\n");
        start(&["-e", "SEALCRATE_KEY=x"], &[]).with_status(3).says("wrong key").prints("");
        let small = ["-e", &key(), "--tmpfs=/dev/sealcrate:exec,size=4m"];
        start(&small, &[]).with_status(1).says("size=13m").prints("");
    }
}
