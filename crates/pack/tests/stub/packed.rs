//! Packed programs for the tests. This module puts them together as `docs/formats/packed.md` describes.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use age::secrecy::SecretString;
use age::{Encryptor, Recipient, scrypt};
use sealcrate_pack::{Stub, stubs};
use tempfile::TempDir;

/// The passphrase of the programs that [`Packed::under_passphrase`] makes.
pub(crate) const PASSPHRASE: &str = "correct horse";

/// The largest page of the machines that tests run on, in bytes. Addresses and offsets agree modulo it.
const PAGE: usize = 0x1_0000;

/// A packed program in a folder of its own.
pub(crate) struct Packed {
    folder: TempDir,
}

impl Packed {
    /// Writes a packed program with any bytes as payload.
    pub(crate) fn with_payload(payload: &[u8]) -> Self {
        let packed = Self { folder: tempfile::tempdir().unwrap() };
        let file = packed.write("written", with_segment(own_stub().bytes, payload));
        make_program(&file, &packed.path());
        packed
    }

    /// Packs content for a recipient.
    pub(crate) fn of(content: &[u8], recipient: &dyn Recipient) -> Self {
        Self::with_payload(&payload(&sealed(content, recipient)))
    }

    /// Packs a program of this system under [`PASSPHRASE`].
    pub(crate) fn under_passphrase(program: &str) -> Self {
        Self::of(&fs::read(program).unwrap(), &passphrase())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("packed")
    }

    /// Writes a file beside the program, and returns the file's path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Returns a command that starts the program without a terminal. The environment has only the
    /// variables that a shell needs.
    pub(crate) fn command(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(self.path()).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    /// Starts it with a key in the variable, and waits.
    pub(crate) fn run(&self, key: &str, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).env("BP", key))
    }
}

/// Makes a program of a file.
///
/// Another process writes the file: the kernel does not execute a file that a process has open for
/// writing. If this process had it open, so would the processes that other tests start meanwhile.
pub(crate) fn make_program(file: &Path, program: &Path) {
    let installed = Command::new("install").arg("--mode=755").args([file, program]).status();
    assert!(installed.unwrap().success());
}

/// The end of a start: the status and the output.
#[derive(Debug)]
pub(crate) struct Done(Output);

impl Done {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self(command.output().unwrap())
    }

    pub(crate) fn status(&self) -> Option<i32> {
        self.0.status.code()
    }

    /// The output of a program that has run and said nothing else.
    pub(crate) fn output(&self) -> &str {
        let said = str::from_utf8(&self.0.stderr).unwrap();
        assert_eq!((self.status(), said), (Some(0), ""), "{self:?}");
        str::from_utf8(&self.0.stdout).unwrap()
    }

    /// The output and the standard error of a program that has run.
    pub(crate) fn both(&self) -> (&str, &str) {
        let [output, said] = [&self.0.stdout, &self.0.stderr].map(|b| str::from_utf8(b).unwrap());
        assert_eq!(self.status(), Some(0), "{self:?}");
        (output, said)
    }

    /// Checks that nothing was run, and returns the line that says why.
    pub(crate) fn failed(&self, status: i32) -> &str {
        assert_eq!(self.status(), Some(status), "{self:?}");
        assert_eq!(self.0.stdout, b"", "{self:?}");
        let line = str::from_utf8(&self.0.stderr).unwrap().strip_prefix("sealcrate: ").unwrap();
        let line = line.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

/// Returns the stub of the machine that the tests run on.
pub(crate) fn own_stub() -> &'static Stub {
    let target = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => panic!("tests on {other} have no stub"),
    };
    stubs().iter().find(|stub| stub.target.name == target).unwrap()
}

/// Returns a recipient for [`PASSPHRASE`], at little cost.
pub(crate) fn passphrase() -> scrypt::Recipient {
    let mut recipient = scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(8);
    recipient
}

/// Encrypts content to an age file.
pub(crate) fn sealed(content: &[u8], recipient: &dyn Recipient) -> Vec<u8> {
    let encryptor = Encryptor::with_recipients(std::iter::once(recipient)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

/// Returns a payload with the usual parameters.
pub(crate) fn payload(age: &[u8]) -> Vec<u8> {
    payload_with(1, b"", age)
}

/// Returns a payload for a program of some MiB with a banner.
pub(crate) fn payload_with(mib: u32, banner: &[u8], age: &[u8]) -> Vec<u8> {
    let mut parameters = mib.to_le_bytes().to_vec();
    for part in [&b"BP"[..], b"/nowhere/bp"] {
        parameters.extend((part.len() as u16).to_le_bytes());
        parameters.extend(part);
    }
    parameters.extend((banner.len() as u32).to_le_bytes());
    parameters.extend(banner);
    let mut payload = b"sealpack\x01\0\0\0".to_vec();
    payload.extend((parameters.len() as u32).to_le_bytes());
    payload.extend((age.len() as u64).to_le_bytes());
    payload.extend([&parameters, age].concat());
    payload
}

/// Puts a payload behind a stub of 64 bits, and makes the last program header tell of it.
fn with_segment(stub: &[u8], payload: &[u8]) -> Vec<u8> {
    let number = |at: usize, len: usize| {
        stub[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let (headers, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    let segments = (0..count).map(|i| headers + i * size).filter(|at| number(*at, 4) == 1);
    let end = segments.map(|at| number(at + 0x10, 8) + number(at + 0x28, 8)).max().unwrap();
    let offset = stub.len().next_multiple_of(PAGE);
    let address = end.next_multiple_of(PAGE);

    let mut header = [1_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    for field in [offset, address, address, payload.len(), payload.len(), PAGE] {
        header.extend((field as u64).to_le_bytes());
    }
    let mut file = stub.to_vec();
    file[headers + (count - 1) * size..][..size].copy_from_slice(&header);
    file.resize(offset, 0);
    file.extend(payload);
    file
}
