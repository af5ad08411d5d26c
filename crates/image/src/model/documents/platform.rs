//! Platforms: the operating system and the processor that an image is for.

use std::fmt;
use std::str::FromStr;

use sealcrate_errors::{Classified, ErrorClass};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Printable;
use crate::model::documents::strict::null_is_empty;

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
    /// The version of the operating system, which Windows images name.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The features of the operating system that the image needs, which Windows images name.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_is_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
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
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// Tells whether an image for `self` is one for `wanted`.
    ///
    /// A missing variant stands for the usual one: `v8` of arm64, `v7` of arm.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.normalised() == wanted.normalised()
    }

    /// Tells whether `self` and `other` may describe the same image: a variant that one of them leaves out is
    /// no difference, nor is the version of the operating system.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (mine, others) = (self.normalised(), other.normalised());
        let variants = match (mine.2, others.2) {
            (Some(mine), Some(others)) => mine == others,
            _ => true,
        };
        (mine.0, mine.1) == (others.0, others.1) && variants
    }

    /// Returns operating system, architecture and variant by the names that containerd settles on: `arm64/v8`
    /// is `arm64`, `arm` is `arm/v7`.
    pub fn normalised(&self) -> (String, String, Option<String>) {
        let os = match self.os.to_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            os => os.to_owned(),
        };
        let architecture = self.architecture.to_lowercase();
        let variant = self.variant.as_deref().unwrap_or_default().to_lowercase();
        let (architecture, variant) = match (go_architecture(&architecture), variant.as_str()) {
            ("amd64", "v1") | ("arm64", "8" | "v8") => (go_architecture(&architecture), ""),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            named => named,
        };
        let variant = (!variant.is_empty()).then(|| variant.to_owned());
        (os, architecture.to_owned(), variant)
    }
}

/// Shows the platform printably, since its text may come from a stranger.
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
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        other => other,
    }
}

/// Tells that a text is no platform.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a platform is written os/architecture or os/architecture/variant, as linux/arm64")]
pub struct PlatformError;

impl Classified for PlatformError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

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

    #[test]
    fn platforms_agree_unless_they_contradict_each_other() {
        let parse = |text: &str| text.parse::<Platform>().unwrap();
        let mut windows = parse("windows/amd64");
        windows.os_version = Some("10.0.1".to_owned());
        assert!(windows.agrees_with(&parse("windows/amd64")));
        for (one, other) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/amd64/v3", "linux/amd64"),
            ("linux/arm", "linux/arm/v7"),
        ] {
            assert!(parse(one).agrees_with(&parse(other)), "{one} {other}");
            assert!(parse(other).agrees_with(&parse(one)), "{other} {one}");
        }
        for (one, other) in [
            ("linux/arm64", "linux/amd64"),
            ("linux/arm/v6", "linux/arm"),
            ("linux/386", "windows/386"),
        ] {
            assert!(!parse(one).agrees_with(&parse(other)), "{one} {other}");
        }
    }
}
