//! Messages to people on standard error, while a command runs.

use std::io::{self, Write};

use sealcrate_image::Printable;

/// Warns of something that the user should know and may want to change.
pub(crate) fn warn(text: impl AsRef<str>) {
    line(&format!("warning: {}", text.as_ref()));
}

/// Notes something that is good to know.
pub(crate) fn note(text: impl AsRef<str>) {
    line(&format!("note: {}", text.as_ref()));
}

/// Writes one line, made printable. If nobody can read it, nothing better can be done.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", Printable(text));
}

/// Standard error for a log: each event, which comes as one write, is one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        writeln!(io::stderr().lock(), "{}", Printable(text.trim_end_matches('\n')))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
