//! Deployment: what starts a locked image, ready to be run or applied.
//!
//! The image is named by digest, so that nobody who can move a tag gets the key. The key is a file in
//! memory, where the engine does not keep it. The unlock folder has the size of the unlocked files, and room
//! for files that programs write.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use sealcrate_image::{Config, Digest, EngineName, Image, Location};
use sealcrate_lock::{Needs, UNLOCK_FOLDER};
use serde_json::Value;

use crate::args::DeploymentForm;
use crate::output::failure::Usage;

/// The folder on the host that the file with the key is in: memory wherever systemd or elogind runs.
const HOST_FOLDER: &str = "${XDG_RUNTIME_DIR:-/run}";

/// The longest name that is taken from a repository; the names made of it are labels of 63 at most.
const MAX_NAME: usize = 50;

/// A form, and where in it the key goes.
pub(super) struct Deployment {
    form: DeploymentForm,
    /// The path of the key in containers.
    key_file: String,
    /// The last name in it.
    key_name: String,
}

impl Deployment {
    /// Checks that an image at `to` can be named by digest in that form.
    ///
    /// # Errors
    /// Another place has to be chosen, or another file for the key.
    pub(super) fn new(form: DeploymentForm, key_file: &[u8], to: &Location) -> Result<Self> {
        let serves = match to {
            Location::Registry(_) => true,
            Location::DockerDaemon(EngineName::Named(_)) => form == DeploymentForm::Run,
            _ => false,
        };
        if !serves {
            let text = "what starts an image names it by the digest that a registry has: lock into \
                        one, with --to docker://NAME; --print run does with an image in the engine";
            return Err(Usage(text.to_owned()).into());
        }
        // These need no quotes in a shell, in YAML, and in the options of mounts.
        let is_plain =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
        let key_file = String::from_utf8_lossy(key_file).into_owned();
        let key_name = key_file.rsplit('/').next().unwrap_or_default().to_owned();
        if !key_file.bytes().all(|byte| is_plain(&byte)) {
            let text = "--print takes letters, digits and ._- alone in the path of the key";
            return Err(Usage(text.to_owned()).into());
        }
        // Two dots begin what Kubernetes keeps to itself in the folder of a secret.
        if matches!(&*key_name, "" | ".") || key_name.starts_with("..") {
            let text = "--print takes a path for the key that ends with the name of a file";
            return Err(Usage(text.to_owned()).into());
        }
        if Path::new(&key_file).starts_with(UNLOCK_FOLDER) {
            let text =
                format!("the key cannot be in {UNLOCK_FOLDER}: nothing may be mounted in there");
            return Err(Usage(text).into());
        }
        Ok(Self { form, key_file, key_name })
    }

    /// Writes it for an image that was written to `to` under `digest`.
    pub(super) fn text(&self, to: &Location, digest: Digest, image: &LockedFor) -> String {
        let (image_name, name) = match to {
            Location::Registry(reference) => {
                let repository = reference.repository();
                (reference.at(digest).to_string(), label(repository.path()))
            }
            _ => (digest.to_string(), String::new()),
        };
        match self.form {
            DeploymentForm::Run => self.run(&image_name, image),
            DeploymentForm::Compose => self.compose(&image_name, &name, image),
            DeploymentForm::Kubernetes => self.kubernetes(&image_name, &name, image),
        }
    }

    fn run(&self, image_name: &str, image: &LockedFor) -> String {
        let Self { key_file, key_name, .. } = self;
        format!(
            "{}docker run --mount type=bind,src=\"{HOST_FOLDER}/{key_name}\",dst={key_file},readonly \
             --tmpfs {UNLOCK_FOLDER}:{} {image_name}",
            self.remarks(image),
            image.options(),
        )
    }

    fn compose(&self, image_name: &str, name: &str, image: &LockedFor) -> String {
        let Self { key_file, key_name, .. } = self;
        format!(
            "# The key is the file {key_name} in $XDG_RUNTIME_DIR, or else in /run: in memory.
{}services:
  \"{name}\":
    image: \"{image_name}\"
    secrets:
      - source: key
        target: \"{key_file}\"
    tmpfs:
      - \"{UNLOCK_FOLDER}:{}\"
secrets:
  key:
    file: \"{HOST_FOLDER}/{key_name}\"",
            self.remarks(image),
            image.options(),
        )
    }

