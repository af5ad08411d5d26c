//! The output of `lock --print`, used as it stands: run, composed, and read as Kubernetes reads it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sealcrate_tests::{Done, EngineImage, Registry};
use serde::Deserialize;

use crate::fixture::{Locksmith, PRIVATE};

const COMMAND: &str = "CMD [\"sh\", \"-c\", \"cat /app/data | wc -c; id -u; df -m /dev/sealcrate | tail -n 1 | \
                       tr -s ' ' | cut -d ' ' -f 2; \
                       grep -c -E ' (/run/secrets/sealcrate_key|/keys/of.app) ro,' /proc/self/mountinfo; \
                       env | grep -c SEALCRATE\"]\n";

/// The length of the private file, in MiB.
const MIB: usize = 3;

/// The default room for files that programs write, in MiB.
const HEADROOM: usize = 64;

/// An image whose private file is so large that the unlock folder cannot have the right size by chance.
fn original<'w>(locksmith: &'w Locksmith, more: &str) -> EngineImage<'w> {
    let data = vec![7; MIB << 20];
    let lines = format!("{PRIVATE}COPY data /app/data\n{COMMAND}{more}");
    locksmith.build(&lines, &[("data", &data)])
}

/// Locks an image into a registry, and returns the printed text.
fn printed(locksmith: &Locksmith, image: &EngineImage<'_>, to: &str, options: &[&str]) -> String {
    let to = format!("docker://{to}");
    let arguments = ["lock", image.name(), "--to", &to, "-r", locksmith.recipient()];
    locksmith.sealcrate(&[&arguments[..], options].concat()).with_status(0).stdout
}

/// Puts the key where the printed command looks for it, as `keygen` writes it: for its owner alone.
fn put_key(locksmith: &Locksmith, name: &str) -> PathBuf {
    let file = runtime(locksmith).join(name);
    fs::create_dir_all(runtime(locksmith)).unwrap();
    fs::copy(locksmith.path("identity"), &file).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    file
}

/// Gives the key to the user who runs the image, by the printed command, if there is one.
fn give_key(locksmith: &Locksmith, printed: &str) {
    let Some((_, command)) = printed.split_once("sudo ") else { return };
    let command = command.lines().next().unwrap().replace("FILE", "identity");
    run(locksmith, &command).with_status(0);
}

/// Somebody's `XDG_RUNTIME_DIR`. A shell takes its name for two words, unless the name is in quotes.
fn runtime(locksmith: &Locksmith) -> PathBuf {
    locksmith.path("run time")
}

/// Runs a line as somebody who has copied it.
fn run(locksmith: &Locksmith, line: &str) -> Done {
    let mut shell = locksmith.sandbox.command("sh");
    shell.args(["-euc", line]).env("DOCKER_HOST", locksmith.engine.address());
    Done::of(shell.env("XDG_RUNTIME_DIR", runtime(locksmith)))
}

/// The image's output: its file, its user, its memory, one read-only mount of a key, and no key in the
/// environment.
fn expected(user: u32) -> String {
    format!("{}\n{user}\n{}\n1\n0\n", MIB << 20, MIB + 2 + HEADROOM)
}

/// Removes the image that an engine has pulled, when the value goes out of scope.
fn pulled<'w>(locksmith: &'w Locksmith, name: &str) -> EngineImage<'w> {
    let name = name.split_whitespace().last().unwrap().trim_matches('"');
    locksmith.engine.remove_on_drop(name)
}

#[test]
fn printed_command_starts_what_was_pushed() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    let to = format!("{}/team/app:1", registry.host());
    put_key(&locksmith, "sealcrate_key");
    for (lines, user) in [("", 0), ("USER app\n", 1000)] {
        let original = original(&locksmith, lines);
        let line = printed(&locksmith, &original, &to, &["--print", "run"]);
        assert!(line.contains("/team/app@sha256:") && !line.contains("app:1"), "{line}");
        let _pulled = pulled(&locksmith, &line);
        if user != 0 {
            let told = format!("no key: the user {user} may not read /run/secrets/sealcrate_key");
            run(&locksmith, &line).with_status(3).says(&told);
        }
        give_key(&locksmith, &line);
        let done = run(&locksmith, &line).prints(&expected(user));
        assert!(done.status == Some(1), "grep counts nothing: {}", done.said());
    }
}

#[test]
fn printed_command_starts_what_is_in_the_engine() {
    let locksmith = Locksmith::new();
    let original = original(&locksmith, "");
    let name = format!("{}-printed", original.name());
    let _locked = locksmith.engine.remove_on_drop(&name);
    let lock = ["lock", original.name(), "-t", &name, "-r", locksmith.recipient(), "--print=run"];
    let other = ["--env=OTHER", "--start-key-file=/keys/of.app"];
    let line = locksmith.sealcrate(&[&lock[..], &other].concat()).with_status(0).stdout;
    put_key(&locksmith, "of.app");
    assert!(line.trim_end().ends_with(&locksmith.engine.image_id(&name)), "{line}");
    run(&locksmith, &line).prints(&expected(0));
}

