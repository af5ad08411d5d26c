//! A Unix socket for its owner alone, which goes when its server does.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

/// How many connections may wait, as in the standard library.
const WAITING: i32 = 128;

/// A socket with a name. Dropped, it removes the name, unless another program has taken it meanwhile.
pub(super) struct Socket {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket `path`, of mode 0600. It replaces a socket at which nobody listens.
    ///
    /// # Errors
    /// Another program listens there, or the path is no socket.
    pub(super) fn bind(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                bail!("{} is there, and no socket", name())
            }
            Ok(_) => match UnixStream::connect(path) {
                Ok(_) => bail!("another program listens at {}", name()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).with_context(|| format!("cannot remove {}", name()))?;
                }
                Err(error) => return Err(error).with_context(|| format!("cannot take {}", name())),
            },
            Err(_) => {}
        }
        let listener = listen(path).with_context(|| format!("cannot listen at {}", name()))?;
        let file = fs::symlink_metadata(path).map(|made| (made.dev(), made.ino()));
        let file = file.with_context(|| format!("cannot listen at {}", name()))?;
        Ok(Self { path: path.to_owned(), file, listener })
    }

    /// Returns the listener for use without blocking.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

/// Listens at a path, which has its mode from the first moment on: Linux gives a name the mode that the
/// socket had before (`unix_bind`). Changing the process's umask would affect the files of other
/// threads, too.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::from_raw_mode(0o600))?;
    bind(&socket, &address)?;
    rustix::net::listen(&socket, WAITING)?;
    Ok(socket.into())
}

impl Drop for Socket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|there| (there.dev(), there.ino()));
        if there.is_ok_and(|there| there == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_nobody_listens_at_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let first = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let error = Socket::bind(&path).err().expect("it is in use").to_string();
        assert!(error.starts_with("another program listens at"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        assert!(Socket::bind(&path).is_err());
        drop(first);
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn other_files_that_are_made_meanwhile_keep_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("socket"), folder.path().join("beside"));
        std::thread::scope(|scope| {
            let binding = scope.spawn(|| {
                for _ in 0..500 {
                    drop(Socket::bind(&path).unwrap());
                }
            });
            while !binding.is_finished() {
                fs::create_dir(&beside).unwrap();
                assert_eq!(fs::metadata(&beside).unwrap().mode() & 0o700, 0o700);
                fs::remove_dir(&beside).unwrap();
            }
        });
    }

    #[test]
    fn name_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(Socket::bind(&path).unwrap());
        assert!(!path.exists());
    }
}
