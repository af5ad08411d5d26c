//! Key providers that the environment names: other programs, which are asked to wrap and unwrap keys.

mod command;
mod service;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sealcrate_crypt::ocicrypt::provider::{
    Call, MAX_CONFIG_BYTES, Provider, ProviderAddress, ProviderConfig, ProviderName,
};
use zeroize::Zeroizing;

use crate::args::Typed;
use crate::failure::Usage;
use command::ProviderCommand;
use service::ProviderService;

/// The variable with the name of the file that says which providers there are.
const VARIABLE: &str = "OCICRYPT_KEYPROVIDER_CONFIG";

/// How long a provider may take, which may ask another machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds the provider that `NAME[:PARAMETER]` names.
pub(crate) fn named(text: &Typed) -> Result<Provider> {
    let (name, parameter) = match text.as_str().split_once(':') {
        Some((name, parameter)) => (name, Some(Zeroizing::new(parameter.as_bytes().to_vec()))),
        None => (text.as_str(), None),
    };
    let name: ProviderName =
        name.parse().map_err(|error| Usage(format!("provider:NAME[:PARAMETER]: {error}")))?;
    let Some(config) = config()? else {
        let text = format!("{VARIABLE} names no file that says what the key provider {name} is");
        return Err(Usage(text).into());
    };
    match config.find(&name) {
        Some(address) => provider(&name, address, parameter),
        None => {
            let text = format!("the file that {VARIABLE} names has no key provider {name}");
            Err(Usage(text).into())
        }
    }
}

/// Returns all providers that there are.
pub(crate) fn all() -> Result<Vec<Provider>> {
    let config = config()?.unwrap_or_default();
    config.all().map(|(name, address)| provider(name, address, None)).collect()
}

fn config() -> Result<Option<ProviderConfig>> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let Some(path) = named.map(|path: OsString| PathBuf::from(path)) else { return Ok(None) };
    let mut bytes = Vec::new();
    let most = MAX_CONFIG_BYTES as u64 + 1;
    File::open(&path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}, which {VARIABLE} names", path.display()))?;
    let config = ProviderConfig::parse(&bytes)
        .with_context(|| format!("cannot use {}, which {VARIABLE} names", path.display()))?;
    Ok(Some(config))
}

fn provider(
    name: &ProviderName,
    address: &ProviderAddress,
    parameter: Option<Zeroizing<Vec<u8>>>,
) -> Result<Provider> {
    let way: Arc<dyn Call> = match address {
        ProviderAddress::Command { path, args } => {
            Arc::new(ProviderCommand::new(path, args, PATIENCE))
        }
        ProviderAddress::Service(address) => {
            let service = ProviderService::new(address, PATIENCE);
            Arc::new(service.with_context(|| format!("cannot use the key provider {name}"))?)
        }
        ProviderAddress::TlsService(_) => {
            bail!("cannot use the key provider {name}: TLS (grpc-tls) is not spoken")
        }
    };
    Ok(Provider::new(name.clone(), parameter, way))
}