#[test]
fn missing_key_file_starts_nothing() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    let to = format!("{}/team/app:1", registry.host());
    let line = printed(&locksmith, &original(&locksmith, ""), &to, &["--print", "run"]);
    let _pulled = pulled(&locksmith, &line);
    let done = run(&locksmith, &line).says("bind source path does not exist");
    assert_ne!(done.status, Some(0));
    // A volume would have made a folder there.
    assert!(!runtime(&locksmith).join("sealcrate_key").exists());
}

#[test]
fn printed_file_is_composed() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    put_key(&locksmith, "sealcrate_key");
    // Without quotes, the name of the second service is a number.
    for (lines, user, repository, service) in
        [("", 0, "team/my_app", "my-app"), ("USER app\n", 1000, "team/123", "123")]
    {
        // The engine of the tests has no networks.
        let without_network = format!("services:\n  \"{service}\":\n    network_mode: none\n");
        fs::write(locksmith.path("without-network.yml"), without_network).unwrap();
        let to = format!("{}/{repository}:1", registry.host());
        let file = printed(&locksmith, &original(&locksmith, lines), &to, &["--print", "compose"]);
        fs::write(locksmith.path("compose.yml"), &file).unwrap();
        let image = file.lines().find(|line| line.contains("image:")).unwrap();
        let digest = registry.tag_digest(repository, "1").unwrap();
        assert!(image.contains(&format!("{repository}@{digest}")), "{image}");
        let _pulled = pulled(&locksmith, image);
        let compose = "docker-compose -p printed -f compose.yml -f without-network.yml";
        run(&locksmith, &format!("{compose} config --quiet")).with_status(0);
        run(&locksmith, &format!("{compose} pull --quiet")).with_status(0);
        give_key(&locksmith, &file);
        run(&locksmith, &format!("{compose} run --rm -T {service}")).prints(&expected(user));
    }
}

/// Kubernetes API v1: no other members than these are known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pod {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    containers: [Container; 1],
    volumes: (KeyVolume, MemoryVolume),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Container {
    name: String,
    image: String,
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct VolumeMount {
    name: String,
    mount_path: String,
    sub_path: Option<String>,
    #[serde(default)]
    read_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyVolume {
    name: String,
    secret: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Secret {
    secret_name: String,
    default_mode: u32,
    items: [Item; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    key: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MemoryVolume {
    name: String,
    empty_dir: EmptyDir,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EmptyDir {
    medium: String,
    size_limit: String,
}

#[test]
fn printed_pod_has_the_image_by_digest_and_both_mounts_in_memory() {
    let locksmith = Locksmith::new();
    let registry = Registry::plain();
    for (lines, mode, repository, name) in
        [("", 0o400, "team/my_app", "my-app"), ("USER app\n", 0o444, "team/123", "123")]
    {
        let to = format!("{}/{repository}:1", registry.host());
        let options = [
            "--print=kubernetes",
            "--headroom=7",
            "--env=Key",
            "--start-key-file=/run/secrets/123",
        ];
        let text = printed(&locksmith, &original(&locksmith, lines), &to, &options);
        let pod: Pod = serde_norway::from_str(&text).expect("a pod");
        // Kubernetes takes digits for text only in quotes. The reader of `Pod` here takes them for text
        // anyway.
        let values: serde_norway::Value = serde_norway::from_str(&text).unwrap();
        let (container, key) = (&values["spec"]["containers"][0], &values["spec"]["volumes"][0]);
        for text in [
            &values["metadata"]["name"],
            &container["name"],
            &container["volumeMounts"][0]["subPath"],
            &key["secret"]["items"][0]["path"],
        ] {
            assert!(text.is_string(), "{text:?}");
        }
        assert_eq!((pod.api_version.as_str(), pod.kind.as_str()), ("v1", "Pod"));
        let [container] = pod.spec.containers;
        assert_eq!((pod.metadata.name.as_str(), container.name.as_str()), (name, name));
        let digest = registry.tag_digest(repository, "1").unwrap();
        assert_eq!(container.image, format!("{}/{repository}@{digest}", registry.host()));
        let (key, memory) = pod.spec.volumes;
        let mounts = [
            VolumeMount {
                name: key.name,
                mount_path: "/run/secrets/123".to_owned(),
                sub_path: Some("123".to_owned()),
                read_only: true,
            },
            VolumeMount {
                name: memory.name,
                mount_path: "/dev/sealcrate".to_owned(),
                sub_path: None,
                read_only: false,
            },
        ];
        assert_eq!(container.volume_mounts, mounts);
        let [Item { key: of_secret, path }] = key.secret.items;
        assert_eq!((of_secret.as_str(), path.as_str()), ("key", "123"));
        assert_eq!(
            (key.secret.secret_name, key.secret.default_mode),
            (format!("{name}-key"), mode)
        );
        assert_eq!(memory.empty_dir.medium, "Memory");
        assert_eq!(memory.empty_dir.size_limit, format!("{}Mi", MIB + 2 + 7));
    }
}

#[test]
fn what_has_no_digest_that_lasts_is_not_printed() {
    let locksmith = Locksmith::new();
    let original = original(&locksmith, "");
    let lock = ["lock", original.name(), "-t", "never:1", "-r", locksmith.recipient()];
    for form in ["compose", "kubernetes"] {
        let done = locksmith.sealcrate(&[&lock[..], &["--print", form]].concat()).failed(2);
        done.says("lock into one, with --to docker://NAME").prints("");
    }
    assert!(!locksmith.engine.has_image("never:1"));
}
