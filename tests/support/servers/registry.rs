//! The CNCF registry (Debian's docker-registry) on a free port, with its files at hand.
//!
//! Tests read the stored files from the registry's folder. So they see them without authentication,
//! and see blobs without a tag, too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::token_issuer;
use crate::{Authority, TokenIssuer};

/// The user that registries with authentication know.
pub const USERNAME: &str = "alice";
/// The password of [`USERNAME`].
pub const PASSWORD: &str = "correct horse";
/// The bcrypt line of both, at the least cost.
const HTPASSWD: &str = "alice:$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running registry; it ends and its files go when the value goes out of scope.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    folder: TempDir,
    host: String,
}

impl Registry {
    /// Starts a registry that anybody may use, over plain HTTP.
    pub fn plain() -> Self {
        Self::start("", "", |_| ())
    }

    /// Starts a registry with HTTPS and Basic authentication for [`USERNAME`] and [`PASSWORD`].
    pub fn with_htpasswd_over_tls(authority: &Authority) -> Self {
        let tls = format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            authority.server_certificate_file().display(),
            authority.server_key_file().display()
        );
        // The configuration is read with the registry's folder as working directory.
        let auth = "auth:\n  htpasswd:\n    realm: sealcrate test\n    path: htpasswd\n";
        Self::start(&tls, auth, |folder| {
            fs::write(folder.join("htpasswd"), HTPASSWD).expect("the folder can be written");
        })
    }

    /// Starts a registry over plain HTTP that believes the tokens of an issuer.
    pub fn with_tokens(issuer: &TokenIssuer) -> Self {
        let auth = format!(
            "auth:\n  token:\n    realm: {}\n    service: {}\n    issuer: {}\n    rootcertbundle: {}\n",
            issuer.realm(),
            token_issuer::SERVICE,
            token_issuer::ISSUER,
            issuer.authority().ca_file().display()
        );
        Self::start("", &auth, |_| ())
    }

    fn start(tls: &str, auth: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        prepare(folder.path());
        let config = format!(
            "version: 0.1
log:
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:0
{tls}{auth}",
            folder.path().join("storage").display()
        );
        fs::write(folder.path().join("config.yml"), config).expect("the folder can be written");
        let log = File::create(folder.path().join("log")).expect("the folder can be written");
        let process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry cannot be run: `cargo xtask test` installs it");
        let mut registry = Self { process, folder, host: String::new() };
        registry.host = registry.wait_for_address();
        registry
    }

    /// Waits until the registry logs the port that the system gave it.
    fn wait_for_address(&mut self) -> String {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(host) = self.log().split("listening on ").nth(1).and_then(host_at_start) {
                return host;
            }
            let ended = self.process.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "docker-registry does not listen: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The registry's log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The folder that holds everything that was ever sent.
    pub fn storage_dir(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    /// The files of all complete blobs, manifests among them.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let sha256 = self.registry_folder().join("blobs/sha256");
        let prefixes = children(&sha256);
        let digests = prefixes.iter().flat_map(|prefix| children(prefix));
        digests.map(|digest| digest.join("data")).filter(|data| data.exists()).collect()
    }

    /// The bytes of the blob or manifest with a digest (`sha256:…`).
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        let hex = digest.strip_prefix("sha256:")?;
        let path = self.registry_folder().join("blobs/sha256").join(hex.get(..2)?).join(hex);
        fs::read(path.join("data")).ok()
    }

    /// Overwrites the stored bytes of a blob, as a dishonest registry might.
    ///
    /// # Panics
    /// If there is no such blob.
    pub fn replace_blob(&self, digest: &str, bytes: &[u8]) {
        let hex = digest.strip_prefix("sha256:").expect("digests are sha256");
        let path = self.registry_folder().join("blobs/sha256").join(&hex[..2]).join(hex);
        assert!(path.exists(), "{digest} is not stored");
        fs::write(path.join("data"), bytes).expect("the storage can be written");
    }

    /// The tags of a repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let mut tags: Vec<_> = children(&self.tags_folder(repository))
            .iter()
            .filter(|tag| tag.join("current/link").exists())
            .filter_map(|tag| Some(tag.file_name()?.to_str()?.to_owned()))
            .collect();
        tags.sort();
        tags
    }

    /// The digest that a tag names.
    pub fn tag_digest(&self, repository: &str, tag: &str) -> Option<String> {
        fs::read_to_string(self.tags_folder(repository).join(tag).join("current/link")).ok()
    }

    /// The bytes of the manifest that a tag names.
    pub fn manifest(&self, repository: &str, tag: &str) -> Option<Vec<u8>> {
        self.blob(&self.tag_digest(repository, tag)?)
    }

    fn registry_folder(&self) -> PathBuf {
        self.storage_dir().join("docker/registry/v2")
    }

    fn tags_folder(&self, repository: &str) -> PathBuf {
        self.registry_folder().join("repositories").join(repository).join("_manifests/tags")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself, which a test has then seen.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address and port that a text starts with, once the port is followed by something else.
fn host_at_start(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
    Some(text[..end].to_owned())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("the storage can be read").path()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Output;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::{Anonymous, Caller, Sandbox, TokenLife};
    use sealcrate_test_kit::http::{Response, request};

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const MINUTE: Duration = Duration::from_secs(60);

    fn upload_empty_blob(registry: &Registry, authorization: &[(&str, &str)]) -> Response {
        let host = registry.host();
        let begun = request("POST", host, "/v2/team/app/blobs/uploads/", authorization, b"");
        let begun = begun.unwrap();
        if begun.status != 202 {
            return begun;
        }
        let location = begun.head.header("Location").unwrap();
        let target = location.strip_prefix(&format!("http://{host}")).unwrap();
        request("PUT", host, &format!("{target}&digest={EMPTY}"), authorization, b"").unwrap()
    }

    #[test]
    fn what_is_sent_can_be_read_from_the_files() {
        let registry = Registry::plain();
        assert_eq!(upload_empty_blob(&registry, &[]).status, 201);
        assert_eq!(registry.blob(EMPTY).unwrap(), b"");
        let descriptor = |media_type| {
            format!(
                r#"{{"mediaType":"application/vnd.docker.{media_type}","size":0,"digest":"{EMPTY}"}}"#
            )
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{},"layers":[{}]}}"#,
            descriptor("container.image.v1+json"),
            descriptor("image.rootfs.diff.tar.gzip"),
        );
        let headers = [("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")];
        let target = "/v2/team/app/manifests/first";
        let put = request("PUT", registry.host(), target, &headers, manifest.as_bytes()).unwrap();
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
        assert_eq!(registry.tags("team/app"), ["first"]);
        assert_eq!(registry.manifest("team/app", "first").unwrap(), manifest.as_bytes());
        assert_eq!(
            registry.tag_digest("team/app", "first").as_deref(),
            put.head.header("Docker-Content-Digest")
        );
        assert_eq!(registry.blobs().len(), 2);
        assert_eq!(registry.manifest("team/app", "second"), None);
    }

    #[test]
    fn the_registry_ends_with_its_value() {
        let registry = Registry::plain();
        let host = registry.host().to_owned();
        assert_eq!(request("GET", &host, "/v2/", &[], b"").unwrap().status, 200);
        drop(registry);
        assert!(request("GET", &host, "/v2/", &[], b"").is_err());
    }

    #[test]
    fn htpasswd_over_tls_lets_only_the_password_in() {
        let authority = Authority::new();
        let registry = Registry::with_htpasswd_over_tls(&authority);
        let login = |password: &str, cert_dir: &Path| -> Output {
            let sandbox = Sandbox::new();
            let mut skopeo = sandbox.command("skopeo");
            skopeo.args(["login", "--username", USERNAME, "--password", password]);
            skopeo.arg("--authfile").arg(sandbox.work().join("auth.json"));
            skopeo.arg("--cert-dir").arg(cert_dir).arg(registry.host());
            skopeo.output().unwrap()
        };
        let right = login(PASSWORD, authority.folder());
        assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
        let wrong = login("wrong", authority.folder());
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("invalid username/password"));
        let stranger = login(PASSWORD, Authority::new().folder());
        assert!(String::from_utf8_lossy(&stranger.stderr).contains("certificate"));
    }

    fn token_of(response: &Response) -> Option<String> {
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        let token = answer.get("token").or_else(|| answer.get("access_token"))?;
        Some(format!("Bearer {}", token.as_str()?))
    }

    /// Asks an issuer as a client does that has read the registry's challenge.
    fn ask(issuer: &TokenIssuer, authorization: &[(&str, &str)]) -> Response {
        let target = "/token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull%2Cpush";
        let realm = issuer.realm();
        let host = realm.strip_prefix("http://").unwrap().strip_suffix("/token").unwrap();
        request("GET", host, target, authorization, b"").unwrap()
    }

    fn post(issuer: &TokenIssuer, form: &str) -> Response {
        let form = format!("service=registry.test&scope=repository:team/app:pull,push&{form}");
        let realm = issuer.realm();
        let host = realm.strip_prefix("http://").unwrap().strip_suffix("/token").unwrap();
        request("POST", host, "/token", &[], form.as_bytes()).unwrap()
    }

    // YWxpY2U6Y29ycmVjdCBob3JzZQ== is "alice:correct horse".
    const BASIC: (&str, &str) = ("Authorization", "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==");

    #[test]
    fn the_registry_believes_the_issuers_tokens() {
        let issuer = TokenIssuer::start(Anonymous::MayPull, TokenLife::honest(5 * MINUTE));
        let registry = Registry::with_tokens(&issuer);
        let refused = upload_empty_blob(&registry, &[]);
        assert_eq!(refused.status, 401);
        let challenge = refused.head.header("WWW-Authenticate").unwrap();
        assert!(challenge.contains(&format!("realm=\"{}\"", issuer.realm())), "{challenge}");

        let anonymous = token_of(&ask(&issuer, &[])).unwrap();
        assert_eq!(upload_empty_blob(&registry, &[("Authorization", &anonymous)]).status, 401);
        let by_password = token_of(&ask(&issuer, &[BASIC])).unwrap();
        assert_eq!(upload_empty_blob(&registry, &[("Authorization", &by_password)]).status, 201);
        let form = format!("grant_type=refresh_token&refresh_token={}", issuer.identity_token());
        let by_identity = token_of(&post(&issuer, &form)).unwrap();
        assert_eq!(upload_empty_blob(&registry, &[("Authorization", &by_identity)]).status, 201);
        let target = format!("/v2/team/app/blobs/{EMPTY}");
        let pulled =
            request("GET", registry.host(), &target, &[("Authorization", &anonymous)], b"");
        assert_eq!(pulled.unwrap().status, 200);

        let callers: Vec<_> = issuer.requests().iter().map(|request| request.caller).collect();
        assert_eq!(callers, [Caller::Anonymous, Caller::Password, Caller::IdentityToken]);
        assert_eq!(issuer.requests()[0].scopes, ["repository:team/app:pull,push"]);
    }

    #[test]
    fn the_issuer_refuses_strangers() {
        let issuer = TokenIssuer::start(Anonymous::Refused, TokenLife::honest(MINUTE));
        assert_eq!(ask(&issuer, &[]).status, 401);
        assert_eq!(ask(&issuer, &[("Authorization", "Basic YTpi")]).status, 401);
        assert_eq!(post(&issuer, "grant_type=refresh_token&refresh_token=x").status, 401);
        assert_eq!(issuer.requests()[2].caller, Caller::Stranger);
    }

    #[test]
    fn tokens_end_on_time() {
        let issuer = TokenIssuer::start(Anonymous::Refused, TokenLife::honest(5 * MINUTE));
        let registry = Registry::with_tokens(&issuer);
        let upload = |token: &str| {
            upload_empty_blob(&registry, &[("Authorization", &format!("Bearer {token}"))]).status
        };
        let scope = "repository:team/app:pull,push";
        assert_eq!(upload(&issuer.token(scope)), 201);
        assert_eq!(upload(&issuer.ended_token(scope)), 401);
        // The issuer may state another time than the real one.
        issuer.set_life(TokenLife { real: Duration::ZERO, told: Some(5 * MINUTE) });
        let answer = ask(&issuer, &[BASIC]);
        assert!(String::from_utf8_lossy(&answer.body).contains("\"expires_in\":300"));
        let token = token_of(&answer).unwrap();
        assert_eq!(upload_empty_blob(&registry, &[("Authorization", &token)]).status, 401);
    }
}
