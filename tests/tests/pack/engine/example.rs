//! The example in `examples/go-private`, end to end: from its Dockerfiles to containers.
//!
//! There is no network: `golang` and `alpine` are stand-ins, made of Debian's packages, and the
//! image of the tool is the last stage of our Dockerfile around a binary that is linked as the
//! stage before links it.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::atomic::{AtomicUsize, Ordering};

use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Builder, Done, Engine, EngineImage, busybox};

use crate::workshop::{Workshop, assert_refused};

const SAYS: &str = "Grandmother's secret: two cloves and a spoon of quince.";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example(file: &str) -> String {
    fs::read_to_string(repository().join("examples/go-private").join(file)).unwrap()
}

/// In the place of `golang`: Debian's Go in a folder of its own, and a shell.
fn golang<'e>(engine: &'e Engine, workshop: &Workshop) -> EngineImage<'e> {
    let root = Done::of(Command::new("go").args(["env", "GOROOT"])).with_status(0).stdout;
    let root = root.trim();
    let tree = workshop.path("golang");
    for folder in ["bin", "tmp", "usr/bin"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::write(tree.join("bin/busybox"), busybox()).unwrap();
    fs::set_permissions(tree.join("bin/busybox"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("busybox", tree.join("bin/sh")).unwrap();
    symlink(format!("{root}/bin/go"), tree.join("usr/bin/go")).unwrap();

    let name = unique("golang");
    let mut tar = Command::new("tar");
    // The example needs no sources of Go's own commands, which are half of the size.
    tar.args(["--dereference", "--exclude=*_test.go", "--exclude=testdata", "--exclude=src/cmd"]);
    tar.args(["-cf", "-", "-C", "/"]).arg(root.trim_start_matches('/'));
    // Debian's Go is a dynamic program.
    let libraries = Done::of(Command::new("ldd").arg(tree.join("usr/bin/go"))).with_status(0);
    let words = libraries.stdout.split_whitespace();
    tar.args(words.filter_map(|word| word.strip_prefix('/')));
    tar.arg("-C").arg(&tree).args(["bin", "tmp", "usr/bin/go"]);
    let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
    let change = format!("ENV PATH=/usr/bin:/bin GOROOT={root} GOCACHE=/tmp/go GO111MODULE=off");
    let mut import = engine.docker(&["import", "--change", &change, "-", &name]);
    let image = engine.remove_on_drop(&name);
    let imported = Done::of(import.stdin(tar.stdout.take().unwrap()));
    assert!(tar.wait().unwrap().success());
    imported.with_status(0);
    image
}

/// In the place of `alpine`: busybox alone.
fn alpine(engine: &Engine) -> EngineImage<'_> {
    let dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nCMD [\"/bin/busybox\", \"sh\"]\n";
    engine.build(Builder::Classic, dockerfile, &[("busybox", &busybox())])
}

/// The image of the tool: the last stage of the Dockerfile.
fn tool(engine: &Engine) -> EngineImage<'_> {
    let dockerfile = fs::read_to_string(repository().join("Dockerfile")).unwrap();
    let last = dockerfile.rfind("FROM scratch\n").unwrap();
    let stage = dockerfile[last..].replace("COPY --from=build /sealcrate ", "COPY sealcrate ");
    assert!(!stage.contains("--from"), "{stage}");
    let binary = env::var_os("SEALCRATE_TEST_STATIC_BIN")
        .expect("SEALCRATE_TEST_STATIC_BIN names no binary: run `cargo xtask test`");
    engine.build(Builder::Classic, &stage, &[("sealcrate", &fs::read(binary).unwrap())])
}

fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sealcrate-test/{name}-{}-{count}:latest", id())
}

/// Everything that the example is built of.
struct Stage<'e> {
    engine: &'e Engine,
    workshop: Workshop,
    golang: EngineImage<'e>,
    alpine: EngineImage<'e>,
    tool: EngineImage<'e>,
}

impl<'e> Stage<'e> {
    fn new(engine: &'e Engine) -> Self {
        let workshop = Workshop::new();
        let golang = golang(engine, &workshop);
        Self { engine, workshop, golang, alpine: alpine(engine), tool: tool(engine) }
    }

