//! The payload segment of a packed program.

use sealcrate_packfile::{HEAD_LEN, MAGIC, Segment, write_head};

/// Parses bytes as a segment, and writes the parsed segment again.
pub(crate) fn run(data: &[u8]) {
    let Ok(segment) = Segment::parse(data) else { return };
    let parameters = segment.parameters;
    assert!(data.starts_with(&MAGIC) && data.ends_with(segment.age));
    assert!(!parameters.variable().is_empty() && parameters.variable().len() <= 255);
    assert!(!parameters.variable().contains('='));
    assert_eq!(parameters.start_key_file().first(), Some(&b'/'));
    assert!(!parameters.start_key_file().contains(&0));

    let mut written = Vec::with_capacity(data.len());
    write_head(&parameters, segment.age.len() as u64, &mut written);
    assert!(written.len() >= HEAD_LEN);
    written.extend(segment.age);
    assert!(written == data, "it is written otherwise than it was");
}
