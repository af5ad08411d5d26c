//! Registries without TLS that Docker and Podman know: `insecure-registries` in Docker's `daemon.json`,
//! and `insecure` in Podman's `registries.conf`.
//!
//! Here they only say where a login may go in clear on this machine. The places of the files come in as
//! values.

mod file;
mod registries_conf;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sealcrate_image::Repository;
use serde::Deserialize;

pub(crate) use file::InsecureError;
use file::read;
use registries_conf::RegistriesConf;

/// The folder of the system's configuration.
pub(crate) const SYSTEM: &str = "/etc";

/// The files that name registries without TLS.
#[derive(Clone, Debug)]
pub(crate) struct Insecure {
    /// Files in the form of `daemon.json`.
    docker: Vec<PathBuf>,
    podman: RegistriesConf,
}

impl Insecure {
    /// Finds the files of Docker and Podman: below `system`, and by a user's environment.
    pub(crate) fn of(system: &Path, environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = folder("HOME");
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let rootless = config.map(|folder| folder.join("docker/daemon.json"));
        let named =
            folder("CONTAINERS_REGISTRIES_CONF").or_else(|| folder("REGISTRIES_CONFIG_PATH"));
        Self {
            docker: [Some(system.join("docker/daemon.json")), rootless]
                .into_iter()
                .flatten()
                .collect(),
            podman: RegistriesConf::of(named, home.as_deref(), system),
        }
    }

    /// Tells whether the files name the registry of `repository` as one without TLS.
    ///
    /// # Errors
    /// A file that is malformed or too long. A file that is missing, or that only others may read, names
    /// nothing.
    pub(crate) fn names(&self, repository: &Repository) -> Result<bool, InsecureError> {
        for file in &self.docker {
            let Some(bytes) = read(file)? else { continue };
            let daemon: Daemon = serde_json::from_slice(&bytes)
                .map_err(|error| InsecureError::malformed(file, error.line()))?;
            let mut entries = daemon.insecure_registries.iter().flatten();
            if entries.any(|entry| docker_means(entry, repository.registry())) {
                return Ok(true);
            }
        }
        self.podman.names(repository)
    }
}

/// The members of `daemon.json` that count here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Daemon {
    insecure_registries: Option<Vec<String>>,
}

/// Tells whether an entry of `insecure-registries` means `registry`: it is its name, or a network that its
/// address is in.
fn docker_means(entry: &str, registry: &str) -> bool {
    let bare = ["http://", "https://"].iter().find_map(|scheme| entry.strip_prefix(scheme));
    if bare.unwrap_or(entry).eq_ignore_ascii_case(registry) {
        return true;
    }
    let Some((network, length)) = entry.split_once('/') else { return false };
    let (Ok(network), Ok(length)) = (network.parse(), length.parse()) else { return false };
    addresses(registry).into_iter().any(|address| is_in(address, network, length))
}

/// Returns the addresses of a registry on loopback. It looks up no names other than `localhost`.
fn addresses(registry: &str) -> Vec<IpAddr> {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or_default(),
    };
    if host.eq_ignore_ascii_case("localhost") {
        return vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
    }
    host.parse().into_iter().collect()
}

/// Tells whether the first `length` bits of two addresses of a kind are the same.
fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let differs: u128 = address ^ network;
    length <= bits && differs.checked_shr(bits - length).unwrap_or_default() == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Makes a system folder and a home in which these files are.
    pub(super) fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    fn insecure(machine: &tempfile::TempDir, more: &[(&str, &str)]) -> Insecure {
        let home = machine.path().join("home");
        Insecure::of(&machine.path().join("etc"), &|name| match name {
            "HOME" => Some(home.clone().into()),
            other => more.iter().find(|(key, _)| *key == other).map(|(_, value)| value.into()),
        })
    }

    fn names(machine: &tempfile::TempDir, repository: &str) -> bool {
        insecure(machine, &[]).names(&repository.parse().unwrap()).unwrap()
    }

    #[test]
    fn docker_names_registries_by_host_and_port_or_by_network() {
        for (entry, named, others) in [
            ("127.0.0.1:5000", "127.0.0.1:5000/a", &["127.0.0.1:5001/a", "127.0.0.1/a"][..]),
            ("http://LOCALHOST:5000", "localhost:5000/a", &["localhost/a"]),
            ("localhost", "localhost/a", &["localhost:5000/a", "127.0.0.1/a"]),
            ("127.0.0.0/8", "127.9.9.9:5000/a", &["[::1]:5000/a", "r.io/a"]),
            ("127.0.0.1/32", "localhost:5000/a", &["127.0.0.2:5000/a"]),
            ("::1/128", "[::1]:5000/a", &["127.0.0.1:5000/a"]),
            ("0.0.0.0/0", "127.0.0.1/a", &["[::1]/a"]),
        ] {
            let text = format!(r#"{{"debug":true,"insecure-registries":["q.io",{entry:?}]}}"#);
            for file in ["etc/docker/daemon.json", "home/.config/docker/daemon.json"] {
                let machine = machine(&[(file, &text)]);
                assert!(names(&machine, named), "{entry}");
                for other in others {
                    assert!(!names(&machine, other), "{entry} {other}");
                }
            }
        }
        for entry in ["127.0.0.0/33", "127.0.0.0/-1", "127.0.0.0/", "/8", "a/b", ""] {
            let text = format!(r#"{{"insecure-registries":[{entry:?}]}}"#);
            let machine = machine(&[("etc/docker/daemon.json", &text)]);
            assert!(!names(&machine, "127.0.0.1:5000/a"), "{entry}");
        }
    }

    #[test]
    fn rootless_docker_is_where_the_environment_says() {
        let daemon = r#"{"insecure-registries":["127.0.0.1:5000"]}"#;
        let machine = machine(&[("config/docker/daemon.json", daemon)]);
        let config = machine.path().join("config");
        let more = [("XDG_CONFIG_HOME", config.to_str().unwrap())];
        let repository = "127.0.0.1:5000/a".parse().unwrap();
        assert!(insecure(&machine, &more).names(&repository).unwrap());
        assert!(!insecure(&machine, &[]).names(&repository).unwrap());
    }

    #[test]
    fn nothing_is_named_where_there_is_no_file() {
        let machine = machine(&[("etc/docker/daemon.json", "{}"), ("home/.config", "a file")]);
        assert!(!names(&machine, "127.0.0.1:5000/a"));
    }

    #[test]
    fn malformed_and_endless_files_are_errors() {
        let repository: Repository = "127.0.0.1:5000/a".parse().unwrap();
        let refused = |file: &str, text: &str| {
            let machine = machine(&[(file, text)]);
            let error = insecure(&machine, &[]).names(&repository).unwrap_err();
            error.to_string().replace(&machine.path().display().to_string(), "")
        };
        let daemon = "etc/docker/daemon.json";
        assert_eq!(refused(daemon, "{\n]"), "/etc/docker/daemon.json is malformed in line 2");
        assert_eq!(
            refused(daemon, r#"{"insecure-registries":"127.0.0.1:5000"}"#),
            "/etc/docker/daemon.json is malformed in line 1"
        );
        let long = " ".repeat((1 << 20) + 1);
        for file in [daemon, "etc/containers/registries.conf"] {
            assert_eq!(refused(file, &long), format!("/{file} is longer than 1 MiB"));
        }
    }
}