    /// Returns what a person has to know of the key, as comments of shells and of YAML.
    ///
    /// The engine mounts the file as it is, with its owner and mode; Compose says so, and takes neither
    /// from a secret that is a file.
    fn remarks(&self, image: &LockedFor) -> String {
        let mut remarks =
            "# Do not give the key with -e: the engine keeps it, and `docker commit` puts it into \
                           the new image.\n"
                .to_owned();
        let file = format!("\"{HOST_FOLDER}/{}\"", self.key_name);
        let _ = match image.user {
            User::Root => Ok(()),
            User::Number(user) => writeln!(
                remarks,
                "# User {user} runs the image, and has to own the key: sudo install -m 0400 -o {user} FILE {file}"
            ),
            User::Several => writeln!(
                remarks,
                "# Several users run the images of this index, and each has to be able to read the key."
            ),
        };
        remarks
    }

    /// Kubernetes API v1, Pod. Modes are decimal, which every version of YAML reads in the same way.
    fn kubernetes(&self, image_name: &str, name: &str, image: &LockedFor) -> String {
        let Self { key_file, key_name, .. } = self;
        // Secrets belong to root, and the user of the image has to read this one.
        let mode = if image.user == User::Root { 0o400 } else { 0o444 };
        format!(
            "# The key: kubectl create secret generic {name}-key --from-file=key=FILE
apiVersion: v1
kind: Pod
metadata:
  name: \"{name}\"
spec:
  containers:
    - name: \"{name}\"
      image: \"{image_name}\"
      volumeMounts:
        - name: key
          mountPath: \"{key_file}\"
          subPath: \"{key_name}\"
          readOnly: true
        - name: unlocked
          mountPath: {UNLOCK_FOLDER}
  volumes:
    - name: key
      secret:
        secretName: \"{name}-key\"
        defaultMode: {mode}
        items:
          - key: key
            path: \"{key_name}\"
    - name: unlocked
      emptyDir:
        medium: Memory
        sizeLimit: {}Mi",
            image.mib,
        )
    }
}

/// The facts about a locked image, or about several in an index, that a deployment has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockedFor {
    /// How large the unlock folder has to be, in MiB.
    mib: u64,
    /// The user who runs it.
    user: User,
}

/// The user who runs a locked image, or several in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// Root alone.
    Root,
    /// A user of that number alone.
    Number(u32),
    /// Not always the same.
    Several,
}

impl LockedFor {
    /// Takes it from an image's config, and its needs. `headroom` is for files that programs write, in MiB.
    pub(super) fn of(image: &Image, needs: &Needs, headroom: u32) -> Result<Self> {
        let config = Config::parse(&image.config)?;
        let user = config.runtime.get("User").and_then(Value::as_str).unwrap_or_default();
        // A locked image names its user by number.
        let user = match user.split(':').next().unwrap_or_default() {
            "" | "0" => User::Root,
            number => number.parse().map_or(User::Several, User::Number),
        };
        Ok(Self { mib: needs.advised_mib() + u64::from(headroom), user })
    }

    /// Returns what serves either of two.
    pub(super) fn or(self, other: Self) -> Self {
        let user = if self.user == other.user { self.user } else { User::Several };
        Self { mib: self.mib.max(other.mib), user }
    }

    /// Returns the options of the unlock folder. tmpfs(5).
    fn options(self) -> String {
        let mut options = format!("exec,size={}m", self.mib);
        if self.user != User::Root {
            options.push_str(",mode=1777");
        }
        options
    }
}

