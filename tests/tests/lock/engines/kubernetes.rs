//! A node of a cluster runs locked images: containerd, through the CRI, with a memory `emptyDir`.

use std::path::Path;

use sealcrate_tests::{
    Builder, Containerd, Done, MemoryFolder, Pod, PodContainer, Registry, as_root, busybox,
};

use crate::fixture::{Locksmith, PRIVATE};
use crate::programs::applications::{FILES, LINES};

#[test]
fn node_runs_with_a_memory_volume() {
    let locksmith = Locksmith::new();
    let (engine, registry) = (&locksmith.engine, Registry::plain());
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &FILES);
    let locked = locksmith.lock(&original, &[]);
    let dockerfile = "FROM scratch\nCOPY sleep /bin/sleep\nCMD [\"/bin/sleep\", \"1000\"]\n";
    let pause = engine.build(Builder::Classic, dockerfile, &[("sleep", &busybox())]);
    let [original, locked, pause] = [&original, &locked, &pause].map(|image| {
        let name = format!("{}/{}", registry.host(), image.name());
        let _tagged = engine.remove_on_drop(&name);
        engine.run(&["tag", image.name(), &name]);
        engine.run(&["push", "--quiet", &name]);
        name
    });

    // The mount is older than the node, which sees no later mounts.
    let memory = MemoryFolder::new(5);
    // A machine without all privileges does not let pods be as important as they ask.
    let stanza = format!(
        "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{pause}\"\n\
         restrict_oom_score_adj = true\n"
    );
    let node = Containerd::start(&stanza);
    for image in [&original, &locked] {
        node.pull(image).unwrap();
    }
    let pod = Pod::start(&node);
    let secret = locksmith.path("identity");
    let run = |image: &str, mounts: &[(&Path, &str)]| {
        let secret = (secret.as_path(), "/run/secrets/sealcrate_key");
        let mounts = [&[secret], mounts].concat();
        let arguments = &["a", "b c"];
        let variables = &[("GIVEN", "x")];
        let container = PodContainer { image, arguments, variables, mounts: &mounts };
        let (status, printed) = pod.run(&container).unwrap();
        // containerd sets no times of folders that it changes when it unpacks a later layer.
        let lines = printed.lines().filter(|line| !line.starts_with("/app/sub "));
        (status, lines.collect::<Vec<_>>().join("\n"))
    };
    let expected = run(&original, &[]);
    assert_eq!(expected.0, 42, "{}", expected.1);
    let unlocked = (memory.path(), "/dev/sealcrate");
    assert_eq!(run(&locked, &[unlocked]), expected);
    // As after restarts of the container: they find the volume as the start and the program have left
    // it, with folders that are closed.
    for name in ["app/new", "app/sub/new"] {
        let folder = memory.path().join(name);
        Done::of(as_root("mkdir").args(["-p", "-m", "0"]).arg(folder.join("in"))).with_status(0);
        Done::of(as_root("chmod").arg("500").arg(&folder)).with_status(0);
        assert_eq!(run(&locked, &[unlocked]), expected);
    }
}
