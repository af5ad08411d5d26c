//! A proxy before the engine's socket that stops all traffic after a number of bytes, as an engine
//! does that is stopped or killed.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// The direction of the counted bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    ToEngine,
    FromEngine,
}

/// A socket at which the engine answers until a number of bytes has passed.
pub(crate) struct EngineProxy {
    folder: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    engine: PathBuf,
    counted: Counted,
    /// How many bytes may still pass.
    left: AtomicI64,
    stopped: AtomicBool,
    open: Mutex<Vec<UnixStream>>,
}

impl EngineProxy {
    /// Listens before the engine at `address` (`unix://…`), until `limit` bytes have gone one way.
    pub(crate) fn start(address: &str, counted: Counted, limit: i64) -> Self {
        let engine = address.strip_prefix("unix://").expect("the test engine has a socket").into();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listener =
            UnixListener::bind(folder.path().join("sock")).expect("a socket can be made");
        let shared = Arc::new(Shared {
            engine,
            counted,
            left: AtomicI64::new(limit),
            stopped: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                Shared::connect(&accepting, client);
            }
        });
        Self { folder, shared }
    }

    /// The address, as `DOCKER_HOST` takes it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    /// Whether the limit was reached.
    pub(crate) fn has_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::SeqCst)
    }
}

impl Drop for EngineProxy {
    fn drop(&mut self) {
        self.shared.stop();
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(self.folder.path().join("sock"));
    }
}

impl Shared {
    fn connect(shared: &Arc<Self>, client: UnixStream) {
        let engine = UnixStream::connect(&shared.engine).expect("the engine answers");
        let copy = |stream: &UnixStream| stream.try_clone().expect("a socket can be shared");
        shared.open.lock().expect("nobody panics").extend([copy(&client), copy(&engine)]);
        for (from, to, way) in [
            (copy(&client), copy(&engine), Counted::ToEngine),
            (copy(&engine), copy(&client), Counted::FromEngine),
        ] {
            let shared = Arc::clone(shared);
            thread::spawn(move || shared.pass(from, to, way));
        }
    }

    fn pass(&self, mut from: UnixStream, mut to: UnixStream, way: Counted) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if way == self.counted {
                let taken = i64::try_from(count).expect("a buffer is small");
                if self.left.fetch_sub(taken, Ordering::SeqCst) < taken {
                    return self.stop();
                }
            }
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
