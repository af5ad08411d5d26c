//! The program alone, out of the content of a payload. A folder has the program as its first file.

use std::io::{self, Write};

use sealcrate_packfile::{FOLDER_MAGIC, FOLDER_PREFIX, FolderHead, folder_head_len};

/// Passes on the program, and leaves out the files beside it.
pub(crate) struct ProgramExtractor<'a> {
    output: &'a mut dyn Write,
    state: State,
}

/// The part of the content that comes next.
enum State {
    /// The beginning. These bytes of it have come.
    Head(Vec<u8>),
    /// A program that goes to the end.
    Program,
    /// A folder: the missing bytes of the program, the missing bytes of the files beside it, and the paths
    /// of these files.
    Folder { program: u64, beside: u64, names: Vec<Vec<u8>> },
}

impl<'a> ProgramExtractor<'a> {
    /// Passes programs on to `output`.
    pub(crate) fn new(output: &'a mut dyn Write) -> Self {
        Self { output, state: State::Head(Vec::new()) }
    }

    /// Returns the paths of the files beside the program. Call this after you have written all of the
    /// content.
    ///
    /// # Errors
    /// A part of the content is missing.
    pub(crate) fn finish(self) -> io::Result<Vec<Vec<u8>>> {
        match self.state {
            State::Program => Ok(Vec::new()),
            State::Folder { program: 0, beside: 0, names } => Ok(names),
            State::Head(_) | State::Folder { .. } => Err(damaged()),
        }
    }

    /// Takes bytes of the beginning, and returns their number.
    fn begin(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Head(head) = &mut self.state else { return Ok(0) };
        let wanted = match head.first_chunk::<FOLDER_PREFIX>() {
            None => FOLDER_PREFIX,
            Some(prefix) => folder_head_len(*prefix).map_err(|_| damaged())?,
        };
        let count = bytes.len().min(wanted - head.len());
        head.extend_from_slice(&bytes[..count]);
        let known = head.len().min(FOLDER_MAGIC.len());
        if head[..known] != FOLDER_MAGIC[..known] {
            let head = std::mem::take(head);
            self.state = State::Program;
            self.output.write_all(&head)?;
        } else if head.len() == wanted && wanted > FOLDER_PREFIX {
            let parsed = FolderHead::parse(head).map_err(|_| damaged())?;
            let mut entries = parsed.entries();
            let program = entries.next().ok_or_else(damaged)?.len;
            let beside = entries.clone().fold(0_u64, |sum, entry| sum.saturating_add(entry.len));
            let names = entries.map(|entry| entry.path.to_vec()).collect();
            self.state = State::Folder { program, beside, names };
        }
        Ok(count)
    }
}

impl Write for ProgramExtractor<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        match &mut self.state {
            State::Head(_) => self.begin(bytes),
            State::Program => self.output.write(bytes),
            State::Folder { program, beside, .. } => {
                let fitting =
                    |left: u64| bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if *program > 0 {
                    let written = self.output.write(&bytes[..fitting(*program)])?;
                    *program -= written as u64;
                    return Ok(written);
                }
                let count = fitting(*beside);
                *beside -= count as u64;
                if count == 0 { Err(damaged()) } else { Ok(count) }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it holds no folder that can be made")
}
