//! Credentials that other tools have stored: Docker's `config.json` with its helpers, and Podman's
//! `auth.json`.
//!
//! The places of these come in as values. This module writes nothing, and shows nothing that a helper
//! prints.

mod basic;
mod helper;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sealcrate_image::Repository;
use sealcrate_image::registry::Credential;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use basic::basic;

/// The name under which Docker stores the credential for `docker.io`.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The largest file of credentials that is read.
const MAX_FILE: u64 = 4 << 20;

/// The places where credentials are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores {
    /// Files in Docker's or Podman's form, in the order in which they are asked.
    files: Vec<PathBuf>,
    /// The folders in which helpers are found, as in `PATH`.
    path: OsString,
}

impl Stores {
    /// Finds the places of a user's credentials by that user's environment.
    pub(crate) fn of(environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let docker = folder("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let podman = |folder: PathBuf| folder.join("containers/auth.json");
        let files = [
            folder("REGISTRY_AUTH_FILE"),
            docker.map(|folder| folder.join("config.json")),
            folder("XDG_RUNTIME_DIR").map(podman),
            config.map(podman),
        ];
        Self {
            files: files.into_iter().flatten().collect(),
            path: environment("PATH").unwrap_or_default(),
        }
    }

    /// Returns the credential for `repository`, out of the first file that has one.
    ///
    /// # Errors
    /// A file that exists and cannot be understood; a helper that fails.
    pub(crate) fn credential(&self, repository: &Repository) -> Result<Credential, StoreError> {
        for file in &self.files {
            let Some(stored) = Stored::read(file)? else { continue };
            if let Some(credential) = stored.credential(repository, &self.path, file)? {
                return Ok(credential);
            }
        }
        Ok(Credential::Anonymous)
    }
}

/// Why stored credentials cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// An entry is malformed.
    #[error("the credential for {key} in {} is malformed", file.display())]
    Entry { file: PathBuf, key: String },
    /// The file is no JSON or not of the right shape. The error tells the place of the mistake, but
    /// not the text there.
    #[error("{} is malformed in line {line}", file.display())]
    File { file: PathBuf, line: usize },
    /// A helper failed. Its output may be secret, and is not shown.
    #[error("docker-credential-{name} gives no credential for {server}")]
    Helper {
        name: String,
        server: String,
        #[source]
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The content of a file of credentials.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    auths: Option<BTreeMap<String, Entry>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Stored {
    /// Reads `file`, if it is there.
    fn read(file: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |source| StoreError::Read { file: file.to_owned(), source };
        let mut bytes = Zeroizing::new(Vec::new());
        match File::open(file) {
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(file) => file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?,
        };
        // Podman makes an empty file where there was none.
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        let malformed = |error: serde_json::Error| StoreError::File {
            file: file.to_owned(),
            line: error.line(),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(malformed)
    }

    fn credential(
        &self,
        repository: &Repository,
        path: &OsStr,
        file: &Path,
    ) -> Result<Option<Credential>, StoreError> {
        let server = server_key(repository);
        let ask = |name: &String| {
            helper::ask(name, server, path).map_err(|source| StoreError::Helper {
                name: name.clone(),
                server: server.to_owned(),
                source,
            })
        };
        let own = self.cred_helpers.iter().flatten().find_map(|(key, name)| {
            (key_fits(key, repository)? == 0 && !name.is_empty()).then_some(name)
        });
        let store = self.creds_store.as_ref().filter(|name| !name.is_empty());
        if let Some(name) = own.or(store)
            && let Some(credential) = ask(name)?
        {
            return Ok(Some(credential));
        }
        // The entry for the longest part of the repository's name counts.
        let entries = self.auths.iter().flatten();
        let fitting = entries.filter_map(|(key, entry)| {
            let credential = entry.credential().transpose()?;
            Some((key_fits(key, repository)?, key, credential))
        });
        let Some((_, key, credential)) = fitting.max_by_key(|(fit, ..)| *fit) else {
            return Ok(None);
        };
        let malformed = |Malformed| StoreError::Entry { file: file.to_owned(), key: key.clone() };
        credential.map(Some).map_err(malformed)
    }
}

/// Tells that an entry cannot be decoded.
struct Malformed;

impl Entry {
    /// Returns the credential, unless the entry only notes that a helper has one.
    fn credential(&self) -> Result<Option<Credential>, Malformed> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(Zeroizing::new(token))));
        }
        if let Some(auth) = filled(&self.auth).map(Zeroizing::new) {
            let decoder = GeneralPurpose::new(
                &base64::alphabet::STANDARD,
                GeneralPurposeConfig::new()
                    .with_decode_padding_mode(DecodePaddingMode::Indifferent),
            );
            let bytes = Zeroizing::new(decoder.decode(auth.as_bytes()).map_err(|_| Malformed)?);
            let text = std::str::from_utf8(&bytes).map_err(|_| Malformed)?;
            let (username, password) = text.split_once(':').ok_or(Malformed)?;
            // Docker pads the password of some helpers with zero bytes.
            return Ok(Some(basic(username, password.trim_matches('\0'))));
        }
        match (&self.username, &self.password) {
            (Some(username), Some(password)) => Ok(Some(basic(username, password))),
            _ => Ok(None),
        }
    }
}

