//! A load: the request whose body is an archive that is written while the engine reads it.
//!
//! The body ends well only when [`BodyWriter::end`] says so. However else the writer goes away, the
//! body is cut in its middle, and the engine keeps nothing.

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as ClientError;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::future::{self, Either};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time;
use tracing::debug;

use crate::Digest;

use super::client::Client;
use super::{Endpoint, EngineError};

/// How many bytes go to the engine at once, and how many such parts may wait for it.
const PART: usize = 256 << 10;
const WAITING_PARTS: usize = 4;

/// How long an engine may take to answer after it has stopped reading, or been cut off.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A load that is under way.
pub(super) struct Load {
    answer: JoinHandle<Result<Option<Digest>, ClientError>>,
    endpoint: Endpoint,
    handle: Handle,
    state: Arc<BodyState>,
}

impl Load {
    /// Begins a load. Returns it and the writer of its body.
    pub(super) fn begin(client: &Client) -> (Self, BodyWriter) {
        debug!("POST /images/load");
        let (sender, receiver) = mpsc::channel(WAITING_PARTS);
        let (alive, gone) = watch::channel(());
        let docker = client.unlimited();
        let answer = client.handle().spawn(async move {
            let _alive = alive;
            load(&docker, body(receiver)).await
        });
        let state = Arc::new(BodyState::default());
        let handle = client.handle().clone();
        let writer = BodyWriter {
            handle: handle.clone(),
            sender,
            gone,
            state: Arc::clone(&state),
            part: Vec::with_capacity(PART),
        };
        (Self { answer, endpoint: client.endpoint().clone(), handle, state }, writer)
    }

    /// Waits for the answer to a body that has ended. Returns the image's ID, where the image has
    /// no name.
    pub(super) fn finish(self) -> Result<Option<Digest>, EngineError> {
        match self.handle.block_on(self.answer) {
            Ok(answer) => answer.map_err(|error| EngineError::of_load(&self.endpoint, error)),
            Err(_) => Err(EngineError::EndedEarly),
        }
    }

    /// Cuts the body, once its writer has been dropped. Returns the engine's reason, if it was the
    /// engine that stopped.
    pub(super) fn cut(mut self) -> Option<EngineError> {
        let refused = self.state.refused.load(Ordering::Acquire);
        let answer = &mut self.answer;
        let answer = self.handle.block_on(async { time::timeout(LAST_WORDS, answer).await });
        self.answer.abort();
        refused.then(|| match answer {
            Ok(Ok(Err(error))) => EngineError::of_load(&self.endpoint, error),
            _ => EngineError::EndedEarly,
        })
    }

    /// Makes further writes fail at once, so that dropping the body's writer waits for nobody.
    pub(super) fn refuse_writes(&self) {
        self.state.cut.store(true, Ordering::Release);
    }
}

#[derive(Default)]
struct BodyState {
    /// Writes fail from now on.
    cut: AtomicBool,
    /// The engine takes no more bytes.
    refused: AtomicBool,
}

enum Part {
    Bytes(Bytes),
    End,
}

/// Writes the body of a load.
pub(super) struct BodyWriter {
    handle: Handle,
    sender: mpsc::Sender<Part>,
    gone: watch::Receiver<()>,
    state: Arc<BodyState>,
    part: Vec<u8>,
}

impl BodyWriter {
    /// Ends the body well.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Part::End)
    }

    fn send(&mut self, part: Part) -> io::Result<()> {
        if self.state.cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let permit = self.handle.block_on(async {
            // An engine that has answered may leave the rest of the body unread for ever.
            match future::select(pin!(self.gone.changed()), pin!(self.sender.reserve())).await {
                Either::Left(_) | Either::Right((Err(_), _)) => None,
                Either::Right((Ok(permit), _)) => Some(permit),
            }
        });
        match permit {
            Some(permit) => {
                permit.send(part);
                Ok(())
            }
            None => {
                self.state.refused.store(true, Ordering::Release);
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..count]);
        if self.part.len() == PART {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
        self.send(Part::Bytes(part.into()))
    }
}

fn body(receiver: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the load was given up")), None)),
        }
    })
}

async fn load(
    docker: &Docker,
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<Option<Digest>, ClientError> {
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    let mut answer = pin!(docker.import_image(options, bollard::body_try_stream(body), None));
    let mut id = None;
    while let Some(line) = answer.next().await {
        let line = line?;
        if let Some(error) = line.error_detail {
            return Err(ClientError::DockerStreamError {
                error: error.message.unwrap_or_default(),
            });
        }
        let text = line.stream.unwrap_or_default();
        debug!(line = text.trim_end(), "the engine answers");
        if let Some(text) = text.strip_prefix("Loaded image ID: ") {
            id = text.trim().parse().ok().or(id);
        }
    }
    Ok(id)
}
