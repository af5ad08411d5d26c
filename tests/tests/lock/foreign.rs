//! The init of another machine, in QEMU: what it starts is a program of this one, which the kernel runs.

use std::path::Path;

use crate::fixture::{PRIVATE, Workshop};

/// QEMU for programs of that machine, which needs no library.
const EMULATOR: &str = "/usr/bin/qemu-aarch64-static";

#[test]
fn init_of_arm64_unlocks() {
    let workshop = Workshop::new();
    let lines = format!(
        "{PRIVATE}ENV SETTING=private\nCOPY a /app/sub/a\nRUN ln /app/sub/a /app/hard && chmod 600 /app/hard\n\
         CMD [\"sh\", \"-c\", \"echo $SETTING; cat /app/sub/a; stat -c %a%h /app/hard\"]\n"
    );
    let original = workshop.build(&lines, &[("a", b"content\n")]);
    // The same image, for another machine by its config.
    let script = format!(
        "mkdir changed && docker save {} | tar -x -C changed && cd changed && \
         config=$(ls | grep -E '^[0-9a-f]{{64}}.json$') && \
         sed 's/\"architecture\":\"amd64\"/\"architecture\":\"arm64\"/' \"$config\" > config.json && \
         rm \"$config\" && sed -i \"s/$config/config.json/\" manifest.json && \
         tar -cf ../changed.tar .",
        original.name()
    );
    let mut shell = workshop.sandbox.command("sh");
    shell.args(["-euc", &script]).env("DOCKER_HOST", workshop.engine.address());
    sealcrate_tests::Done::of(&mut shell).with_status(0);
    let name = format!("{}-locked", original.name());
    let locked = workshop.engine.remove_on_drop(&name);
    let lock = ["lock", "--from=docker-archive:changed.tar", "-t", &name, "-r"];
    workshop.sealcrate(&[&lock[..], &[workshop.recipient()]].concat()).with_status(0);
    let machine = workshop.engine.run(&["image", "inspect", "-f", "{{.Architecture}}", &name]);
    assert_eq!(machine, "arm64");

    assert!(Path::new(EMULATOR).exists());
    let emulator = format!("{EMULATOR}:/emulator:ro");
    let options = ["-v", &emulator, "--entrypoint", "/emulator"];
    let start = |more: &[&str], arguments: &[&str]| {
        let arguments = [&["/.sealcrate/init"], arguments].concat();
        workshop.run(locked.name(), &[&options[..], more].concat(), &arguments)
    };
    let key = crate::fixture::key();
    start(&["-e", &key], &[]).with_status(0).prints("private\ncontent\n6002\n");
    start(&["-e", &key], &["echo", "given"]).with_status(0).prints("given\n");
    start(&["-e", "SEALCRATE_KEY=x"], &[]).with_status(3).says("wrong key").prints("");
}
