//! The file that says which key providers there are.

use sealcrate_crypt::ocicrypt::provider::{MAX_CONFIG_BYTES, ProviderAddress, ProviderConfig};
use serde_json::Value;

/// Parses bytes, and checks that each provider is called as it is written there.
pub(crate) fn run(data: &[u8]) {
    let Ok(config) = ProviderConfig::parse(data) else { return };
    assert!(data.len() <= MAX_CONFIG_BYTES && config.all().count() <= 64);
    // The parser skips members that nobody asks for, even if they are no text.
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    for (name, address) in config.all() {
        assert_eq!(config.find(name), Some(address));
        assert_eq!(name.to_string().parse().as_ref(), Ok(name));
        let written = &member(&json, "key-providers", 0)[name.to_string()];
        let cmd = member(written, "cmd", 0);
        match address {
            ProviderAddress::Command { path, args } => {
                assert_eq!(member(cmd, "path", 0).as_str(), path.to_str());
                let count = member(cmd, "args", 1).as_array().map_or(0, Vec::len);
                assert_eq!(count, args.len());
            }
            ProviderAddress::Service(at) | ProviderAddress::TlsService(at) => {
                assert_eq!(member(written, "grpc", 1), at);
                let is_clear = matches!(address, ProviderAddress::Service(_));
                assert_eq!(member(written, "grpc-tls", 2).is_null(), is_clear);
            }
        }
    }
}

/// Finds a member of an object, or of a list, which serde takes for the members in their order.
pub(crate) fn member<'v>(value: &'v Value, name: &str, place: usize) -> &'v Value {
    match value {
        Value::Array(members) => members.get(place).unwrap_or(&Value::Null),
        value => &value[name],
    }
}
