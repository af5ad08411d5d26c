//! Contents that are read one after the other as if they were one.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::Content;

/// Contents in a row. Each is opened when the contents before it have been read.
pub(crate) struct Concatenated {
    left: VecDeque<Arc<dyn Content>>,
    open: Box<dyn Read + Send>,
}

impl Concatenated {
    /// Puts contents in a row.
    pub(crate) fn new(contents: impl IntoIterator<Item = Arc<dyn Content>>) -> Self {
        Self { left: contents.into_iter().collect(), open: Box::new(io::empty()) }
    }
}

impl Read for Concatenated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.open.read(buffer)? {
                0 => match self.left.pop_front() {
                    Some(next) => self.open = next.open()?,
                    None => return Ok(0),
                },
                count => return Ok(count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_contents_end_nothing() {
        let contents = [&b"one"[..], b"", b"", b"two", b""];
        let contents = contents.map(|bytes| Arc::new(bytes.to_vec()) as Arc<dyn Content>);
        assert_eq!(io::read_to_string(Concatenated::new(contents)).unwrap(), "onetwo");
        assert_eq!(io::read_to_string(Concatenated::new([])).unwrap(), "");
    }
}
