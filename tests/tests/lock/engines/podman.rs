//! Podman runs locked images too. Its `/dev` is noexec, so that programs need a folder of their own.

use sealcrate_tests::{PodmanService, Registry};

use crate::fixture::{Locksmith, PRIVATE};
use crate::programs::applications::{FILES, LINES};

#[test]
fn podman_runs_what_docker_has_pushed() {
    let locksmith = Locksmith::new();
    let (engine, registry, podman) = (&locksmith.engine, Registry::plain(), PodmanService::start());
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &FILES);
    let locked = locksmith.lock(&original, &[]);
    let [original, locked] = [&original, &locked].map(|image| {
        let name = format!("{}/{}", registry.host(), image.name());
        let _tagged = engine.remove_on_drop(&name);
        engine.run(&["tag", image.name(), &name]);
        engine.run(&["push", "--quiet", &name]);
        podman.run(&["pull", "--quiet", "--tls-verify=false", &name]);
        name
    });
    let secret = locksmith.path("identity");
    let secret = format!("{}:/run/secrets/sealcrate_key:ro", secret.display());
    let run = |image: &str, options: &[&str]| {
        // Podman's own limits may be higher than this machine permits.
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let fixed = ["run", "--rm", "--network=none", "--hostname=host", "-v", &secret];
        podman.call(&[&fixed[..], &limits, options, &[image, "a", "b c"]].concat())
    };
    let expected = run(&original, &[]).with_status(42);
    let done = run(&locked, &["--tmpfs=/dev/sealcrate:exec,size=5m"]).with_status(42);
    assert_eq!((&done.stdout, &done.stderr), (&expected.stdout, &expected.stderr));
    assert!(done.stdout.contains("SETTING=a b\n"), "{}", done.said());

    let done = run(&locked, &[]).with_status(1).prints("");
    done.says("noexec").says("start it with --tmpfs /dev/sealcrate:exec,size=2m");
}
