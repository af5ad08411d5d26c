//! Which engine the user means, found as Docker's own command line finds it: by `DOCKER_HOST`, by a
//! context, or at the usual sockets. This module connects to nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealcrate_image::Digest;
use sealcrate_image::engine::{Endpoint, EndpointError, TlsFiles};
use sealcrate_image::registry::is_loopback;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The settings of this machine that tell which engine the user means.
pub(crate) struct Machine<'a> {
    /// Returns a variable of the environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The socket of the system's Docker engine, `/var/run/docker.sock`.
    pub(crate) docker_socket: &'a Path,
    /// The socket of the system's Podman service, `/run/podman/podman.sock`.
    pub(crate) podman_socket: &'a Path,
}

impl Machine<'_> {
    /// Finds the engine.
    ///
    /// # Errors
    /// An address that sealcrate cannot speak to; a context that does not exist, or is malformed;
    /// TLS that would not check the engine's certificate.
    pub(crate) fn engine(&self) -> Result<Endpoint, DockerHostError> {
        if let Some(host) = self.get("DOCKER_HOST") {
            return self.by_address(&host);
        }
        let config = self.config_folder();
        let named = match (self.get("DOCKER_CONTEXT"), &config) {
            (Some(name), _) => Some(name),
            (None, Some(folder)) => current_context(&folder.join("config.json"))?,
            (None, None) => None,
        };
        match named {
            Some(name) if name != DEFAULT_CONTEXT => match config {
                Some(folder) => self.by_context(&folder.join("contexts"), name),
                None => Err(DockerHostError::NoContext { name }),
            },
            _ => Ok(self.usual_socket()),
        }
    }

    fn by_address(&self, host: &str) -> Result<Endpoint, DockerHostError> {
        if host.starts_with("unix:") {
            return Ok(host.parse()?);
        }
        if self.get("DOCKER_TLS_VERIFY").is_some() {
            let folder = self.get("DOCKER_CERT_PATH").map(PathBuf::from);
            let folder = folder.or_else(|| self.config_folder());
            let folder = folder.ok_or(DockerHostError::NoCertificates)?;
            return Ok(Endpoint::over_tls(host, pem_files(&folder))?);
        }
        if self.get("DOCKER_TLS").is_some() {
            return Err(DockerHostError::Unverified("DOCKER_TLS without DOCKER_TLS_VERIFY".into()));
        }
        Ok(host.parse()?)
    }

    fn by_context(&self, contexts: &Path, name: String) -> Result<Endpoint, DockerHostError> {
        let key = Digest::of(name.as_bytes()).hex();
        let Some(context) = read::<Context>(&contexts.join("meta").join(&key).join("meta.json"))?
        else {
            return Err(DockerHostError::NoContext { name });
        };
        let Some(engine) = context.endpoints.docker else {
            return Err(DockerHostError::NoEngine { name });
        };
        if engine.host.is_empty() {
            return Ok(self.usual_socket());
        }
        if engine.host.starts_with("unix:") {
            return Ok(engine.host.parse()?);
        }
        if engine.skip_tls_verify {
            return Err(DockerHostError::Unverified(format!("context {name:?}")));
        }
        let folder = contexts.join("tls").join(&key).join("docker");
        if folder.exists() {
            return Ok(Endpoint::over_tls(&engine.host, pem_files(&folder))?);
        }
        Ok(engine.host.parse()?)
    }

    /// Returns the first usual socket that exists. If none does, returns the first of all, which
    /// the user then sees in the error.
    fn usual_socket(&self) -> Endpoint {
        let runtime = self.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let in_runtime = |name| runtime.as_ref().map(|folder| folder.join(name));
        let sockets = [
            Some(self.docker_socket.to_owned()),
            in_runtime("docker.sock"),
            in_runtime("podman/podman.sock"),
            Some(self.podman_socket.to_owned()),
        ];
        let found = sockets.into_iter().flatten().find(|socket| socket.exists());
        Endpoint::Unix(found.unwrap_or_else(|| self.docker_socket.to_owned()))
    }

    fn config_folder(&self) -> Option<PathBuf> {
        let in_home = || Some(Path::new(&self.get("HOME")?).join(".docker"));
        self.get("DOCKER_CONFIG").map(PathBuf::from).or_else(in_home)
    }

    /// Returns a variable, unless it is empty: an empty one counts as unset.
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

