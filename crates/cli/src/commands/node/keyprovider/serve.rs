//! The key provider as a service: gRPC on a Unix socket, or over TCP with TLS on both sides.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::{Either, select};
use sealcrate_crypt::ocicrypt::provider::{Operation, Request, RequestError, UnwrapError};
use sealcrate_image::Runtime;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::configured::Configured;
use super::socket::Socket;
use super::tls;
use super::waiting::Waiting;
use crate::args::{KeyproviderArgs, ServeAddress};
use crate::grpc::{self, Service};
use crate::output::failure::{self, Usage};
use crate::output::talk;

/// The most connections at once from clients that have authenticated themselves; more have to wait.
const MAX_CONNECTIONS: usize = 64;

/// How many characters of a refusal a caller is told.
const MAX_TOLD: usize = 2000;

/// How long a TLS handshake may take.
const GREETING: Duration = Duration::from_secs(10);

/// How long the requests under way may still take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves at `address`, on the threads of `runtime`, until a signal comes.
pub(super) fn run(
    address: &ServeAddress,
    args: &KeyproviderArgs,
    configured: Configured,
    runtime: Runtime,
) -> Result<()> {
    let end = signalled().context("cannot listen for signals")?;
    let served = runtime.handle().context("cannot start")?.block_on(async {
        match select(pin!(serve(address, args, configured)), end).await {
            Either::Left((served, _)) => served,
            Either::Right(_) => Ok(()),
        }
    });
    runtime.end(FAREWELL);
    served
}

/// Returns a receiver that tells when a signal asks the service to end.
fn signalled() -> std::io::Result<oneshot::Receiver<()>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = sender.send(());
        }
    });
    Ok(receiver)
}

async fn serve(
    address: &ServeAddress,
    args: &KeyproviderArgs,
    configured: Configured,
) -> Result<()> {
    match address {
        ServeAddress::Unix(path) => {
            if args.tls_cert.is_some() {
                return usage("a Unix socket has no TLS: --tls-… are for tcp:");
            }
            on_socket(path, &args.allow_uid, configured).await
        }
        ServeAddress::Tcp(address) => {
            let (Some(cert), Some(key), Some(ca)) =
                (&args.tls_cert, &args.tls_key, &args.tls_client_ca)
            else {
                return usage(
                    "over TCP both sides have to show who they are: --tls-cert, --tls-key and \
                     --tls-client-ca are needed",
                );
            };
            if !args.allow_uid.is_empty() {
                return usage("--allow-uid is for unix:, where the peer's user can be seen");
            }
            over_tcp(*address, TlsAcceptor::from(Arc::new(tls::config(cert, key, ca)?)), configured)
                .await
        }
    }
}

fn usage(text: &str) -> Result<()> {
    Err(Usage(text.to_owned()).into())
}

async fn on_socket(path: &Path, allowed: &[u32], configured: Configured) -> Result<()> {
    // The drop removes the socket, however the service ends.
    let socket = Socket::bind(path)?;
    let listener = UnixListener::from_std(socket.listener()?).context("cannot listen")?;
    talk::note(format!("serving at unix:{}", path.display()));
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = connections.clone().acquire_owned().await.expect("it is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let peer = match Peer::of(&stream) {
            Ok(peer @ Peer::Process { uid, .. }) if uid == 0 || allowed.contains(&uid) => peer,
            Ok(peer) => {
                talk::note(format!("{peer}: refused: neither root nor an --allow-uid"));
                continue;
            }
            Err(error) => {
                talk::note(format!("refused a peer that does not show itself: {error}"));
                continue;
            }
        };
        let service = Arc::new(Provider { configured: configured.clone(), peer });
        tokio::spawn(async move {
            grpc::serve(stream, service).await;
            drop(permit);
        });
    }
}

async fn over_tcp(
    address: SocketAddr,
    acceptor: TlsAcceptor,
    configured: Configured,
) -> Result<()> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))?;
    talk::note(format!("serving at tcp:{}", listener.local_addr()?));
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let waiting = Waiting::default();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let service =
            Arc::new(Provider { configured: configured.clone(), peer: Peer::Address(address) });
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        let place = waiting.enter();
        tokio::spawn(async move {
            let greeting = timeout(GREETING, acceptor.accept(stream));
            match place.keep_for(greeting).await {
                Some(Ok(Ok(stream))) => {
                    let permit = connections.acquire_owned().await.expect("it is never closed");
                    grpc::serve(stream, service).await;
                    drop(permit);
                }
                Some(Ok(Err(error))) => talk::note(format!("{}: refused: {error}", service.peer)),
                Some(Err(_)) => {
                    talk::note(format!("{}: refused: no handshake in time", service.peer));
                }
                None => {
                    let text = "refused: no handshake, and others wait";
                    talk::note(format!("{}: {text}", service.peer));
                }
            }
        });
    }
}

/// Says that accepting failed, and waits, since the process may have run out of descriptors.
async fn pause_after(error: &std::io::Error) {
    talk::note(format!("cannot accept a connection: {error}"));
    sleep(Duration::from_millis(100)).await;
}

/// The caller.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// A client that has shown a certificate.
    Address(SocketAddr),
    /// A process of this machine.
    Process {
        uid: u32,
        /// `None` for a process that has no number here.
        pid: Option<i32>,
    },
}

impl Peer {
    fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self::Process { uid: credentials.uid(), pid: credentials.pid() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Process { uid, pid: Some(pid) } => write!(f, "uid {uid} pid {pid}"),
            Self::Process { uid, pid: None } => write!(f, "uid {uid}"),
        }
    }
}

/// The service for the calls of one peer.
struct Provider {
    configured: Configured,
    peer: Peer,
}

impl Service for Provider {
    fn answer(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
        match self.answered(operation, request) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let line = failure::one_line(&error);
                talk::note(format!("{}: refused: {line}", self.peer));
                let text: String = format!("sealcrate: {line}").chars().take(MAX_TOLD).collect();
                Err(Status::new(code(&error), text))
            }
        }
    }
}

impl Provider {
    fn answered(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let request = Request::parse(request)?;
        if request.operation() != operation {
            bail!("the request asks for something else than the method");
        }
        let answer = self.configured.answer(request)?;
        talk::note(format!("{}: {answer}", self.peer));
        Ok(answer.json)
    }
}

fn code(error: &anyhow::Error) -> Code {
    match (error.downcast_ref::<UnwrapError>(), error.is::<RequestError>()) {
        (Some(UnwrapError::NoIdentity | UnwrapError::WrongKey(_)), _) => Code::PermissionDenied,
        (Some(_), _) | (_, true) => Code::InvalidArgument,
        _ => Code::Internal,
    }
}
