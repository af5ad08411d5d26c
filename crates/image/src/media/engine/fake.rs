//! A scripted engine on a socket of its own, for faults that a real engine does not have on demand.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use sealcrate_test_kit::http::{Framing, Headers, RequestHead, ResponseHead, read_body};
use serde_json::json;
use tempfile::TempDir;

use crate::{Compression, Descriptor, DiffId, Digest, Family, Image, Layer, MediaType, Runtime};

use super::{Endpoint, Engine};

/// An engine that follows its script.
pub(super) struct Fake {
    folder: TempDir,
}

impl Fake {
    /// Starts an engine that answers each request with `script`, which gets the method and path.
    pub(super) fn start(script: impl Fn(&str, Caller) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    let mut caller = Caller { stream: BufReader::new(stream.unwrap()) };
                    if let Some(request) = caller.request() {
                        script(&request, caller);
                    }
                });
            }
        });
        Self { folder }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.folder.path().join("socket"))
    }

    pub(super) fn connect(&self) -> Engine {
        Engine::connect(&self.endpoint(), &Runtime::default()).unwrap()
    }
}

/// The other end of one request.
pub(super) struct Caller {
    stream: BufReader<UnixStream>,
}

impl Caller {
    /// Reads the head of the request, and returns its method and path.
    fn request(&mut self) -> Option<String> {
        let head = RequestHead::read(&mut self.stream).ok()??;
        Some(format!("{} {}", head.method(), head.target()))
    }

    /// Reads the body of the request, which comes in chunks, to its end; an error if it is cut.
    pub(super) fn body(&mut self) -> io::Result<Vec<u8>> {
        read_body(&mut self.stream, Framing::Chunked)
    }

    /// Reads the first `count` bytes that are sent.
    pub(super) fn read_some(&mut self, count: usize) {
        self.stream.read_exact(&mut vec![0; count]).unwrap();
    }

    pub(super) fn send(&mut self, text: &[u8]) {
        // The caller may have gone.
        let _ = self.stream.get_mut().write_all(text);
    }

    pub(super) fn answer(&mut self, status: u16, body: &[u8]) {
        let mut answer = Vec::new();
        let headers = Headers::of([("content-length", body.len().to_string())]);
        ResponseHead::scripted(status, headers).write(&mut answer).unwrap();
        answer.extend_from_slice(body);
        self.send(&answer);
    }

    /// Closes the connection as Go's servers do when they have left a body unread: a while after
    /// the end of the answer, so that it arrives.
    pub(super) fn close(self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        thread::sleep(Duration::from_millis(500));
    }

    /// Gives the answers that every script shares: this is Docker's engine with the classic store,
    /// and it holds the image `id` of the layers `diff_ids`, and no other.
    pub(super) fn classic(&mut self, request: &str, id: Digest, diff_ids: &[DiffId]) {
        let image = json!({"Id": id, "RootFS": {"Type": "layers", "Layers": diff_ids}, "Size": 5});
        match request {
            "GET /version" => {
                self.json(&json!({"Components": [{"Name": "Engine", "Version": "1"}]}));
            }
            "GET /info" => self.json(&json!({"Driver": "overlay2", "DriverStatus": [["a", "b"]]})),
            "GET /images/json?all=true&shared-size=false&digests=false&manifests=false" => {
                self.json(
                    &json!([{"Id": id, "ParentId": "", "RepoTags": null, "RepoDigests": null,
                    "Created": 0, "Size": 5, "SharedSize": -1, "Labels": null, "Containers": -1}]),
                );
            }
            "GET /images/app:1/json" => self.json(&image),
            by_id if by_id == format!("GET /images/{id}/json") => self.json(&image),
            _ => self.answer(404, br#"{"message":"no such thing"}"#),
        }
    }

    pub(super) fn json(&mut self, value: &serde_json::Value) {
        self.answer(200, value.to_string().as_bytes());
    }
}

/// Keeps a connection open, neither reading nor writing, for longer than any test waits.
pub(super) fn hang() {
    loop {
        thread::park();
    }
}

/// Longer than anything takes that does not hang, on however busy a machine.
const LONG: Duration = Duration::from_secs(120);

/// Runs `work`, which must not hang.
pub(super) fn soon<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    finished.recv_timeout(LONG).expect("it hangs, or has panicked")
}

/// Returns a layer that is `bytes`.
pub(super) fn layer(bytes: Vec<u8>) -> Layer {
    let diff_id = DiffId(Digest::of(&bytes));
    let media_type = MediaType::layer(Family::Docker, Compression::None);
    Layer::stored(Descriptor::of(media_type, &bytes), Some(diff_id), Arc::new(bytes))
}

/// Returns an image of `layers`.
pub(super) fn image(layers: Vec<Layer>) -> Image {
    let diff_ids: Vec<DiffId> = layers.iter().filter_map(Layer::diff_id).collect();
    let config = json!({"rootfs": {"type": "layers", "diff_ids": diff_ids}});
    Image::new(config.to_string().into_bytes(), layers)
}