/// Makes a name of a repository's path that services, pods and containers can have. RFC 1123, section
/// 2.1.
fn label(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut label = String::new();
    for character in last.chars().take(MAX_NAME) {
        let is_plain = character.is_ascii_lowercase() || character.is_ascii_digit();
        let _ = label.write_char(if is_plain { character } else { '-' });
    }
    label.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(form: DeploymentForm, key_file: &str, to: &str) -> Result<Deployment> {
        Deployment::new(form, key_file.as_bytes(), &to.parse().unwrap())
    }

    #[test]
    fn images_are_named_by_what_the_place_goes_by() {
        let key = "/run/secrets/key";
        for form in [DeploymentForm::Compose, DeploymentForm::Kubernetes] {
            assert!(deployment(form, key, "docker-daemon:app:1").is_err());
            assert!(deployment(form, key, "docker://me/app:1").is_ok());
        }
        assert!(deployment(DeploymentForm::Run, key, "docker-daemon:app:1").is_ok());
        assert!(deployment(DeploymentForm::Run, key, "oci:folder:1").is_err());
        let to = "docker://me/app:1".parse().unwrap();
        let image = LockedFor { mib: 7, user: User::Root };
        let digest = Digest::of(b"");
        let text = deployment(DeploymentForm::Run, key, "docker://me/app:1").unwrap();
        let text = text.text(&to, digest, &image);
        assert!(text.ends_with(&format!(" docker.io/me/app@{digest}")), "{text}");
    }

    #[test]
    fn paths_that_mean_more_than_themselves_are_refused() {
        for key in
            ["/run/a b", "/run/$(x)", "/run/a,b", "/run/a:b", "/run/a\"", "/run/a\nb", "/run/"]
        {
            assert!(deployment(DeploymentForm::Run, key, "docker://app").is_err(), "{key:?}");
        }
    }

    #[test]
    fn keys_that_cannot_be_mounted_there_are_refused() {
        for key in ["/run/.", "/run/..", "/run/..key", "/dev/sealcrate", "/dev/sealcrate/key"] {
            assert!(deployment(DeploymentForm::Run, key, "docker://app").is_err(), "{key:?}");
        }
        for key in ["/run/.key", "/run/a..", "/dev/sealcrate.key"] {
            assert!(deployment(DeploymentForm::Run, key, "docker://app").is_ok(), "{key:?}");
        }
    }

    #[test]
    fn key_is_in_memory_on_the_host() {
        let to = "docker://me/app:1".parse().unwrap();
        let image = LockedFor { mib: 7, user: User::Root };
        for form in [DeploymentForm::Run, DeploymentForm::Compose] {
            let text = deployment(form, "/keys/k", "docker://me/app:1").unwrap();
            let text = text.text(&to, Digest::of(b""), &image);
            assert!(text.contains("\"${XDG_RUNTIME_DIR:-/run}/k\""), "{text}");
        }
    }

    #[test]
    fn key_is_given_to_the_user_who_runs_the_image() {
        let to = "docker://me/app:1".parse().unwrap();
        let text = |form, user| {
            let deployment = deployment(form, "/keys/k", "docker://me/app:1").unwrap();
            deployment.text(&to, Digest::of(b""), &LockedFor { mib: 7, user })
        };
        for form in [DeploymentForm::Run, DeploymentForm::Compose] {
            let command = "sudo install -m 0400 -o 1000 FILE \"${XDG_RUNTIME_DIR:-/run}/k\"\n";
            assert!(text(form, User::Number(1000)).contains(command));
            assert!(text(form, User::Several).contains("each has to be able to read the key"));
            assert!(!text(form, User::Root).contains("to read the key"));
            assert!(text(form, User::Root).contains("# Do not give the key with -e: "));
        }
        assert!(text(DeploymentForm::Kubernetes, User::Number(1000)).contains("defaultMode: 292"));
    }

    #[test]
    fn names_are_labels() {
        assert_eq!(label("team/my.app_x"), "my-app-x");
        assert_eq!(label(&"a.".repeat(60)), format!("{}a", "a-".repeat(24)));
    }

    #[test]
    fn several_images_get_what_serves_each() {
        let root = LockedFor { mib: 7, user: User::Root };
        let user = LockedFor { mib: 3, user: User::Number(1000) };
        assert_eq!(root.or(user).options(), "exec,size=7m,mode=1777");
        assert_eq!(root.options(), "exec,size=7m");
    }
}
