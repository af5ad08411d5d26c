//! Packing: from a program to one that opens itself.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use sealcrate_agefile::EncryptError;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Digest, Hasher};
use sealcrate_packfile::{Parameters, write_head};
use thiserror::Error;

use crate::content::compress::{Compression, compress};
use crate::stub::frame::{Frame, FrameError};
use crate::stub::stubs;
use crate::{Openers, Program, Stub, Target};

/// Packs programs with these settings.
#[derive(Debug)]
pub struct Packer<'a> {
    /// The parameters, which the packed program needs before it has a key.
    pub parameters: Parameters<'a>,
    /// The passphrase or the recipients that can open it.
    pub openers: &'a Openers,
    /// The compression of the program.
    pub compression: Compression,
}

/// The digest and the length of a file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of the file.
    pub digest: Digest,
    /// The length in bytes.
    pub size: u64,
}

impl Written {
    /// Reads `file` from its beginning to its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(mut file: &File) -> io::Result<Self> {
        file.rewind()?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self { digest: hasher.finish(), size }),
                len => {
                    hasher.update(&buffer[..len]);
                    size += len as u64;
                }
            }
        }
    }
}

impl Packer<'_> {
    /// Packs a program into `output`, an empty file that can be read. `program` describes the program,
    /// and `input` yields its bytes.
    ///
    /// # Errors
    /// There is no stub for the program; the program is too large, or changes meanwhile; it cannot be
    /// encrypted; `input` cannot be read; `output` cannot be written or read.
    pub fn pack(
        &self,
        program: &Program,
        input: &mut dyn Read,
        output: &File,
    ) -> Result<Written, PackError> {
        self.pack_content(program.target(), input, program.size(), output)
    }

    /// Packs a program with the files beside it. `input` yields `len` bytes, which
    /// [`InFolder::content`](crate::InFolder::content) makes.
    ///
    /// # Errors
    /// As of [`pack`](Self::pack).
    pub fn pack_content(
        &self,
        target: &'static Target,
        input: &mut dyn Read,
        len: u64,
        output: &File,
    ) -> Result<Written, PackError> {
        let frame = Frame::of(stub_for(target, stubs())?)?;
        let mut head = Vec::new();
        write_head(&self.parameters, 0, &mut head);

        let mut writer = BufWriter::with_capacity(256 << 10, output);
        writer.write_all(&frame.before()).map_err(PackError::Write)?;
        let payload_at = writer.stream_position().map_err(PackError::Write)?;
        writer.write_all(&head).map_err(PackError::Write)?;
        let age_at = payload_at + head.len() as u64;
        let encrypted = self.openers.encryptor()?.write_to(writer).map_err(PackError::Write)?;
        let encrypted =
            compress(input, len, self.compression, encrypted).map_err(PackError::Copy)?;
        let mut writer = encrypted.finish().map_err(PackError::Write)?;
        let end = writer.stream_position().map_err(PackError::Write)?;

        let rest = frame.around(end - payload_at)?;
        head.clear();
        write_head(&self.parameters, end - age_at, &mut head);
        let parts = [(rest.end_at, &rest.end), (payload_at, &head), (0, &rest.beginning)];
        for (at, bytes) in parts {
            writer.seek(SeekFrom::Start(at)).map_err(PackError::Write)?;
            writer.write_all(bytes).map_err(PackError::Write)?;
        }
        writer.flush().map_err(PackError::Write)?;
        drop(writer);
        Written::of(output).map_err(PackError::Write)
    }
}

/// Returns the stub for a target, if there is one.
fn stub_for<'s>(target: &'static Target, stubs: &'s [Stub]) -> Result<&'s Stub, PackError> {
    let found = stubs.iter().find(|stub| stub.target == target);
    found.ok_or(PackError::NoStub(target))
}

/// Why a program could not be packed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackError {
    /// The program could not be read, or its encrypted form could not be written.
    #[error("{0}")]
    Copy(io::Error),
    /// The program could not be encrypted.
    #[error("the program cannot be encrypted: {0}")]
    Encrypt(#[from] EncryptError),
    /// The stub cannot be put around the payload.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// This build cannot pack for the program's machine.
    #[error("this sealcrate has no stub for {0}")]
    NoStub(&'static Target),
    /// The packed program could not be written.
    #[error("the packed program cannot be written")]
    Write(#[source] io::Error),
}

impl Classified for PackError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Copy(_) | Self::NoStub(_) => Some(ErrorClass::Failure),
            Self::Encrypt(_) | Self::Frame(_) | Self::Write(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TARGETS;
    use crate::fixtures;

    #[test]
    fn what_was_written_is_told() {
        let file = fixtures::packed_under_passphrase(Compression::Lz4);
        let bytes = fixtures::content(&file);
        let expected = Written { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        assert_eq!(Written::of(&file).unwrap(), expected);
    }

    #[test]
    fn the_same_program_is_never_packed_to_the_same_bytes() {
        let packed = || fixtures::content(&fixtures::packed_under_passphrase(Compression::Lz4));
        let (one, other) = (packed(), packed());
        assert_eq!(one.len(), other.len());
        assert_ne!(one, other);
    }

    #[test]
    fn a_target_without_stub_is_refused_and_no_other_one_stands_in() {
        for missing in &TARGETS {
            let others = TARGETS.iter().filter(|target| *target != missing);
            let others: Vec<Stub> = others.map(|target| Stub { target, bytes: b"" }).collect();
            let refused = stub_for(missing, &others).unwrap_err();
            assert!(matches!(refused, PackError::NoStub(named) if named == missing), "{refused}");
            for stub in &others {
                assert_eq!(stub_for(stub.target, &others).unwrap().target, stub.target);
            }
        }
    }
}
