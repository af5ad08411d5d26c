//! Requests to key providers.

use sealcrate_crypt::ocicrypt::provider::{MAX_REQUEST_BYTES, Request, UnwrapError, WrapError};
use sealcrate_crypt::ocicrypt::{Identity, Recipient};

/// An identity that age-keygen made for this target alone.
const IDENTITY: &str = "AGE-SECRET-KEY-1PJ8E68934KYKR9KG86TKGJJ2TD586J7VVKG43HEKVVPQAAQD9U3SCKHMNS";
const RECIPIENT: &str = "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es";

/// Parses bytes as a request, and checks that only the recipient's identity unwraps a wrapped key.
pub(crate) fn run(data: &[u8]) {
    let own = Identity::parse(IDENTITY.as_bytes()).expect("it is an identity");
    match Request::parse(data) {
        Err(_) => {}
        Ok(Request::Unwrap(request)) => {
            assert!(data.len() <= MAX_REQUEST_BYTES);
            if let Ok(unwrapped) = request.answer(&[own]) {
                assert!(unwrapped.answer.starts_with(br#"{"keyunwrapresults":{"optsdata":["#));
            }
        }
        Ok(Request::Wrap(request)) => {
            if !request.names_recipients() {
                assert!(matches!(request.answer(&[]), Err(WrapError::NoRecipient)));
            }
            let recipient = Recipient::age(RECIPIENT).expect("it is a recipient");
            let Ok(answer) = request.answer(&[recipient]) else { return };
            let answer: serde_json::Value =
                serde_json::from_slice(&answer).expect("an answer is JSON");
            let annotation = &answer["keywrapresults"]["annotation"];
            let back = serde_json::json!({
                "op": "keyunwrap", "keyunwrapparams": { "annotation": annotation },
            });
            let back = || match Request::parse(back.to_string().as_bytes()) {
                Ok(Request::Unwrap(back)) => back,
                other => panic!("what was wrapped is {other:?}"),
            };
            assert!(matches!(back().answer(&[]), Err(UnwrapError::NoIdentity)));
            if !request.names_recipients() {
                assert!(back().answer(&[own]).is_ok());
            }
        }
    }
}
