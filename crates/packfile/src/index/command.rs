//! The original command of a locked image, which the init runs.

use crate::index::IndexError;
use crate::index::reader::{Reader, write_bytes};

/// The private settings that an image's config has for its containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Variables, `NAME=VALUE` each.
    pub env: List<'a>,
    /// The program and the arguments that every start runs.
    pub entrypoint: List<'a>,
    /// The arguments behind the entrypoint, if a start gives none.
    pub cmd: List<'a>,
    /// The folder in which the command runs. It is empty if the image names none.
    pub working_dir: &'a [u8],
    /// The health check, which tells whether a container is well: a program and its arguments, or
    /// nothing.
    pub healthcheck: List<'a>,
}

impl<'a> Command<'a> {
    /// Parses the command that [`Self::write`] wrote.
    ///
    /// # Errors
    /// The bytes are not a command.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let mut reader = Reader::new(bytes);
        let command = Self::read(&mut reader)?;
        reader.end()?;
        Ok(command)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        Ok(Self {
            env: List::read(reader)?,
            entrypoint: List::read(reader)?,
            cmd: List::read(reader)?,
            working_dir: text(reader.bytes()?)?,
            healthcheck: List::read(reader)?,
        })
    }

    /// Appends the encoded command.
    pub fn write(&self, out: &mut impl Extend<u8>) {
        List::write(self.env.iter(), out);
        List::write(self.entrypoint.iter(), out);
        List::write(self.cmd.iter(), out);
        write_bytes(self.working_dir, out);
        List::write(self.healthcheck.iter(), out);
    }
}

/// A list of strings without zero bytes.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    count: u32,
    items: Reader<'a>,
}

impl<'a> List<'a> {
    /// The empty list.
    pub const EMPTY: Self = Self { count: 0, items: Reader::new(&[]) };

    /// Parses the list that [`Self::write`] wrote.
    ///
    /// # Errors
    /// The bytes are not a list.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let mut reader = Reader::new(bytes);
        let list = Self::read(&mut reader)?;
        reader.end()?;
        Ok(list)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, IndexError> {
        let count = reader.u32()?;
        let whole = reader.rest();
        for _ in 0..count {
            text(reader.bytes()?)?;
        }
        let items = Reader::new(&whole[..whole.len() - reader.rest().len()]);
        Ok(Self { count, items })
    }

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Tells whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the strings.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut reader = self.items;
        (0..self.count).map_while(move |_| reader.bytes().ok())
    }

    /// Appends the encoded list.
    pub fn write<'i>(items: impl Iterator<Item = &'i [u8]> + Clone, out: &mut impl Extend<u8>) {
        out.extend((items.clone().count() as u32).to_le_bytes());
        items.for_each(|item| write_bytes(item, out));
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.items.rest() == other.items.rest()
    }
}

impl Eq for List<'_> {}

fn text(bytes: &[u8]) -> Result<&[u8], IndexError> {
    if bytes.contains(&0) { Err(IndexError("a text has a zero byte")) } else { Ok(bytes) }
}
