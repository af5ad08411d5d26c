//! The list of mounts that this process sees, and the place of a folder in it. proc(5),
//! `/proc/PID/mountinfo`.

use crate::failure::Failure;
use crate::memory::Pages;
use crate::system::{File, Folder};

/// The longest list that is read, in bytes.
const MAX: usize = 4 << 20;

/// The most seconds that a container's own memory may be older than the container: engines mount both within
/// one start.
const PATIENCE: i64 = 10;

/// The list.
pub struct Mounts(&'static [u8]);

impl Mounts {
    /// Reads the list. If that fails, the list is empty.
    #[cold]
    #[inline(never)]
    pub fn read() -> Result<Self, Failure> {
        let mut text = Pages::new(MAX).map_err(|_| Failure::Memory("the list of mounts"))?;
        let mut len = 0;
        if let Ok(file) = File::open(b"/proc/self/mountinfo") {
            while let Ok(count @ 1..) = file.descriptor().read(&mut text[len..]) {
                len += count;
            }
        }
        // The list is no secret, and wiping it would take up all of that memory.
        Ok(Self(&text.leak()[..len]))
    }

    /// Returns the mounts.
    pub fn iter(&self) -> impl Iterator<Item = Mount<'_>> {
        self.0.split(|byte| *byte == b'\n').filter_map(Mount::parse)
    }

    /// Returns the mount that begins at a path, if the open folder belongs to it, and not to another
    /// mount over it.
    #[cold]
    #[inline(never)]
    pub fn at(&self, path: &[u8], folder: &Folder) -> Option<Mount<'_>> {
        let device = folder.descriptor().device().ok()?;
        self.iter().filter(|mount| mount.point == path && mount.device == device).last()
    }
}

/// One mount.
pub struct Mount<'m> {
    device: (u32, u32),
    /// The folder of its file system that the mount shows.
    root: &'m [u8],
    /// The path of the mount. Special characters in it are written in octal.
    pub point: &'m [u8],
    /// The name of its kind of file system.
    kind: &'m [u8],
}

impl<'m> Mount<'m> {
    #[cold]
    #[inline(never)]
    fn parse(line: &'m [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut device = fields.nth(2)?.split(|byte| *byte == b':').map(number);
        let device = (device.next()??, device.next()??);
        let (root, point) = (fields.next()?, fields.next()?);
        while fields.next()? != b"-" {}
        Some(Self { device, root, point, kind: fields.next()? })
    }

    /// Returns the path of the mount, for messages.
    #[cold]
    #[inline(never)]
    pub fn path(&self) -> Result<&'static [u8], Failure> {
        let room = Pages::new(self.point.len().max(1));
        let mut path = room.map_err(|_| Failure::Memory("the list of mounts"))?;
        let bytes = Unescaped(self.point).zip(path.iter_mut());
        let len = bytes.map(|(byte, place)| *place = byte).count();
        Ok(&path.leak()[..len])
    }

    /// Tells whether it is a whole file system in memory, not a part of one that others may see as well.
    pub fn is_whole_memory(&self) -> bool {
        self.is_memory() && self.root == b"/"
    }

    /// Tells whether it is memory that ends with its last mount.
    pub fn is_memory(&self) -> bool {
        matches!(self.kind, b"tmpfs" | b"ramfs")
    }

    /// Tells whether it has the host's devices.
    pub fn is_of_devices(&self) -> bool {
        self.kind == b"devtmpfs"
    }

    /// Tells whether it is the container's own memory: a whole file system, and no older than the container.
    /// An engine mounts the container's `/proc` beside it, which tells the container's age.
    ///
    /// Without that age, the `/dev` of one container looks the same when an engine gives it to a container
    /// within. If a kernel does not know when memory was made, nothing tells the two apart.
    #[cold]
    #[inline(never)]
    pub fn is_own(&self, folder: &Folder) -> bool {
        let born = folder.descriptor().born().ok().flatten();
        let container = Folder::open(b"/proc").and_then(|proc| proc.descriptor().changed());
        let is_older = match (born, container) {
            (Some(born), Ok(container)) => born < container.saturating_sub(PATIENCE),
            _ => false,
        };
        self.is_whole_memory() && !is_older
    }

    /// Tells whether the user expects files here to last longer than the container.
    pub fn lasts(&self) -> bool {
        let is_of_kernel = [&b"/dev"[..], b"/proc", b"/sys"].iter().any(|folder| {
            self.point.strip_prefix(*folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        });
        !(is_of_kernel || self.is_memory() || self.point == b"/")
    }

    /// Tells whether a path of the image, without a `/` before it, lies in the mount.
    pub fn has(&self, path: &[u8]) -> bool {
        let mut path = path.iter().copied();
        let point = self.point.strip_prefix(b"/").unwrap_or_default();
        Unescaped(point).all(|byte| path.next() == Some(byte)) && path.next() == Some(b'/')
    }
}

/// Reads a decimal number.
#[inline(never)]
fn number(digits: &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    for digit in digits {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        number = number.checked_mul(10)?.checked_add(digit).filter(|_| digit < 10)?;
    }
    Some(number)
}

/// The bytes of a path in which special characters are written as `\` and three octal digits.
struct Unescaped<'m>(&'m [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest)
            }
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}
