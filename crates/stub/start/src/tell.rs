//! Tells the user why a process ends, in one line on standard error.

use core::fmt::{self, Write as _};

use crate::system::{self, STDERR};

/// The longest message, in bytes: the longest path and some words.
const MAX_MESSAGE: usize = 5 << 10;

/// A reason to end, in words for the user.
pub trait Tell: fmt::Display {
    /// Returns the exit status for the reason.
    fn status(&self) -> u8;

    /// Tells whether another process has told the user the reason already.
    fn is_told(&self) -> bool {
        false
    }
}

/// Writes the reason as one line to standard error, and ends the process.
pub fn end(reason: &dyn Tell) -> ! {
    if !reason.is_told() {
        say(reason);
    }
    system::exit(reason.status())
}

/// Writes one line to standard error.
pub fn say(reason: &dyn Tell) {
    let mut line = Line { bytes: [0; MAX_MESSAGE], len: 0 };
    // A text that does not fit is cut off.
    let _ = write!(line, "sealcrate: {reason}");
    let _ = line.write_str("\n");
    // If standard error does not work, there is nobody to tell.
    let _ = STDERR.write(&line.bytes[..line.len]);
}

/// The line that is written at once.
struct Line {
    bytes: [u8; MAX_MESSAGE],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte is for the end of the line.
        let room = MAX_MESSAGE - 1 - self.len + usize::from(text == "\n");
        let fits = text.len().min(room);
        self.bytes[self.len..][..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Bytes as a terminal may show them.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            let is_shown = byte.is_ascii_graphic() || *byte == b' ';
            f.write_char(if is_shown { char::from(*byte) } else { '?' })?;
        }
        Ok(())
    }
}
