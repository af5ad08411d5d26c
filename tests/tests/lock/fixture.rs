//! Images for locking, and their containers.

use std::fs;
use std::path::PathBuf;

use sealcrate_tests::fixtures::{KeyPair, key_pair};
use sealcrate_tests::{Builder, Done, Engine, EngineImage, Sandbox};

/// The line of a Dockerfile that makes the next layers private.
pub(crate) const PRIVATE: &str = "LABEL com.senetas.crypto.enabled=true\n";

/// The line that makes the next layers clear again.
pub(crate) const CLEAR: &str = "LABEL com.senetas.crypto.enabled=false\n";

/// An image with a shell and users, the base of other images.
pub(crate) const BASE: &str = "FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
COPY passwd /etc/passwd
COPY group /etc/group
";

/// The files of the base image.
const BASE_FILES: [(&str, &[u8]); 2] = [
    ("passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
    ("group", b"root:x:0:\napp:x:1000:\nteam:x:2000:app\n"),
];

/// Makes an identity, by Debian's `age-keygen`, and its recipient.
pub(crate) fn new_key_pair() -> (String, String) {
    let KeyPair { identity, recipient, .. } = KeyPair::generate();
    (identity, recipient)
}

/// A sandbox, an engine, and an identity in the file `identity`.
pub(crate) struct Locksmith {
    pub(crate) engine: Engine,
    pub(crate) sandbox: Sandbox,
}

impl Locksmith {
    pub(crate) fn new() -> Self {
        let engine = Engine::from_env();
        let locksmith = Self { sandbox: Sandbox::new().with_engine(&engine), engine };
        fs::write(locksmith.path("identity"), &key_pair().identity).unwrap();
        locksmith
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.work().join(name)
    }

    /// Returns the recipient of the identity.
    pub(crate) fn recipient(&self) -> &'static str {
        &key_pair().recipient
    }

    /// Builds an image on the base, of these further lines and files.
    pub(crate) fn build(&self, lines: &str, files: &[(&str, &[u8])]) -> EngineImage<'_> {
        let busybox = sealcrate_tests::busybox();
        let base = [("busybox", busybox.as_slice())].into_iter().chain(BASE_FILES);
        let files: Vec<_> = base.chain(files.iter().copied()).collect();
        self.engine.build(Builder::Classic, &format!("{BASE}{lines}"), &files)
    }

    /// Runs sealcrate.
    pub(crate) fn sealcrate(&self, arguments: &[&str]) -> Done {
        let done = Done::of(self.sandbox.sealcrate().args(arguments));
        self.sandbox.assert_nothing_is_left();
        done
    }

    /// Locks an image to the identity, under another name.
    pub(crate) fn lock<'e>(&'e self, image: &EngineImage<'_>, options: &[&str]) -> EngineImage<'e> {
        self.lock_for(image, &[&["-r", self.recipient()], options].concat())
    }

    /// Locks an image under another name, to the key that the options name.
    pub(crate) fn lock_for<'e>(
        &'e self,
        image: &EngineImage<'_>,
        options: &[&str],
    ) -> EngineImage<'e> {
        let name = format!("{}-locked", image.name());
        let locked = self.engine.remove_on_drop(&name);
        let arguments = [&["lock", image.name(), "-t", &name], options];
        let done = self.sealcrate(&arguments.concat()).with_status(0);
        assert_eq!(done.stdout.trim(), self.engine.image_id(&name), "{}", done.said());
        locked
    }

    /// Saves an image for another engine, and returns the archive.
    pub(crate) fn saved(&self, image: &EngineImage<'_>) -> PathBuf {
        let archive = self.path("archive");
        self.engine.run(&["save", "-o", archive.to_str().unwrap(), image.name()]);
        archive
    }

    /// Runs a container of an image.
    pub(crate) fn run(&self, image: &str, options: &[&str], arguments: &[&str]) -> Done {
        let all =
            [&["run", "--rm", "--network", "none", "-h", "host"], options, &[image], arguments];
        Done::of(&mut self.engine.docker(&all.concat()))
    }

    /// Runs a container of a locked image with its key.
    pub(crate) fn unlock(&self, image: &str, options: &[&str], arguments: &[&str]) -> Done {
        let key = key();
        self.run(image, &[&["-e", &key], options].concat(), arguments)
    }

    /// Asserts that a locked image does the same as the original.
    #[track_caller]
    pub(crate) fn assert_same(
        &self,
        original: &EngineImage<'_>,
        locked: &EngineImage<'_>,
        options: &[&str],
        arguments: &[&str],
    ) -> Done {
        let without = without_unlock_folder(options);
        let expected = self.run(original.name(), &without, arguments);
        let done = self.unlock(locked.name(), options, arguments);
        assert_eq!(
            (done.status, &done.stdout, &done.stderr),
            (expected.status, &expected.stdout, &expected.stderr),
        );
        done
    }
}

/// The original has no use for the unlock folder.
fn without_unlock_folder<'o>(options: &[&'o str]) -> Vec<&'o str> {
    options.iter().copied().filter(|option| !option.starts_with("--tmpfs=/dev/sealcrate")).collect()
}

/// The variable with the key.
pub(crate) fn key() -> String {
    format!("SEALCRATE_KEY={}", key_pair().identity)
}

/// The unlock folder for everybody.
pub(crate) const FOR_ALL: &str = "--tmpfs=/dev/sealcrate:exec,size=200m,mode=1777";
