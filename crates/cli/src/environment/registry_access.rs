//! How to reach registries from this machine: certificates, proxies, and when to speak plain HTTP.
//!
//! Folders and the environment come in as values.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealcrate_image::Repository;
use sealcrate_image::registry::{
    Access, ClientCertificate, Credential, Proxies, SchemePolicy, is_loopback,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::args::RegistryHost;
use crate::environment::insecure::{Insecure, InsecureError};

/// Where Docker looks for the certificates of registries, in a folder named as the registry.
pub(crate) const CERTIFICATES: &str = "/etc/docker/certs.d";

/// The settings for every registry that a command talks to.
#[derive(Clone, Debug)]
pub(crate) struct RegistrySettings {
    /// The folder that holds a folder of certificates for each registry.
    pub(crate) certificates: PathBuf,
    /// Further authorities that the user named, each for one registry.
    pub(crate) authorities: Vec<(RegistryHost, PathBuf)>,
    /// The registries that the user wants to reach over plain HTTP.
    pub(crate) plain: Vec<RegistryHost>,
    /// The files that name other registries which may get a login in clear.
    pub(crate) insecure: Insecure,
    /// The proxies on the way.
    pub(crate) proxies: Proxies,
}

impl RegistrySettings {
    /// Gathers the settings for the registry of `repository`.
    ///
    /// # Errors
    /// A certificate or key that cannot be read, or one of them without the other; a file of Docker's or
    /// Podman's that is malformed.
    pub(crate) fn to(
        &self,
        repository: &Repository,
        credential: Credential,
    ) -> Result<Access, AccessError> {
        let mut access = Access {
            scheme: self.scheme(repository, &credential)?,
            certificate_authorities: Vec::new(),
            client_certificate: None,
            proxies: self.proxies.clone(),
            credential,
        };
        let authorities = self.authorities.iter().filter(|(host, _)| host.holds(repository));
        for (_, file) in authorities {
            access.certificate_authorities.push(read(file)?);
        }
        for file in list(&self.certificates.join(repository.registry()))? {
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => access.certificate_authorities.push(read(&file)?),
                Some("cert") => {
                    let key = pair(&file, "key")?;
                    // Docker offers all of them; servers take the first that they trust.
                    if access.client_certificate.is_none() {
                        access.client_certificate = Some(ClientCertificate {
                            certificate: read(&file)?,
                            key: Zeroizing::new(read(&key)?),
                        });
                    }
                }
                Some("key") => drop(pair(&file, "cert")?),
                _ => {}
            }
        }
        Ok(access)
    }

    fn scheme(
        &self,
        repository: &Repository,
        credential: &Credential,
    ) -> Result<SchemePolicy, AccessError> {
        if self.plain.iter().any(|host| host.holds(repository)) {
            return Ok(SchemePolicy::PlainHttp);
        }
        // Elsewhere the client speaks no plain HTTP, and without a login it makes no difference.
        let matters =
            is_loopback(repository.registry()) && !matches!(credential, Credential::Anonymous);
        Ok(match matters && self.insecure.names(repository)? {
            true => SchemePolicy::InsecureLoopback,
            false => SchemePolicy::HttpsExceptLoopback,
        })
    }
}

