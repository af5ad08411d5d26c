//! The parameters of a packed program, which its stub needs before it has a key.
//!
//! They are in clear and not authenticated: anybody who can change them can change the stub as
//! well.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The longest banner, in bytes.
const MAX_BANNER: usize = 64 << 10;

/// The longest name of a variable, in bytes.
const MAX_VARIABLE: usize = 255;

/// The longest path of a start key file, in bytes.
const MAX_PATH: usize = 4095;

/// The longest encoded parameters, in bytes.
pub(crate) const MAX_ENCODED: usize = 128 << 10;

/// The parameters that a stub needs before it has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    needed_mib: u32,
    variable: &'a str,
    start_key_file: &'a [u8],
    banner: &'a [u8],
}

/// Why parameters cannot be made or parsed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParametersError {
    /// The banner is too long.
    #[error("the banner is longer than 64 KiB")]
    Banner,
    /// The encoded parameters end too early, or go on after their end.
    #[error("the parameters have another length than they say")]
    Length,
    /// The path of the start key file is not absolute, too long, or has a zero byte.
    #[error("the start key file is no absolute path of at most 4095 bytes")]
    StartKeyFile,
    /// The variable's name is not allowed.
    #[error(
        "the variable's name is not of 1 to 255 letters, digits and underscores, or begins with a digit"
    )]
    Variable,
}

impl Classified for ParametersError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

impl<'a> Parameters<'a> {
    /// Makes parameters: the memory that a start takes in MiB, rounded up; the variable in which the key
    /// may be; the absolute path of the file in which it may be; the text that the stub shows before a
    /// prompt.
    ///
    /// # Errors
    /// The error names the wrong parameter.
    pub fn new(
        needed_mib: u32,
        variable: &'a str,
        start_key_file: &'a [u8],
        banner: &'a [u8],
    ) -> Result<Self, ParametersError> {
        if !is_variable(variable.as_bytes()) {
            return Err(ParametersError::Variable);
        }
        let is_path = start_key_file.first() == Some(&b'/')
            && start_key_file.len() <= MAX_PATH
            && !start_key_file.contains(&0);
        if !is_path {
            return Err(ParametersError::StartKeyFile);
        }
        if banner.len() > MAX_BANNER {
            return Err(ParametersError::Banner);
        }
        Ok(Self { needed_mib, variable, start_key_file, banner })
    }

    /// Parses encoded parameters.
    ///
    /// # Errors
    /// The lengths do not fit, or a parameter is not allowed.
    pub fn parse(encoded: &'a [u8]) -> Result<Self, ParametersError> {
        let mut rest = encoded;
        let needed_mib = u32::from_le_bytes(take(&mut rest)?);
        let variable = take_short(&mut rest)?;
        let start_key_file = take_short(&mut rest)?;
        let banner_len = u32::from_le_bytes(take(&mut rest)?);
        if usize::try_from(banner_len) != Ok(rest.len()) {
            return Err(ParametersError::Length);
        }
        let variable = core::str::from_utf8(variable).map_err(|_| ParametersError::Variable)?;
        Self::new(needed_mib, variable, start_key_file, rest)
    }

    /// Appends the encoded parameters.
    pub(crate) fn write(&self, out: &mut impl Extend<u8>) {
        out.extend(self.needed_mib.to_le_bytes());
        for part in [self.variable.as_bytes(), self.start_key_file] {
            out.extend((part.len() as u16).to_le_bytes());
            out.extend(part.iter().copied());
        }
        out.extend((self.banner.len() as u32).to_le_bytes());
        out.extend(self.banner.iter().copied());
    }

    /// Returns the length of the encoded parameters.
    pub(crate) fn encoded_len(&self) -> usize {
        4 + 2 + self.variable.len() + 2 + self.start_key_file.len() + 4 + self.banner.len()
    }

