//! Armor: OpenPGP's packets as text. RFC 4880, section 6.
//!
//! The reader passes over the checksum at its end, as RFC 9580, section 6.1 says. The packets show
//! the same damage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PGP ";

/// Tells whether a file holds OpenPGP's armor.
pub fn is_armor(file: &[u8]) -> bool {
    file.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// Returns the packets in the first armor of a file.
pub fn decode(file: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = str::from_utf8(file).ok()?;
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with(BEGIN)).skip(1);
    // Headers end at an empty line.
    lines.find(|line| line.is_empty())?;
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    let mut has_end = false;
    for line in lines {
        if line.starts_with("-----END PGP ") {
            has_end = true;
            break;
        }
        if !line.starts_with('=') {
            body.push_str(line);
        }
    }
    let bytes = Zeroizing::new(STANDARD.decode(&*body).ok()?);
    has_end.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_around_headers_and_checksum_are_passed_over() {
        let armor = "key of A\n\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: a: b\r\n\r\nAAEC\r\n\
                     Aw==\r\n=ABCD\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n";
        assert!(is_armor(armor.as_bytes()));
        assert_eq!(**decode(armor.as_bytes()).unwrap(), [0, 1, 2, 3]);
        assert!(!is_armor(b"-----BEGIN PRIVATE KEY-----\n"));
        for cut in ["-----END", "AAEC", "\r\n\r\nAAEC"] {
            let cut = &armor[..armor.find(cut).unwrap()];
            assert!(decode(cut.as_bytes()).is_none(), "{cut}");
        }
    }
}
