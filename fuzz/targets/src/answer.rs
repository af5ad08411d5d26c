//! Challenges of packed programs, and the answers to them.

use sealcrate_pack::Question;
use sealcrate_packfile::Secret;
use sealcrate_packfile::age::Header;
use sealcrate_packfile::challenge::{Challenge, buffer_len, line_len, write};
use sealcrate_packfile::response::Response;

/// Reads text as a challenge and as a response, and bytes as the header that is asked for.
pub(crate) fn run(data: &[u8]) {
    if let Ok(header) = Header::parse(data) {
        assert!(data.starts_with(header.bytes()));
        let mut line = vec![0; line_len(header.bytes().len())];
        let line = write(&Secret::new([7; 32]).public(), &header, &mut line);
        let mut buffer = vec![0; buffer_len(line)];
        let challenge = Challenge::parse(line, &mut buffer).expect("it was written so");
        assert_eq!(challenge.header().bytes(), header.bytes());
        assert_eq!(Question::parse(line).expect("it was written so").header(), header.bytes());
    }
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(question) = Question::parse(text) {
        let header = question.header();
        let parsed = Header::parse(&header).expect("it was parsed before");
        assert_eq!(parsed.bytes(), header);
        assert_eq!(question.fingerprint().len(), 24);
    }
    if let Ok(response) = Response::parse(text) {
        assert_eq!(response.to_string(), text);
        assert!(response.open(text, &Secret::new([7; 32])).is_err());
    }
}