    /// Returns the memory that a start takes in MiB, rounded up: the program, or the unlocked files, and
    /// the decompressor. It is for messages alone.
    pub fn needed_mib(&self) -> u32 {
        self.needed_mib
    }

    /// Returns the name of the variable that may hold the key.
    pub fn variable(&self) -> &'a str {
        self.variable
    }

    /// Returns the absolute path of the file that may hold the key.
    pub fn start_key_file(&self) -> &'a [u8] {
        self.start_key_file
    }

    /// Returns the banner, which the stub shows before a prompt.
    pub fn banner(&self) -> &'a [u8] {
        self.banner
    }
}

fn is_variable(name: &[u8]) -> bool {
    let starts_well = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    starts_well
        && name.len() <= MAX_VARIABLE
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ParametersError> {
    let (taken, after) = rest.split_first_chunk().ok_or(ParametersError::Length)?;
    *rest = after;
    Ok(*taken)
}

/// Takes bytes whose length stands before them in two bytes.
fn take_short<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], ParametersError> {
    let len = usize::from(u16::from_le_bytes(take(rest)?));
    let (taken, after) = rest.split_at_checked(len).ok_or(ParametersError::Length)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn encoded(parameters: &Parameters<'_>) -> Vec<u8> {
        let mut encoded = Vec::new();
        parameters.write(&mut encoded);
        assert_eq!(encoded.len(), parameters.encoded_len());
        encoded
    }

    #[test]
    fn parameters_are_read_as_they_are_written() {
        let written = Parameters::new(3, "BP", b"/run/secrets/bp", b"Hello\n").unwrap();
        let bytes = encoded(&written);
        assert_eq!(bytes, b"\x03\0\0\0\x02\0BP\x0f\0/run/secrets/bp\x06\0\0\0Hello\n");
        assert_eq!(Parameters::parse(&bytes), Ok(written));
    }

    #[test]
    fn parameters_that_are_cut_or_go_on_are_refused() {
        let mut bytes = encoded(&Parameters::new(3, "BP", b"/k", b"Hello").unwrap());
        for len in 0..bytes.len() {
            assert_eq!(Parameters::parse(&bytes[..len]), Err(ParametersError::Length), "{len}");
        }
        bytes.push(0);
        assert_eq!(Parameters::parse(&bytes), Err(ParametersError::Length));
    }

    #[test]
    fn names_that_no_variable_can_have_are_refused() {
        let long = "x".repeat(256);
        for name in ["", "1A", "A=B", "A B", "A\0", "Ä", long.as_str()] {
            let made = Parameters::new(1, name, b"/k", b"");
            assert_eq!(made, Err(ParametersError::Variable), "{name}");
        }
        assert!(Parameters::new(1, "_b1", b"/k", b"").is_ok());
    }

    #[test]
    fn start_key_files_that_are_no_paths_are_refused() {
        let long = vec![b'/'; 4096];
        for path in [&b""[..], b"k", b"/k\0", &long] {
            let made = Parameters::new(1, "BP", path, b"");
            assert_eq!(made, Err(ParametersError::StartKeyFile), "{path:?}");
        }
        assert!(Parameters::new(1, "BP", &long[1..], b"").is_ok());
    }

    #[test]
    fn long_banners_are_refused() {
        let long = vec![b'x'; MAX_BANNER + 1];
        assert_eq!(Parameters::new(1, "BP", b"/k", &long), Err(ParametersError::Banner));
        assert!(Parameters::new(1, "BP", b"/k", &long[1..]).is_ok());
    }

    #[test]
    fn the_longest_parameters_fit() {
        let (name, path) = ("x".repeat(MAX_VARIABLE), vec![b'/'; MAX_PATH]);
        let banner = vec![b'x'; MAX_BANNER];
        let longest = Parameters::new(u32::MAX, &name, &path, &banner).unwrap();
        assert!(longest.encoded_len() <= MAX_ENCODED);
        assert_eq!(Parameters::parse(&encoded(&longest)), Ok(longest));
    }
}