/// Returns the warning about an engine on another machine to which all data goes in clear.
pub(crate) fn warning(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint::Tcp { host, .. } if !is_loopback(host) => Some(format!(
            "the engine at {endpoint} is spoken to without TLS: decrypted layers, configs and image names \
             travel in clear, and anybody on the way can read and change them, and rule the engine"
        )),
        _ => None,
    }
}

/// The context that stands for the usual sockets.
const DEFAULT_CONTEXT: &str = "default";

/// The content of a context's `meta.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    #[serde(default)]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

fn current_context(path: &Path) -> Result<Option<String>, DockerHostError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct DockerConfig {
        current_context: Option<String>,
    }
    let name = read::<DockerConfig>(path)?.and_then(|config| config.current_context);
    Ok(name.filter(|name| !name.is_empty()))
}

/// Reads a file of Docker's, unless there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DockerHostError> {
    let failed = |source| DockerHostError::File { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn pem_files(folder: &Path) -> TlsFiles {
    TlsFiles {
        ca: folder.join("ca.pem"),
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

/// Why nobody can tell which engine the user means.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum DockerHostError {
    /// The address is not one that sealcrate can speak to.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// A file of Docker's cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error in the file.
        source: io::Error,
    },
    /// The user asks for TLS, and nothing tells where the certificates are.
    #[error("DOCKER_TLS_VERIFY is set, but neither DOCKER_CERT_PATH nor HOME is")]
    NoCertificates,
    /// There is no context of the name.
    #[error("there is no docker context {name:?}")]
    NoContext {
        /// The name.
        name: String,
    },
    /// The context is for something else than a Docker engine.
    #[error("the docker context {name:?} names no engine")]
    NoEngine {
        /// The context's name.
        name: String,
    },
    /// TLS without checking the engine's certificate.
    #[error("{0} asks for TLS that does not check the engine's certificate, which is refused")]
    Unverified(String),
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A machine that has only the files and variables of a test.
    struct Bare {
        folder: tempfile::TempDir,
        variables: HashMap<&'static str, String>,
    }

    impl Bare {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = folder.path().display().to_string();
            Self { folder, variables: HashMap::from([("HOME", home)]) }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn set(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
            self.variables.insert(name, value.into());
            self
        }

        fn file(&mut self, name: &str, text: &str) -> &mut Self {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::write(self.path(name), text).unwrap();
            self
        }

        fn context(&mut self, name: &str, engine: &str) -> &mut Self {
            let key = Digest::of(name.as_bytes()).hex();
            let text = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{engine}}}"#);
            self.file(&format!(".docker/contexts/meta/{key}/meta.json"), &text)
        }

        fn engine(&self) -> Result<Endpoint, DockerHostError> {
            Machine {
                variable: &|name| self.variables.get(name).cloned(),
                docker_socket: &self.path("docker.sock"),
                podman_socket: &self.path("podman.sock"),
            }
            .engine()
        }

        fn found(&self) -> String {
            let endpoint = self.engine().unwrap();
            endpoint.to_string().replace(&self.folder.path().display().to_string(), "")
        }
    }

    #[test]
    fn docker_host_wins_over_every_context() {
        let mut bare = Bare::new();
        bare.set("DOCKER_HOST", "tcp://box:1").set("DOCKER_CONTEXT", "none");
        assert_eq!(bare.found(), "tcp://box:1");
        bare.set("DOCKER_HOST", "");
        assert!(matches!(bare.engine(), Err(DockerHostError::NoContext { .. })));
    }

    #[test]
    fn engine_on_another_machine_without_tls_is_warned_about() {
        let mut bare = Bare::new();
        let mut warned = |host: &str| {
            let endpoint = bare.set("DOCKER_HOST", host).engine().unwrap();
            warning(&endpoint)
        };
        for host in ["tcp://box", "http://192.0.2.1:2375", "tcp://[2001:db8::1]:1", "tcp://0.0.0.0"]
        {
            let text = warned(host).unwrap_or_else(|| panic!("{host}"));
            assert!(text.contains("layers, configs and image names travel in clear"), "{text}");
        }
        for host in ["tcp://localhost", "tcp://127.0.0.1:1", "tcp://[::1]:1", "unix:///a"] {
            assert_eq!(warned(host), None, "{host}");
        }
        bare.set("DOCKER_HOST", "tcp://box").set("DOCKER_TLS_VERIFY", "1");
        assert_eq!(warning(&bare.engine().unwrap()), None);
        let mut bare = Bare::new();
        bare.context("far", r#"{"docker":{"Host":"tcp://far"}}"#).set("DOCKER_CONTEXT", "far");
        assert!(warning(&bare.engine().unwrap()).is_some());
    }

    #[test]
    fn tls_takes_its_files_from_the_cert_path_or_the_config_folder() {
        let mut bare = Bare::new();
        bare.set("DOCKER_HOST", "tcp://box").set("DOCKER_TLS_VERIFY", "1");
        let files = |found| match found {
            Ok(Endpoint::Tls { port: 2376, files, .. }) => files,
            other => panic!("{other:?}"),
        };
        assert_eq!(files(bare.engine()), pem_files(&bare.path(".docker")));
        bare.set("DOCKER_CERT_PATH", "/certs");
        assert_eq!(files(bare.engine()), pem_files(Path::new("/certs")));
        bare.set("DOCKER_HOST", "unix:///a");
        assert_eq!(bare.found(), "unix:///a");
    }

    #[test]
    fn tls_without_a_check_is_refused() {
        let mut bare = Bare::new();
        bare.set("DOCKER_HOST", "tcp://box").set("DOCKER_TLS", "1");
        assert!(matches!(bare.engine(), Err(DockerHostError::Unverified(_))));
        let mut bare = Bare::new();
        bare.context("far", r#"{"docker":{"Host":"tcp://far","SkipTLSVerify":true}}"#);
        bare.set("DOCKER_CONTEXT", "far");
        assert!(matches!(bare.engine(), Err(DockerHostError::Unverified(_))));
    }

    #[test]
    fn context_is_that_of_the_variable_or_the_config() {
        let mut bare = Bare::new();
        bare.context("one", r#"{"docker":{"Host":"unix:///one.sock"}}"#)
            .context("two", r#"{"docker":{"Host":"tcp://two:2","SkipTLSVerify":false}}"#)
            .file(".docker/config.json", r#"{"auths":{},"currentContext":"one"}"#);
        assert_eq!(bare.found(), "unix:///one.sock");
        bare.set("DOCKER_CONTEXT", "two");
        assert_eq!(bare.found(), "tcp://two:2");
        bare.set("DOCKER_CONTEXT", "default");
        assert_eq!(bare.found(), "unix:///docker.sock");
        bare.set("DOCKER_CONTEXT", "").set("DOCKER_CONFIG", "/nonexistent");
        assert_eq!(bare.found(), "unix:///docker.sock");
    }

    #[test]
    fn context_with_certificates_is_spoken_to_over_tls() {
        let mut bare = Bare::new();
        bare.context("far", r#"{"docker":{"Host":"tcp://far"}}"#).set("DOCKER_CONTEXT", "far");
        assert!(matches!(bare.engine(), Ok(Endpoint::Tcp { port: 2375, .. })));
        let folder = format!(".docker/contexts/tls/{}/docker", Digest::of(b"far").hex());
        bare.file(&format!("{folder}/ca.pem"), "");
        let expected = pem_files(&bare.path(&folder));
        let found = bare.engine();
        assert!(matches!(found, Ok(Endpoint::Tls { port: 2376, files, .. }) if files == expected));
    }

    #[test]
    fn context_that_names_no_engine_is_refused() {
        let mut bare = Bare::new();
        bare.set("DOCKER_CONTEXT", "k8s").context("k8s", r#"{"kubernetes":{}}"#);
        assert!(matches!(bare.engine(), Err(DockerHostError::NoEngine { .. })));
        bare.context("k8s", "[");
        assert!(matches!(bare.engine(), Err(DockerHostError::File { .. })));
        bare.context("k8s", r#"{"docker":{"Host":"ssh://box"}}"#);
        assert!(matches!(bare.engine(), Err(DockerHostError::Endpoint(EndpointError::Ssh { .. }))));
    }

    #[test]
    fn malformed_config_is_told() {
        let mut bare = Bare::new();
        bare.file(".docker/config.json", "{");
        assert!(matches!(bare.engine(), Err(DockerHostError::File { path, .. })
            if path == bare.path(".docker/config.json")));
    }

    #[test]
    fn first_socket_that_is_there_is_taken() {
        let mut bare = Bare::new();
        assert_eq!(bare.found(), "unix:///docker.sock");
        let run = bare.path("run").display().to_string();
        bare.set("XDG_RUNTIME_DIR", run);
        for socket in ["podman.sock", "run/podman/podman.sock", "run/docker.sock", "docker.sock"] {
            bare.file(socket, "");
            assert_eq!(bare.found(), format!("unix:///{socket}"));
        }
    }
}
