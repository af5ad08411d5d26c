//! Endpoints: where an engine listens, in the spellings of `DOCKER_HOST`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use url::Url;

const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `tcp://HOST:PORT`, in clear: anybody who reaches it rules the engine.
    Tcp {
        /// A name or an address; IPv6 addresses are in brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// `tcp://HOST:PORT` with certificates on both sides.
    Tls {
        /// A name or an address; IPv6 addresses are in brackets.
        host: String,
        /// The port.
        port: u16,
        /// The certificates.
        files: TlsFiles,
    },
    /// `unix://PATH`: a socket on this machine.
    Unix(PathBuf),
}

/// The PEM files that speaking TLS to an engine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that may vouch for the engine.
    pub ca: PathBuf,
    /// The client's certificate.
    pub cert: PathBuf,
    /// The client's private key.
    pub key: PathBuf,
}

impl Endpoint {
    /// Parses `tcp://HOST[:PORT]` or `https://HOST[:PORT]` as an endpoint that speaks TLS.
    ///
    /// # Errors
    /// Any other spelling.
    pub fn over_tls(text: &str, files: TlsFiles) -> Result<Self, EndpointError> {
        let address = ["tcp://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let address = address.ok_or_else(|| EndpointError::NoTls(text.to_owned()))?;
        let (host, port) = host_and_port(text, address, TLS_PORT)?;
        Ok(Self::Tls { host, port, files })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port, .. } => {
                write!(f, "tcp://{host}:{port}")
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (scheme, address) =
            text.split_once("://").ok_or_else(|| EndpointError::Malformed(text.to_owned()))?;
        match scheme {
            "http" | "tcp" => {
                let (host, port) = host_and_port(text, address, PLAIN_PORT)?;
                Ok(Self::Tcp { host, port })
            }
            "https" => Err(EndpointError::NoCertificates(text.to_owned())),
            "ssh" => Err(EndpointError::Ssh { destination: address.to_owned() }),
            "unix" if address.len() > 1 && address.starts_with('/') => {
                Ok(Self::Unix(address.into()))
            }
            "unix" => Err(EndpointError::Malformed(text.to_owned())),
            other => Err(EndpointError::Scheme(other.to_owned())),
        }
    }
}

fn host_and_port(
    text: &str,
    address: &str,
    default_port: u16,
) -> Result<(String, u16), EndpointError> {
    let malformed = || EndpointError::Malformed(text.to_owned());
    let url = Url::parse(&format!("tcp://{address}")).map_err(|_| malformed())?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    match url.host_str() {
        Some(host) if bare && !host.is_empty() && !host.contains('%') => {
            Ok((host.to_owned(), url.port().unwrap_or(default_port)))
        }
        _ => Err(malformed()),
    }
}

/// Why a text is no endpoint that sealcrate can speak to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is not of a known form.
    #[error("{0:?} is not an engine's address, such as unix:///run/docker.sock or tcp://HOST:PORT")]
    Malformed(String),
    /// The address asks for HTTPS, and there are no certificates.
    #[error("{0:?} needs certificates: set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH")]
    NoCertificates(String),
    /// The caller asks for TLS at an address that begins with neither `tcp://` nor `https://`.
    #[error("TLS cannot be spoken to {0:?}, only to tcp://HOST:PORT")]
    NoTls(String),
    /// The way of speaking is not supported.
    #[error("an engine at {0}:// cannot be spoken to, only at unix:// and tcp://")]
    Scheme(String),
    /// The engine is behind SSH, which is left to `ssh`.
    #[error(
        "an engine at ssh:// cannot be spoken to directly: forward its socket with \
         `ssh -N -L /tmp/engine.sock:/var/run/docker.sock {destination}` and set \
         DOCKER_HOST=unix:///tmp/engine.sock"
    )]
    Ssh {
        /// The user and host.
        destination: String,
    },
}

impl Classified for EndpointError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed(_)
            | Self::NoCertificates(_)
            | Self::NoTls(_)
            | Self::Scheme(_)
            | Self::Ssh { .. } => Some(ErrorClass::Failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.into(), port }
    }

    #[test]
    fn spellings_of_docker_host_are_read() {
        for (text, endpoint) in [
            ("unix:///run/d.sock", Endpoint::Unix("/run/d.sock".into())),
            ("tcp://10.0.0.1:2375", tcp("10.0.0.1", 2375)),
            ("tcp://box", tcp("box", 2375)),
            ("http://box:80/", tcp("box", 80)),
            ("tcp://[::1]:1", tcp("[::1]", 1)),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap(), endpoint, "{text}");
        }
        assert_eq!(tcp("[::1]", 1).to_string(), "tcp://[::1]:1");
    }

    #[test]
    fn what_cannot_be_spoken_to_is_refused() {
        for text in [
            "",
            "box",
            "unix://",
            "unix:///",
            "unix://a",
            "tcp://",
            "tcp://u@h",
            "tcp://h/x",
            "tcp://h:x",
            "tcp://h?q",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::Malformed(text.into())));
        }
        for scheme in ["fd", "npipe"] {
            let text = format!("{scheme}:////x");
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::Scheme(scheme.into())));
        }
        assert!(matches!("https://h".parse::<Endpoint>(), Err(EndpointError::NoCertificates(_))));
        let ssh = "ssh://me@box".parse::<Endpoint>().unwrap_err();
        assert!(ssh.to_string().contains("ssh -N -L /tmp/engine.sock:/var/run/docker.sock me@box"));
    }

    #[test]
    fn tls_has_a_port_of_its_own() {
        let files = || TlsFiles { ca: "c".into(), cert: "d".into(), key: "k".into() };
        for text in ["tcp://box", "https://box"] {
            let expected = Endpoint::Tls { host: "box".into(), port: 2376, files: files() };
            assert_eq!(Endpoint::over_tls(text, files()), Ok(expected));
        }
        let unix = Endpoint::over_tls("unix:///x", files());
        assert_eq!(unix, Err(EndpointError::NoTls("unix:///x".into())));
    }
}
