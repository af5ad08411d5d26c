//! The lines between a program without a key and a reader.

use sealcrate_agefile::X25519Key;
use sealcrate_packfile::challenge::{self, Challenge, Fingerprint};
use sealcrate_packfile::response::{LINE_LEN, Response};

/// Parses bytes as either line, and writes the parsed line again.
pub(crate) fn run(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    let mut buffer = vec![0; challenge::buffer_len(line)];
    if let Ok(parsed) = Challenge::parse(line, &mut buffer) {
        let mut written = vec![0; challenge::line_len(parsed.header().bytes().len())];
        let written = challenge::write(parsed.stub_key(), parsed.header(), &mut written);
        assert_eq!(written, line);
        assert_eq!(parsed.fingerprint(), Fingerprint::of(line));
        assert_eq!(parsed.fingerprint().to_string().len(), 24);
    }
    if let Ok(response) = Response::parse(line) {
        assert_eq!(line.len(), LINE_LEN);
        assert_eq!(response.to_string(), line);
        // Nobody has sealed anything to this key.
        assert!(response.open(line, &X25519Key::new([7; 32])).is_err());
    }
}
