//! Requests that are sent to a provider. They have every member that ocicrypt writes, in its order.

use std::collections::BTreeMap;

use serde::Serialize;
use zeroize::Zeroizing;

use super::bytes::Base64;
use super::operation::{NO_PARAMETER, Operation};
use crate::ocicrypt::secret_buffer::SecretBuffer;

/// A request, with the members of both operations.
#[derive(Serialize)]
struct Outgoing<'r> {
    op: &'static str,
    keywrapparams: KeyWrap<'r>,
    keyunwrapparams: KeyUnwrap<'r>,
}

#[derive(Default, Serialize)]
struct KeyWrap<'r> {
    ec: Option<EncryptConfig<'r>>,
    optsdata: Option<Base64<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptConfig<'r> {
    parameters: Parameters<'r>,
    decrypt_config: DecryptConfig<'r>,
}

#[derive(Default, Serialize)]
struct KeyUnwrap<'r> {
    dc: Option<DecryptConfig<'r>>,
    annotation: Option<Base64<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptConfig<'r> {
    parameters: Option<Parameters<'r>>,
}

/// The parameter for each provider, by its name.
type Parameters<'r> = BTreeMap<&'r str, [Base64<'r>; 1]>;

/// Returns the request to wrap private options, for the provider with the name `name`.
pub(super) fn wrap_request(
    name: &str,
    parameter: Option<&[u8]>,
    options: &[u8],
) -> Zeroizing<Vec<u8>> {
    let parameters = [(name, [Base64(parameter.unwrap_or(NO_PARAMETER))])].into();
    let decrypt_config = DecryptConfig { parameters: None };
    SecretBuffer::json(&Outgoing {
        op: Operation::Wrap.name(),
        keywrapparams: KeyWrap {
            ec: Some(EncryptConfig { parameters, decrypt_config }),
            optsdata: Some(Base64(options)),
        },
        keyunwrapparams: KeyUnwrap::default(),
    })
}

/// Returns the request to unwrap an item, for the provider with the name `name`.
pub(super) fn unwrap_request(
    name: &str,
    parameter: Option<&[u8]>,
    item: &[u8],
) -> Zeroizing<Vec<u8>> {
    let parameters = parameter.map(|parameter| [(name, [Base64(parameter)])].into());
    SecretBuffer::json(&Outgoing {
        op: Operation::Unwrap.name(),
        keywrapparams: KeyWrap::default(),
        keyunwrapparams: KeyUnwrap {
            dc: Some(DecryptConfig { parameters }),
            annotation: Some(Base64(item)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_bytes_that_ocicrypt_sends() {
        let text = |request: Zeroizing<Vec<u8>>| String::from_utf8(request.to_vec()).unwrap();
        assert_eq!(
            text(wrap_request("test", Some(b"with"), b"{}")),
            r#"{"op":"keywrap","keywrapparams":{"ec":{"Parameters":{"test":["d2l0aA=="]},"DecryptConfig":{"Parameters":null}},"optsdata":"e30="},"keyunwrapparams":{"dc":null,"annotation":null}}"#
        );
        let without = text(wrap_request("test", None, b"{}"));
        assert!(without.contains(r#""Parameters":{"test":["RW5hYmxlZA=="]}"#), "{without}");
        assert_eq!(
            text(unwrap_request("test", Some(b"with"), b"item")),
            r#"{"op":"keyunwrap","keywrapparams":{"ec":null,"optsdata":null},"keyunwrapparams":{"dc":{"Parameters":{"test":["d2l0aA=="]}},"annotation":"aXRlbQ=="}}"#
        );
        assert_eq!(
            text(unwrap_request("test", None, b"item")),
            r#"{"op":"keyunwrap","keywrapparams":{"ec":null,"optsdata":null},"keyunwrapparams":{"dc":{"Parameters":null},"annotation":"aXRlbQ=="}}"#
        );
    }
}
