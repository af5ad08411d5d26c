//! What is said to people while a command runs, on standard error.

use std::io::Write;

/// Says something that the user should know and may want to change.
pub(crate) fn warn(text: impl AsRef<str>) {
    line(&format!("warning: {}", text.as_ref()));
}

/// Says something that is good to know.
pub(crate) fn note(text: impl AsRef<str>) {
    line(&format!("note: {}", text.as_ref()));
}

/// Writes one line. If nobody can read it, nothing better can be done.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
