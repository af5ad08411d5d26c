//! The file that lists the providers, and says how to call each. Tools find the file's name in the
//! variable `OCICRYPT_KEYPROVIDER_CONFIG`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use super::called::{ProviderName, ProviderNameError};

/// The longest file, in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;

/// The most providers in a file.
const MAX_PROVIDERS: usize = 64;

/// The providers in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderConfig {
    providers: BTreeMap<ProviderName, ProviderAddress>,
}

/// The way to call a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderAddress {
    /// A program, which is started for each request.
    Command {
        /// The program.
        path: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
    /// gRPC, at an address in gRPC's own form.
    Service(String),
    /// gRPC over TLS, which sealcrate does not speak.
    TlsService(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Members {
    #[serde(default)]
    key_providers: Option<BTreeMap<String, Attributes>>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(default)]
    cmd: Option<Command>,
    #[serde(default)]
    grpc: Option<String>,
    #[serde(default, rename = "grpc-tls")]
    tls: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Command {
    path: PathBuf,
    #[serde(default)]
    args: Option<Vec<String>>,
}

impl ProviderConfig {
    /// Parses the file.
    ///
    /// # Errors
    /// The file is too long or malformed, or lists too many providers; a name cannot be a part of
    /// an annotation's name; a provider has no way to call it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProviderConfigError> {
        if bytes.len() > MAX_CONFIG_BYTES {
            return Err(ProviderConfigError::TooLong);
        }
        // serde would take a list for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ProviderConfigError::Malformed);
        }
        let members: Members =
            serde_json::from_slice(bytes).map_err(|_| ProviderConfigError::Malformed)?;
        let named = members.key_providers.unwrap_or_default();
        if named.len() > MAX_PROVIDERS {
            return Err(ProviderConfigError::TooMany);
        }
        let mut providers = BTreeMap::new();
        for (name, attributes) in named {
            let name: ProviderName = name.parse()?;
            // As in other tools, a program takes precedence.
            let address = match (attributes.cmd, attributes.grpc.filter(|at| !at.is_empty())) {
                (Some(Command { path, args }), _) => {
                    ProviderAddress::Command { path, args: args.unwrap_or_default() }
                }
                (None, Some(at)) if attributes.tls.is_some() => ProviderAddress::TlsService(at),
                (None, Some(at)) => ProviderAddress::Service(at),
                (None, None) => return Err(ProviderConfigError::NoWay(name)),
            };
            providers.insert(name, address);
        }
        Ok(Self { providers })
    }

    /// Returns the way to call the provider `name`, if it is listed.
    pub fn find(&self, name: &ProviderName) -> Option<&ProviderAddress> {
        self.providers.get(name)
    }

    /// Returns all providers, sorted by name.
    pub fn all(&self) -> impl Iterator<Item = (&ProviderName, &ProviderAddress)> {
        self.providers.iter()
    }
}

/// Why the file cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderConfigError {
    /// The JSON is not of the right shape.
    #[error("it is malformed")]
    Malformed,
    /// A name is no provider's.
    #[error("{0}")]
    Name(#[from] ProviderNameError),
    /// The file does not say how to call this provider.
    #[error("it has neither cmd nor grpc for {0}")]
    NoWay(ProviderName),
    /// It is longer than [`MAX_CONFIG_BYTES`].
    #[error("it is longer than 1 MiB")]
    TooLong,
    /// There are too many providers.
    #[error("it has more than {MAX_PROVIDERS} key providers")]
    TooMany,
}

impl Classified for ProviderConfigError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed | Self::NoWay(_) | Self::TooLong | Self::TooMany => {
                Some(ErrorClass::Failure)
            }
            Self::Name(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_services_are_read() {
        let config = ProviderConfig::parse(
            br#"{"key-providers":{"a":{"cmd":{"path":"/bin/a","args":["b"]},"grpc":"unused"},
                "c":{"cmd":{"path":"/bin/c"}},"s":{"grpc":"unix:///run/s"},
                "t":{"grpc":"host:1","grpc-tls":{"x":1}}},"other":1}"#,
        )
        .unwrap();
        let find = |name: &str| config.find(&name.parse().unwrap()).cloned();
        let command = |path: &str, args: &[&str]| ProviderAddress::Command {
            path: path.into(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        assert_eq!(find("a"), Some(command("/bin/a", &["b"])));
        assert_eq!(find("c"), Some(command("/bin/c", &[])));
        assert_eq!(find("s"), Some(ProviderAddress::Service("unix:///run/s".to_owned())));
        assert_eq!(find("t"), Some(ProviderAddress::TlsService("host:1".to_owned())));
        assert_eq!((find("x"), config.all().count()), (None, 4));
        for empty in ["{}", r#"{"key-providers":null}"#] {
            assert_eq!(ProviderConfig::parse(empty.as_bytes()).unwrap(), ProviderConfig::default());
        }
    }

    #[test]
    fn what_is_no_list_of_providers_is_refused() {
        let error = |text: &str| ProviderConfig::parse(text.as_bytes()).unwrap_err();
        for text in ["", "[]", r#"{"key-providers":[]}"#, r#"{"key-providers":{"a":{"cmd":{}}}}"#] {
            assert_eq!(error(text), ProviderConfigError::Malformed, "{text}");
        }
        for name in ["", "a,b", "a b", "\u{e4}", &"x".repeat(65)] {
            let text = format!(r#"{{"key-providers":{{"{name}":{{"grpc":"a"}}}}}}"#);
            assert_eq!(error(&text), ProviderConfigError::Name(ProviderNameError), "{name}");
        }
        let no_way = ProviderConfigError::NoWay("a".parse().unwrap());
        assert_eq!(error(r#"{"key-providers":{"a":{"grpc":""}}}"#), no_way);
        assert_eq!(error(&" ".repeat(MAX_CONFIG_BYTES + 1)), ProviderConfigError::TooLong);
        let many: Vec<_> = (0..65).map(|i| format!(r#""n{i}":{{"grpc":"a"}}"#)).collect();
        let many = format!(r#"{{"key-providers":{{{}}}}}"#, many.join(","));
        assert_eq!(error(&many), ProviderConfigError::TooMany);
    }
}