/// Why nobody can tell how to reach a registry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum AccessError {
    /// A file of Docker or Podman about insecure registries cannot be used.
    #[error("{0}")]
    Insecure(#[from] InsecureError),
    /// A client certificate without key, or the other way round.
    #[error("{} is there, but {} is not", there.display(), missing.display())]
    UnpairedFile { there: PathBuf, missing: PathBuf },
    /// The file or folder cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Lists the files of a folder by name; none if it does not exist.
fn list(folder: &Path) -> Result<Vec<PathBuf>, AccessError> {
    let failed = |source| AccessError::Read { file: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    files.sort();
    Ok(files)
}

/// Returns the file beside `file` that belongs to it.
fn pair(file: &Path, extension: &str) -> Result<PathBuf, AccessError> {
    let other = file.with_extension(extension);
    if other.exists() {
        return Ok(other);
    }
    Err(AccessError::UnpairedFile { there: file.to_owned(), missing: other })
}

fn read(file: &Path) -> Result<Vec<u8>, AccessError> {
    fs::read(file).map_err(|source| AccessError::Read { file: file.to_owned(), source })
}

/// Reads the proxies out of the environment, by the rules of Go's programs: of two spellings the
/// upper-case one counts, and an empty variable counts as unset.
pub(crate) fn proxies(environment: &dyn Fn(&str) -> Option<OsString>) -> Proxies {
    let get = |upper: &str| {
        [upper.to_owned(), upper.to_ascii_lowercase()]
            .iter()
            .filter_map(|name| environment(name)?.into_string().ok())
            .map(|value| value.trim().to_owned())
            .find(|value| !value.is_empty())
    };
    let url = |upper| {
        let value: String = get(upper)?;
        Some(if value.contains("://") { value } else { format!("http://{value}") })
    };
    let except = get("NO_PROXY").unwrap_or_default();
    let except = except.split([',', ' ']).map(direct_host).filter(|host| !host.is_empty());
    Proxies {
        https: url("HTTPS_PROXY"),
        http: url("HTTP_PROXY"),
        except: except.map(ToOwned::to_owned).collect(),
    }
}

/// Reduces an entry of `NO_PROXY` to its host, without a port and without the wildcard before a domain.
fn direct_host(entry: &str) -> &str {
    let entry = match entry.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => domain,
        _ => entry,
    };
    match entry.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(certificates: &Path) -> RegistrySettings {
        RegistrySettings {
            certificates: certificates.to_owned(),
            authorities: Vec::new(),
            plain: Vec::new(),
            insecure: Insecure::of(certificates, &|_| None),
            proxies: Proxies::default(),
        }
    }

    fn host(name: &str) -> RegistryHost {
        name.parse().unwrap()
    }

    fn to(settings: &RegistrySettings, name: &str) -> Result<Access, AccessError> {
        settings.to(&name.parse().unwrap(), Credential::Anonymous)
    }

    #[test]
    fn certificates_of_the_registry_and_those_named_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("r.io:5000");
        fs::create_dir(&own).unwrap();
        for name in ["b.crt", "a.crt", "c.cert", "c.key", "d.cert", "d.key", "readme"] {
            fs::write(own.join(name), name).unwrap();
        }
        let named = folder.path().join("named.pem");
        fs::write(&named, "named").unwrap();
        let authorities = vec![(host("r.io:5000"), named)];
        let settings = RegistrySettings { authorities, ..settings(folder.path()) };
        let access = to(&settings, "r.io:5000/a").unwrap();
        assert_eq!(access.certificate_authorities, [&b"named"[..], b"a.crt", b"b.crt"]);
        let client = access.client_certificate.unwrap();
        assert_eq!((&client.certificate[..], &client.key[..]), (&b"c.cert"[..], &b"c.key"[..]));
        for other in ["r.io/a", "r.io:5001/a", "q.io:5000/a"] {
            let other = to(&settings, other).unwrap();
            assert!(other.certificate_authorities.is_empty() && other.client_certificate.is_none());
        }
    }

    #[test]
    fn plain_http_is_for_the_registry_that_it_names() {
        let settings =
            RegistrySettings { plain: vec![host("r.io:5000")], ..settings(Path::new("/nowhere")) };
        for (name, scheme) in [
            ("r.io:5000/a", SchemePolicy::PlainHttp),
            ("R.io:5000/a", SchemePolicy::PlainHttp),
            ("r.io/a", SchemePolicy::HttpsExceptLoopback),
            ("q.io:5000/a", SchemePolicy::HttpsExceptLoopback),
            ("a", SchemePolicy::HttpsExceptLoopback),
        ] {
            assert_eq!(to(&settings, name).unwrap().scheme, scheme, "{name}");
        }
    }

    #[test]
    fn login_goes_in_clear_to_the_loopback_that_a_file_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docker")).unwrap();
        let daemon = r#"{"insecure-registries":["127.0.0.1:5000","r.io"]}"#;
        fs::write(folder.path().join("docker/daemon.json"), daemon).unwrap();
        let settings = settings(folder.path());
        let scheme = |name: &str| {
            let credential = Credential::IdentityToken(Zeroizing::new("t".to_owned()));
            settings.to(&name.parse().unwrap(), credential).unwrap().scheme
        };
        assert_eq!(scheme("127.0.0.1:5000/a"), SchemePolicy::InsecureLoopback);
        for name in ["127.0.0.1:5001/a", "127.0.0.1/a", "localhost:5000/a", "r.io/a"] {
            assert_eq!(scheme(name), SchemePolicy::HttpsExceptLoopback, "{name}");
        }
    }

    #[test]
    fn half_a_pair_and_a_missing_authority_are_errors() {
        for (there, missing) in [("c.cert", "c.key"), ("c.key", "c.cert")] {
            let folder = tempfile::tempdir().unwrap();
            let own = folder.path().join("r.io");
            fs::create_dir(&own).unwrap();
            fs::write(own.join(there), "x").unwrap();
            let error = to(&settings(folder.path()), "r.io/a").unwrap_err();
            assert!(error.to_string().ends_with(&format!("{missing} is not")), "{error}");
        }
        let nowhere = Path::new("/nowhere/ca.pem");
        let authorities = vec![(host("r.io"), nowhere.to_owned())];
        let error =
            to(&RegistrySettings { authorities, ..settings(nowhere) }, "r.io/a").unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/ca.pem");
    }

    #[test]
    fn proxies_are_read_as_go_does() {
        let environment = |pairs: &'static [(&'static str, &'static str)]| {
            proxies(&|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            })
        };
        let read = environment(&[
            ("HTTPS_PROXY", "proxy:3128"),
            ("https_proxy", "http://other"),
            ("HTTP_PROXY", ""),
            ("http_proxy", "https://me:pw@p.io"),
            ("no_proxy", "a.io, *.b.io,.c.io:5000,,10.0.0.0/8 ::1,*"),
        ]);
        assert_eq!(read.https.as_deref(), Some("http://proxy:3128"));
        assert_eq!(read.http.as_deref(), Some("https://me:pw@p.io"));
        assert_eq!(read.except, ["a.io", ".b.io", ".c.io", "10.0.0.0/8", "::1", "*"]);
        let none = environment(&[]);
        assert!(none.https.is_none() && none.http.is_none() && none.except.is_empty());
    }
}
