//! Platforms: which operating system and processor an image is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::Printable;

/// An operating system and processor, written `os/architecture[/variant]`.
///
/// OCI image specification, "Image Index", member `platform`; names are Go's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor architecture, such as `amd64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Every other member.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Platform {
    /// Returns the platform whose images run on this machine's engine: Linux on this processor.
    pub fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self::new("linux", architecture, variant)
    }

    fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(ToOwned::to_owned),
            other: Map::new(),
        }
    }

    /// Tells whether an image for `self` is one for `wanted`.
    ///
    /// A variant that is not named stands for the usual one: `v8` of arm64, `v7` of arm.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && self.effective_variant() == wanted.effective_variant()
    }

    fn effective_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            (_, Some("")) | (_, None) => match self.architecture.as_str() {
                "arm64" => Some("v8"),
                "arm" => Some("v7"),
                _ => None,
            },
            (_, variant) => variant,
        }
    }
}

/// Shows the platform as people may read it, whoever named it.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Printable(&self.os), Printable(&self.architecture))?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{}", Printable(variant)),
            _ => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
        };
        if !parts.iter().all(|part| word(part)) {
            return Err(PlatformError);
        }
        match parts[..] {
            [os, architecture] => Ok(Self::new(os, go_architecture(architecture), None)),
            [os, architecture, variant] => {
                Ok(Self::new(os, go_architecture(architecture), Some(variant)))
            }
            _ => Err(PlatformError),
        }
    }
}

/// Translates the kernel's names, which people also type.
fn go_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        other => other,
    }
}

/// Tells that a text is no platform.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a platform is written os/architecture or os/architecture/variant, as linux/arm64")]
pub struct PlatformError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_and_written_alike() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        assert_eq!("linux/x86_64".parse::<Platform>().unwrap().architecture, "amd64");
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b"] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError), "{text}");
        }
    }

    #[test]
    fn platform_is_shown_on_one_line_and_in_order() {
        let platform = Platform::new("li\nnux", "amd\u{202e}64", Some("v\u{1b}8"));
        assert_eq!(platform.to_string(), "li nux/amd\u{fffd}64/v\u{fffd}8");
    }

    #[test]
    fn the_usual_variant_need_not_be_named() {
        let parse = |text: &str| text.parse::<Platform>().unwrap();
        assert!(parse("linux/arm64/v8").serves(&parse("linux/arm64")));
        assert!(parse("linux/arm/v7").serves(&parse("linux/arm")));
        assert!(!parse("linux/arm/v6").serves(&parse("linux/arm")));
        assert!(!parse("linux/amd64/v3").serves(&parse("linux/amd64")));
        assert!(!parse("linux/amd64").serves(&parse("windows/amd64")));
    }
}
