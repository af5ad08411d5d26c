//! Progress: how a long operation reports its steps, without knowing its listener.

/// Listens to the progress of an operation. Called from many threads.
pub trait Progress: Send + Sync {
    /// Takes note that work on one blob begins.
    ///
    /// `name` is the blob's digest or diff ID; `bytes` is how many will pass, where that is known.
    fn begin(&self, stage: Stage, name: &str, bytes: Option<u64>) -> Box<dyn Meter>;

    /// Takes note that a blob needs no work, since it is there already.
    fn present(&self, name: &str);
}

/// Listens to the progress of one blob. Dropped before [`done`](Self::done), it failed.
pub trait Meter: Send + Sync {
    /// Takes note of `bytes` more.
    fn advance(&self, bytes: u64);

    /// Takes note that the blob is done.
    fn done(self: Box<Self>);
}

/// The work on a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// It is compressed for the destination.
    Compress,
    /// It is decrypted, to learn its digest.
    Decrypt,
    /// It comes from the registry.
    Download,
    /// It is compressed where needed and encrypted.
    Encrypt,
    /// It comes out of the engine.
    Export,
    /// It goes to its destination on this machine.
    Store,
    /// It goes to the registry.
    Upload,
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: Stage, _: &str, _: Option<u64>) -> Box<dyn Meter> {
        Box::new(Self)
    }

    fn present(&self, _: &str) {}
}

impl Meter for Quiet {
    fn advance(&self, _: u64) {}

    fn done(self: Box<Self>) {}
}

/// Reports to a meter how many bytes are read through it.
pub struct MeteredReader<'a, R> {
    inner: R,
    meter: &'a dyn Meter,
}

impl<'a, R> MeteredReader<'a, R> {
    /// Reads `inner`, and tells `meter` how much.
    pub fn new(inner: R, meter: &'a dyn Meter) -> Self {
        Self { inner, meter }
    }
}

impl<R: std::io::Read> std::io::Read for MeteredReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.advance(count as u64);
        Ok(count)
    }
}