    /// Builds a Dockerfile of the example.
    fn build(&self, builder: Builder, dockerfile: &str, options: &[&str]) -> EngineImage<'e> {
        let stand_ins =
            [("golang", &self.golang), ("alpine", &self.alpine), ("sealcrate", &self.tool)];
        let mut text = String::new();
        for line in example(dockerfile).lines() {
            let mut words: Vec<_> = line.split(' ').collect();
            if words[0] == "FROM" {
                let stand_in = stand_ins.iter().find(|(image, _)| *image == words[1]).unwrap();
                words[1] = stand_in.1.name();
            }
            text += &format!("{}\n", words.join(" "));
        }
        let context = self.workshop.path("context");
        fs::create_dir_all(&context).unwrap();
        fs::write(context.join("Dockerfile"), text).unwrap();
        fs::write(context.join("main.go"), example("main.go")).unwrap();
        let name = unique("example");
        let image = self.engine.remove_on_drop(&name);
        let fixed = ["build", "--no-cache", "--network", "none", "-t", &name];
        let arguments = [&fixed[..], options, &[context.to_str().unwrap()]].concat();
        let mut build = self.engine.docker(&arguments);
        let buildkit = if builder == Builder::BuildKit { "1" } else { "0" };
        Done::of(build.env("DOCKER_BUILDKIT", buildkit)).with_status(0);
        image
    }

    fn run(&self, image: &EngineImage<'_>, options: &[&str], arguments: &[&str]) -> Done {
        let fixed = ["run", "--rm", "--network", "none"];
        let arguments = [&fixed[..], options, &[image.name()], arguments].concat();
        Done::of(&mut self.engine.docker(&arguments))
    }

    /// Everything that is in an image, as the engine exports it.
    fn save(&self, image: &str) -> Vec<u8> {
        let output = self.engine.try_run(&["save", image]);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// A passphrase that no digest contains by chance.
const PASSPHRASE: &str = "marmalade and toast";

#[test]
fn example_is_built_and_started() {
    let engine = Engine::from_env();
    let stage = Stage::new(&engine);

    // Under a passphrase, which is a secret of the build.
    let bp = format!("BP={PASSPHRASE}");
    let key = stage.workshop.write("passphrase", format!("{PASSPHRASE}\n"));
    let secret = format!("id=key,src={}", key.display());
    let image = stage.build(Builder::BuildKit, "Dockerfile", &["--secret", &secret]);
    let done = stage.run(&image, &["-e", &bp], &[]).with_status(0);
    assert_eq!((&*done.stdout, &*done.stderr), (&*format!("{SAYS}\n"), ""));
    let done = stage.run(&image, &["-e", &bp], &["/app", "quince"]).with_status(0);
    done.prints(&format!("{SAYS}\n1. quince\n"));
    assert_refused(stage.run(&image, &["-e", "BP=wrong"], &[]), 3, "wrong key");
    assert_refused(stage.run(&image, &[], &[]), 3, "/run/secrets/bp");
    let saved = stage.save(image.name());
    for text in [SAYS, "two cloves", "main.main", "runtime.goexit", ".note.go.buildid"] {
        assert!(!holds(&saved, text), "{text:?} is in the image");
    }
    let history = engine.run(&["history", "--no-trunc", image.name()]);
    assert!(!history.contains(PASSPHRASE), "{history}");

    // Packed to a recipient, both builders can.
    let recipient = format!("RECIPIENT={}", key_pair().recipient);
    for builder in Builder::ALL {
        let options = ["--build-arg", &recipient];
        let image = stage.build(builder, "Dockerfile.recipient", &options);
        let key = format!("BP={}", key_pair().identity);
        let done = stage.run(&image, &["-e", &key], &[]).with_status(0);
        assert_eq!((&*done.stdout, &*done.stderr), (&*format!("{SAYS}\n"), ""), "{builder:?}");
        assert_refused(stage.run(&image, &["-e", &bp], &[]), 3, "wrong key");
        assert!(!holds(&stage.save(image.name()), "two cloves"), "{builder:?}");
    }

    // The search above finds the program where it is.
    let bare = "FROM scratch\nCOPY app /app\n";
    let mut build = Command::new("go");
    build.env("CGO_ENABLED", "0").env("GOCACHE", stage.workshop.path("cache"));
    build.args(["build", "-o"]).arg(stage.workshop.path("app"));
    build.arg(repository().join("examples/go-private/main.go")).env("GO111MODULE", "off");
    Done::of(&mut build).with_status(0);
    let app = fs::read(stage.workshop.path("app")).unwrap();
    let saved = stage.save(engine.build(Builder::Classic, bare, &[("app", &app)]).name());
    for text in [SAYS, "two cloves", "main.main", "runtime.goexit", ".note.go.buildid"] {
        assert!(holds(&saved, text), "{text:?} is not in the bare image");
    }
}
