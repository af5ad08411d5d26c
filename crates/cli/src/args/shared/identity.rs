//! The options that name private keys.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::common::Typed;

/// The keys that open an image which is encrypted to recipients.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// Open it with the private key in this file ("-" is standard input), or with provider:NAME[:PARAMETER]
    /// (repeatable)
    ///
    /// The key is an age identity, in PEM, DER or JWK, or as `gpg --export-secret-keys` writes it. Where it
    /// is under a password, that is asked for, unless :pass=PASSWORD, :file=FILE or :fd=N behind the
    /// file's name tells it. A key provider is one of those in the file that OCICRYPT_KEYPROVIDER_CONFIG
    /// names.
    #[arg(
        short,
        long,
        visible_alias = "decryption-key",
        value_name = "KEY[:PASSWORD]",
        help_heading = "Keys"
    )]
    pub(crate) identity: Vec<ImageKey>,
    /// Refuse an image whose layers nothing binds to each other and to the config; with =2 also bindings of
    /// version 1, and indexes whose images nothing binds to each other
    #[arg(
        long,
        value_name = "VERSION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u8).range(1..=2),
        help_heading = "Keys"
    )]
    pub(crate) require_binding: Option<u8>,
}

/// A key that opens images.
#[derive(Clone, Debug)]
pub(crate) enum ImageKey {
    /// A private key.
    File(KeyFile),
    /// A key provider's name and its parameter, which may be secret.
    Provider(Typed),
}

impl FromStr for ImageKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        match text.strip_prefix("provider:") {
            Some(provider) => provider.parse().map(Self::Provider),
            None => text.parse().map(Self::File),
        }
    }
}

/// A file with a private key, and the place of its password.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    pub(crate) password: Option<PasswordSource>,
}

/// The place of the password for a private key.
#[derive(Clone, Debug)]
pub(crate) enum PasswordSource {
    /// In an open file descriptor.
    Descriptor(u32),
    /// In a file.
    File(PathBuf),
    /// On the command line.
    Typed(Typed),
}

impl FromStr for KeyFile {
    type Err = Infallible;

    /// The first of the three forms of a password ends the name of the file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let described = [":pass=", ":file=", ":fd="]
            .into_iter()
            .filter_map(|form| text.find(form).map(|at| (at, form)))
            .min()
            .and_then(|(at, form)| {
                let value = &text[at + form.len()..];
                let password = match form {
                    ":pass=" => PasswordSource::Typed(value.parse().ok()?),
                    ":file=" => PasswordSource::File(value.into()),
                    _ => PasswordSource::Descriptor(value.parse().ok()?),
                };
                Some((&text[..at], password))
            });
        Ok(match described {
            Some((path, password)) => Self { path: path.into(), password: Some(password) },
            None => Self { path: text.into(), password: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_told_from_names() {
        let parse = |text: &str| text.parse::<KeyFile>().unwrap();
        for name in ["key.pem", "a:b", "key:fd=x", "key:password"] {
            let key = parse(name);
            assert_eq!((key.path, key.password.is_none()), (name.into(), true));
        }
        let key = parse("k:pass=a:file=b");
        assert_eq!(key.path, PathBuf::from("k"));
        assert!(matches!(key.password, Some(PasswordSource::Typed(typed))
            if typed.as_str() == "a:file=b"));
        assert!(matches!(parse("k:file=p:q").password, Some(PasswordSource::File(path))
            if path.as_os_str() == "p:q"));
        assert!(matches!(parse("k:fd=7").password, Some(PasswordSource::Descriptor(7))));
        assert!(!format!("{:?}", parse("k:pass=secret")).contains("secret"));
    }
}