/// Returns how long the part of a repository's path is that `key` names; `None` if it is not for that
/// repository.
///
/// Keys are hosts, URLs of which only the host counts, or, for Podman, hosts with the beginning of a
/// path.
fn key_fits(key: &str, repository: &Repository) -> Option<usize> {
    let without = |scheme| key.strip_prefix(scheme);
    let (host, path) = match without("https://").or_else(|| without("http://")) {
        Some(rest) => (rest.split('/').next()?, ""),
        None => key.split_once('/').unwrap_or((key, "")),
    };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    let path = path.trim_end_matches('/');
    let rest = repository.path().strip_prefix(path)?;
    let fits = path.is_empty() || rest.is_empty() || rest.starts_with('/');
    (host == repository.registry() && fits).then_some(path.len())
}

/// Returns the name by which helpers know a registry.
fn server_key(repository: &Repository) -> &str {
    match repository.registry() {
        "docker.io" => DOCKER_HUB_KEY,
        registry => registry,
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Mutex, PoisonError};

    use base64::engine::general_purpose;
    use tempfile::TempDir;

    use super::*;

    /// Held by tests that run files which they wrote. While another thread starts a program, such a
    /// file may still be open for writing there, and cannot be run.
    static ALONE: Mutex<()> = Mutex::new(());

    /// A home with Docker's file, and a folder for helpers.
    fn home(config: &str) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".docker")).unwrap();
        fs::write(home.path().join(".docker/config.json"), config).unwrap();
        home
    }

    fn stores(home: &TempDir, more: &[(&str, &str)]) -> Stores {
        Stores::of(&|name| match name {
            "HOME" => Some(home.path().into()),
            "PATH" => Some(format!("{}:/usr/bin:/bin", home.path().display()).into()),
            other => more.iter().find(|(key, _)| *key == other).map(|(_, value)| value.into()),
        })
    }

    fn helper(home: &TempDir, name: &str, script: &str) {
        let file = home.path().join(format!("docker-credential-{name}"));
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shown(credential: Credential) -> String {
        match credential {
            Credential::Anonymous => "anonymous".to_owned(),
            Credential::Basic { username, password } => format!("{username} {}", *password),
            Credential::IdentityToken(token) => format!("token {}", *token),
        }
    }

    fn find(stores: &Stores, name: &str) -> String {
        match stores.credential(&name.parse().unwrap()) {
            Ok(credential) => shown(credential),
            Err(error) => match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        }
    }

    fn auth(pair: &str) -> String {
        general_purpose::STANDARD.encode(pair)
    }

    #[test]
    fn docker_entries_are_found_by_host_however_it_is_written() {
        let (hub, quay) = (auth("me:a:b"), auth("me:quay"));
        let home = home(&format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{hub}"}},
                "https://quay.io/v2/":{{"auth":"{}"}},"r.io:5000":{{"identitytoken":"t","auth":"x"}},
                "plain.io":{{"username":"u","password":"p"}},"noted.io":{{}}}}}}"#,
            quay.trim_end_matches('=')
        ));
        let stores = stores(&home, &[]);
        for (name, expected) in [
            ("alpine", "me a:b"),
            ("quay.io/a/b", "me quay"),
            ("r.io:5000/a", "token t"),
            ("r.io/a", "anonymous"),
            ("r.io:5001/a", "anonymous"),
            ("plain.io/a", "u p"),
            ("noted.io/a", "anonymous"),
        ] {
            assert_eq!(find(&stores, name), expected, "{name}");
        }
    }

    #[test]
    fn longest_part_of_the_name_decides() {
        let home = home("");
        let file = home.path().join("auth.json");
        let entries: Vec<String> =
            [("r.io", "all"), ("r.io/a", "a"), ("r.io/a/b", "ab"), ("docker.io/me", "me")]
                .map(|(key, user)| {
                    format!(r#""{key}":{{"auth":"{}"}}"#, auth(&format!("{user}:x")))
                })
                .to_vec();
        fs::write(&file, format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))).unwrap();
        let stores = stores(&home, &[("REGISTRY_AUTH_FILE", file.to_str().unwrap())]);
        for (name, expected) in [
            ("r.io/a/b/c", "ab x"),
            ("r.io/a/b", "ab x"),
            ("r.io/a/bc", "a x"),
            ("r.io/ab", "all x"),
            ("me/app", "me x"),
            ("you/app", "anonymous"),
        ] {
            assert_eq!(find(&stores, name), expected, "{name}");
        }
    }

    #[test]
    fn podman_is_asked_after_docker_and_the_named_file_before() {
        let entry = |user: &str| format!(r#"{{"auths":{{"r.io":{{"auth":"{}"}}}}}}"#, auth(user));
        let home = home(&entry("docker:x"));
        for folder in ["run/containers", ".config/containers"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let run = home.path().join("run");
        let named = home.path().join("named.json");
        fs::write(home.path().join(".config/containers/auth.json"), entry("config:x")).unwrap();
        fs::write(run.join("containers/auth.json"), entry("run:x")).unwrap();
        fs::write(&named, entry("named:x")).unwrap();
        let all = [
            ("REGISTRY_AUTH_FILE", named.to_str().unwrap()),
            ("XDG_RUNTIME_DIR", run.to_str().unwrap()),
        ];
        assert_eq!(find(&stores(&home, &all), "r.io/a"), "named x");
        assert_eq!(find(&stores(&home, &all[1..]), "r.io/a"), "docker x");
        let elsewhere = [all[1], ("DOCKER_CONFIG", "/nowhere")];
        assert_eq!(find(&stores(&home, &elsewhere), "r.io/a"), "run x");
        assert_eq!(find(&stores(&home, &elsewhere[1..]), "r.io/a"), "config x");
    }

    #[test]
    fn helpers_are_asked_by_the_name_that_docker_uses() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let config = r#"{"auths":{"r.io":{}},"credsStore":"all","credHelpers":{"own.io":"one"}}"#;
        let home = home(config);
        helper(
            &home,
            "all",
            r#"read server; echo "{\"Username\":\"u\",\"Secret\":\"$1 $server\"}""#,
        );
        helper(&home, "one", r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#);
        let stores = stores(&home, &[]);
        assert_eq!(find(&stores, "r.io/a"), "u get r.io");
        assert_eq!(find(&stores, "alpine"), "u get https://index.docker.io/v1/");
        assert_eq!(find(&stores, "own.io/a"), "token t");
    }

    #[test]
    fn helper_that_knows_nothing_leaves_it_to_the_file() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = home(&format!(
            r#"{{"auths":{{"r.io":{{"auth":"{}"}}}},"credsStore":"none"}}"#,
            auth("me:x")
        ));
        helper(&home, "none", "echo credentials not found in native keychain; exit 1");
        assert_eq!(find(&stores(&home, &[]), "r.io/a"), "me x");
        assert_eq!(find(&stores(&home, &[]), "q.io/a"), "anonymous");
    }

    #[test]
    fn failing_helpers_are_errors_that_tell_no_secret() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = home(
            r#"{"credHelpers":{"a.io":"fails","b.io":"babbles","c.io":"absent","d.io":"../x","e.io":"floods"}}"#,
        );
        helper(&home, "fails", "echo hush; echo hush >&2; exit 3");
        helper(&home, "babbles", "echo '{\"Secret\":hush'");
        helper(&home, "floods", "exec cat /dev/zero");
        let stores = stores(&home, &[]);
        for (name, expected) in [
            (
                "a.io/a",
                "docker-credential-fails gives no credential for a.io: it ended with exit status: 3",
            ),
            (
                "b.io/a",
                "docker-credential-babbles gives no credential for b.io: its answer is malformed",
            ),
            (
                "c.io/a",
                "docker-credential-absent gives no credential for c.io: it is in no folder that PATH names",
            ),
            ("d.io/a", "docker-credential-../x gives no credential for d.io: its name has a slash"),
        ] {
            assert_eq!(find(&stores, name), expected);
        }
        assert!(find(&stores, "e.io/a").contains("docker-credential-floods"));
    }

    #[test]
    fn malformed_files_and_entries_are_errors_that_tell_no_secret() {
        let broken = home("{\"auths\":\n hush}");
        let text = find(&stores(&broken, &[]), "r.io/a");
        assert!(text.ends_with("config.json is malformed in line 2"), "{text}");
        for auth in ["hush!", &auth("hush")] {
            let home = home(&format!(r#"{{"auths":{{"r.io":{{"auth":"{auth}"}}}}}}"#));
            let text = find(&stores(&home, &[]), "r.io/a");
            assert!(text.starts_with("the credential for r.io in "), "{text}");
            assert!(!text.contains("hush"), "{text}");
            assert_eq!(find(&stores(&home, &[]), "q.io/a"), "anonymous");
        }
    }
}
