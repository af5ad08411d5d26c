//! The arguments of `keyprovider`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::shared::common::Typed;

#[derive(Debug, Args)]
pub(crate) struct KeyproviderArgs {
    /// Unwrap with the age identities in this file or folder (repeatable)
    ///
    /// Without it, those in /etc/sealcrate/identities, if that is there. They are read anew for each request.
    #[arg(short, long, value_name = "PATH", help_heading = "Keys")]
    pub(crate) identity: Vec<PathBuf>,
    /// Wrap to this recipient where a request names none: age1… or a file of such lines (repeatable)
    ///
    /// Without it, to those in the file /etc/sealcrate/recipients, if that is there.
    #[arg(short, long, value_name = "RECIPIENT", help_heading = "Keys")]
    pub(crate) recipient: Vec<Typed>,
    /// Serve gRPC at unix:PATH or tcp:IP:PORT until a signal comes, instead of one request
    ///
    /// The socket has the mode 0600, and answers root alone and whom --allow-uid names. TCP needs TLS, in
    /// which both sides show certificates.
    #[arg(long, value_name = "ADDRESS", help_heading = "Service")]
    pub(crate) serve: Option<ServeAddress>,
    /// Answer this user too on a Unix socket, which has to be that user's own (repeatable)
    #[arg(long, value_name = "UID", requires = "serve", help_heading = "Service")]
    pub(crate) allow_uid: Vec<u32>,
    /// Show this certificate, in PEM with those above it
    #[arg(long, value_name = "FILE", requires = "serve", help_heading = "Service")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Use the private key of the certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "serve", help_heading = "Service")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Answer those alone who show a certificate of an authority in this PEM file
    #[arg(long, value_name = "FILE", requires = "serve", help_heading = "Service")]
    pub(crate) tls_client_ca: Option<PathBuf>,
}

/// The address at which a key provider serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServeAddress {
    /// At an address of this machine.
    Tcp(SocketAddr),
    /// At a Unix socket of this path.
    Unix(PathBuf),
}

impl FromStr for ServeAddress {
    type Err = ServeAddressError;

    /// Takes gRPC's spellings of Unix sockets.
    fn from_str(text: &str) -> Result<Self, ServeAddressError> {
        let unix = text.strip_prefix("unix:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match (unix, text.strip_prefix("tcp:")) {
            (Some(path), _) if !path.is_empty() => Ok(Self::Unix(path.into())),
            (_, Some(address)) => address.parse().map(Self::Tcp).map_err(|_| ServeAddressError),
            _ => Err(ServeAddressError),
        }
    }
}

/// Tells that a text is no address to serve at.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("an address is unix:PATH or tcp:IP:PORT")]
pub(crate) struct ServeAddressError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let unix = |path: &str| Ok(ServeAddress::Unix(path.into()));
        assert_eq!("unix:/run/s".parse(), unix("/run/s"));
        assert_eq!("unix:///run/s".parse(), unix("/run/s"));
        assert_eq!("unix:s".parse(), unix("s"));
        let tcp = Ok(ServeAddress::Tcp(([127, 0, 0, 1], 1).into()));
        assert_eq!("tcp:127.0.0.1:1".parse(), tcp);
        for text in ["", "unix:", "unix://", "tcp:", "tcp:localhost:1", "127.0.0.1:1", "/run/s"] {
            assert_eq!(text.parse::<ServeAddress>(), Err(ServeAddressError), "{text}");
        }
    }
}
