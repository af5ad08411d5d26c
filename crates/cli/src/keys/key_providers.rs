//! Key providers that the environment names: other programs, which are asked to wrap and unwrap keys.

mod command;
mod service;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sealcrate_crypt::ocicrypt::provider::{
    Call, MAX_CONFIG_BYTES, Provider, ProviderAddress, ProviderConfig, ProviderName,
};
use sealcrate_image::Runtime;
use zeroize::Zeroizing;

use crate::args::Typed;
use crate::output::failure::Usage;
use crate::output::talk;
use command::ProviderCommand;
use service::ProviderService;

/// The variable that names the file with the list of providers.
const VARIABLE: &str = "OCICRYPT_KEYPROVIDER_CONFIG";

/// How long a provider may take. It may ask another machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds the provider that `NAME[:PARAMETER]` names. It is called on the threads of `runtime`.
pub(crate) fn named(text: &Typed, runtime: &Runtime) -> Result<Provider> {
    let (name, parameter) = match text.as_str().split_once(':') {
        Some((name, parameter)) => (name, Some(Zeroizing::new(parameter.as_bytes().to_vec()))),
        None => (text.as_str(), None),
    };
    if parameter.as_deref().is_some_and(|parameter| looks_secret(parameter)) {
        talk::warn(
            "other users of this machine can read what is behind provider:NAME:, and it looks like a secret",
        );
    }
    let name: ProviderName =
        name.parse().map_err(|error| Usage(format!("provider:NAME[:PARAMETER]: {error}")))?;
    let Some(config) = config()? else {
        let text = format!("{VARIABLE} names no file that lists the key provider {name}");
        return Err(Usage(text).into());
    };
    match config.find(&name) {
        Some(address) => provider(&name, address, parameter, runtime),
        None => {
            let text = format!("the file that {VARIABLE} names has no key provider {name}");
            Err(Usage(text).into())
        }
    }
}

/// Tells whether a parameter has a private key in it, or a value that is named like a secret.
fn looks_secret(parameter: &[u8]) -> bool {
    let parameter = String::from_utf8_lossy(parameter);
    let has = |part: &str| {
        let mut windows = parameter.as_bytes().windows(part.len());
        windows.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let names = parameter.match_indices(['=', ':', '"']).filter_map(|(at, _)| {
        let has_value = at + 1 < parameter.len();
        parameter[..at].rsplit(|c| !is_of_name(c)).next().filter(|_| has_value)
    });
    let mut names = names.filter(|name| !name.is_empty());
    has("SECRET-KEY-") || has("PRIVATE KEY") || names.any(sealcrate_core::looks_secret)
}

/// Returns all providers of the list.
pub(crate) fn all(runtime: &Runtime) -> Result<Vec<Provider>> {
    let config = config()?.unwrap_or_default();
    config.all().map(|(name, address)| provider(name, address, None, runtime)).collect()
}

/// Reads the list of providers. A file that is not there is a warning, as in ocicrypt: containerd's defaults name one
/// that nobody needs to make.
fn config() -> Result<Option<ProviderConfig>> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let Some(path) = named.map(|path: OsString| PathBuf::from(path)) else { return Ok(None) };
    let mut bytes = Vec::new();
    let most = MAX_CONFIG_BYTES as u64 + 1;
    let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    if let Err(error) = &read
        && error.kind() == io::ErrorKind::NotFound
    {
        talk::warn(format!("there is no file {}, which {VARIABLE} names", path.display()));
        return Ok(None);
    }
    read.with_context(|| format!("cannot read {}, which {VARIABLE} names", path.display()))?;
    let config = ProviderConfig::parse(&bytes)
        .with_context(|| format!("cannot use {}, which {VARIABLE} names", path.display()))?;
    Ok(Some(config))
}

fn provider(
    name: &ProviderName,
    address: &ProviderAddress,
    parameter: Option<Zeroizing<Vec<u8>>>,
    runtime: &Runtime,
) -> Result<Provider> {
    let way: Arc<dyn Call> = match address {
        ProviderAddress::Command { path, args } => {
            Arc::new(ProviderCommand::new(path, args, PATIENCE))
        }
        ProviderAddress::Service(address) => {
            let service = ProviderService::new(address, PATIENCE, runtime.clone());
            Arc::new(service.with_context(|| format!("cannot use the key provider {name}"))?)
        }
        ProviderAddress::TlsService(_) => {
            bail!("cannot use the key provider {name}: TLS (grpc-tls) is not spoken")
        }
    };
    Ok(Provider::new(name.clone(), parameter, way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_parameters_are_known_by_what_they_are_named() {
        for secret in [
            "AGE-SECRET-KEY-1QQQQ",
            "age-secret-key-1qqqq",
            "-----BEGIN EC PRIVATE KEY-----",
            "token=abc",
            "vault?role=app&api_key=abc",
            "https://vault.example:8200,password:abc",
            r#"{"role":"app","client-secret":"abc"}"#,
        ] {
            assert!(looks_secret(secret.as_bytes()), "{secret}");
        }
        for clear in [
            "",
            "Enabled",
            "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es",
            "keyid=kbs:///default/key/1::keypath=/etc/key",
            "cc_kbc::null",
            "transit/keys/app-key",
            "secret/data/app",
            "token=",
        ] {
            assert!(!looks_secret(clear.as_bytes()), "{clear}");
        }
        assert!(!looks_secret(&[0xff, b'=', b'a']));
    }
}
