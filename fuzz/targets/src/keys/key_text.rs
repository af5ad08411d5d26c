//! Keys as a variable, a file or a prompt holds them.

use sealcrate_packfile::{KeyText, KeyTextError, MAX_KEY_TEXT, without_line_end};

/// Reads bytes as a key: identities, a passphrase, or an error.
pub(crate) fn run(data: &[u8]) {
    let text = without_line_end(data);
    assert!(data.starts_with(text) && data.len() - text.len() <= 2);
    match KeyText::parse(data) {
        Ok(KeyText::Passphrase(passphrase)) => assert_eq!(passphrase, data),
        Ok(KeyText::Identities(lines)) => {
            let publics = || lines.iter().map(|identity| identity.public());
            assert!(publics().next().is_some());
            // Every line is an identity or passed over, with any line ending. Comments may hold
            // anything.
            let Ok(text) = std::str::from_utf8(data) else { return };
            let lines = text.lines().map(str::trim_ascii);
            let counted = lines.filter(|line| line.starts_with("AGE-SECRET-KEY-1")).count();
            assert_eq!(publics().count(), counted);
            let windows = text.replace("\r\n", "\n").replace('\n', "\r\n");
            if windows.len() <= MAX_KEY_TEXT {
                let Ok(KeyText::Identities(again)) = KeyText::parse(windows.as_bytes()) else {
                    panic!("no identities any more");
                };
                assert!(again.iter().map(|identity| identity.public()).eq(publics()));
            }
        }
        Err(KeyTextError::Empty) => assert!(data.is_empty()),
        Err(KeyTextError::TooLong) => assert!(data.len() > MAX_KEY_TEXT),
        Err(KeyTextError::Identity { line }) => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&line));
        }
        Err(other) => panic!("{other}"),
    }
}
