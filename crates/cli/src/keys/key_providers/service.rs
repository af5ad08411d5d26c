//! Providers that are services, which are called through gRPC.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sealcrate_crypt::ocicrypt::provider::{Call, CallError, Operation};
use sealcrate_image::{Runtime, printable};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::grpc::{self, CallFailure};

/// How many characters of a service's words are shown.
const MAX_TOLD: usize = 500;

/// A service at an address on this machine.
pub(super) struct ProviderService {
    /// The address, as the user wrote it.
    name: String,
    place: Place,
    patience: Duration,
    runtime: Runtime,
}

enum Place {
    Socket(PathBuf),
    Loopback(SocketAddr),
}

impl ProviderService {
    /// Takes an address in gRPC's form: `unix:PATH`, `unix:///PATH` or HOST:PORT. Calls run on the threads of
    /// `runtime`.
    ///
    /// # Errors
    /// A text that is no address, or an address of another machine: requests and answers hold keys,
    /// in clear.
    pub(super) fn new(address: &str, patience: Duration, runtime: Runtime) -> Result<Self> {
        let place = match address.strip_prefix("unix:") {
            Some(path) => Place::Socket(path.strip_prefix("//").unwrap_or(path).into()),
            None => {
                let found = address.to_socket_addrs().map(|mut all| all.next());
                let found = found.ok().flatten();
                let found = found.with_context(|| format!("{address:?} is no address"))?;
                if !found.ip().is_loopback() {
                    bail!(
                        "keys would go to {address:?} in clear: only unix:PATH and loopback addresses are \
                         called"
                    );
                }
                Place::Loopback(found)
            }
        };
        Ok(Self { name: address.to_owned(), place, patience, runtime })
    }

    async fn exchange(
        &self,
        operation: Operation,
        json: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
        match &self.place {
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(CallFailure::Unreachable)?;
                grpc::call(stream, operation, json).await
            }
            Place::Loopback(address) => {
                let stream = TcpStream::connect(address).await.map_err(CallFailure::Unreachable)?;
                grpc::call(stream, operation, json).await
            }
        }
    }
}

impl Call for ProviderService {
    fn call(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let unreachable = |source| CallError::Unreachable { address: self.name.clone(), source };
        let handle = self.runtime.handle().map_err(unreachable)?;
        let answer = handle
            // Timers must be made inside the runtime.
            .block_on(async { timeout(self.patience, self.exchange(operation, request)).await })
            .map_err(|_| CallError::TimedOut(self.patience.as_secs()))?;
        answer.map_err(|failure| match failure {
            CallFailure::Malformed => CallError::Answer,
            CallFailure::Refused(text) => CallError::Refused(printable(&text, MAX_TOLD)),
            CallFailure::Unreachable(source) => unreachable(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_leave_the_machine_in_clear() {
        let new = |address: &str| {
            ProviderService::new(address, Duration::from_secs(1), Runtime::default())
        };
        for address in ["unix:/run/p", "unix:///run/p", "127.0.0.1:1", "[::1]:1", "localhost:1"] {
            assert!(new(address).is_ok(), "{address}");
        }
        let error = new("192.0.2.1:1").err().expect("it is another machine").to_string();
        assert!(error.contains("in clear"), "{error}");
        assert!(new("nothing").is_err());
    }

    #[test]
    fn services_that_are_not_there_are_named() {
        let address = "unix:///missing/socket";
        let service = ProviderService::new(address, Duration::from_secs(60), Runtime::default());
        let error = service.unwrap().call(Operation::Wrap, b"{}").unwrap_err();
        assert_eq!(error.to_string(), "cannot reach unix:///missing/socket");
    }
}
