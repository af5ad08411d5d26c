//! Key providers that sealcrate calls: the requests to them, and the use of their answers.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::provider::{Call, CallError, MAX_ANSWER_BYTES, Operation, Provider};
use sealcrate_crypt::ocicrypt::{
    Change, DecryptError, Identity, OptionsError, Recipient, RewrapError,
};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::{Image, Manifest};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::support::{JWE, Parts, identity, opened, rewrap};

type Answer = dyn Fn(Operation, &Value) -> Result<Vec<u8>, CallError> + Send + Sync;

/// A provider inside the test, and the requests that it received.
struct Scripted {
    requests: Mutex<Vec<Value>>,
    answer: Box<Answer>,
}

impl Call for Scripted {
    fn call(&self, of: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let request: Value = serde_json::from_slice(request).unwrap();
        self.requests.lock().unwrap().push(request.clone());
        (self.answer)(of, &request).map(Zeroizing::new)
    }
}

fn scripted(
    answer: impl Fn(Operation, &Value) -> Result<Vec<u8>, CallError> + Send + Sync + 'static,
) -> Arc<Scripted> {
    Arc::new(Scripted { requests: Mutex::default(), answer: Box::new(answer) })
}

fn provider(name: &str, parameter: Option<&str>, way: &Arc<Scripted>) -> Provider {
    let parameter = parameter.map(|text| Zeroizing::new(text.as_bytes().to_vec()));
    Provider::new(name.parse().unwrap(), parameter, way.clone())
}

/// A provider that "wraps" by turning every bit. It answers in base64 or in numbers, since real
/// providers do both.
fn turning() -> Arc<Scripted> {
    scripted(|operation, request| {
        let turned = |text: &Value| -> Vec<u8> {
            let bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
            bytes.into_iter().map(|byte| !byte).collect()
        };
        Ok(match operation {
            Operation::Wrap => {
                let annotation = STANDARD.encode(turned(&request["keywrapparams"]["optsdata"]));
                json!({ "keywrapresults": { "annotation": annotation } })
            }
            Operation::Unwrap => {
                let options = turned(&request["keyunwrapparams"]["annotation"]);
                json!({
                    "keywrapresults": { "annotation": null },
                    "keyunwrapresults": { "optsdata": options },
                })
            }
        }
        .to_string()
        .into_bytes())
    })
}

fn rewrapped(
    name: &str,
    parameter: Option<&str>,
    way: &Arc<Scripted>,
) -> Result<Image, RewrapError> {
    let add = [Recipient::provider(provider(name, parameter, way))];
    let change = Change { add: &add, remove: &[] };
    rewrap(&Parts::bound("run").image(), &[identity("rsa.pem")], Unbound::Refuse, change)
}

/// Decrypts with a provider of the name `test` alone.
fn decrypted(image: &Image, way: &Arc<Scripted>) -> Result<(), DecryptError> {
    let identities = [Identity::provider(provider("test", None, way))];
    opened(image, &identities, Unbound::Refuse).map(|_| ())
}

#[test]
fn what_a_provider_wrapped_is_opened_by_one_of_its_name() {
    let way = turning();
    let image = rewrapped("test", Some("with this"), &way).unwrap();
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let annotation = "org.opencontainers.image.enc.keys.provider.test";
    assert!(manifest.layers[1].annotations.contains_key(annotation));
    decrypted(&image, &way).unwrap();
    let other = [Identity::provider(provider("other", None, &way))];
    let error = opened(&image, &other, Unbound::Refuse).err().unwrap();
    assert!(matches!(error, DecryptError::WrongKey), "{error}");
    let jwe = [identity("rsa.pem")];
    opened(&image, &jwe, Unbound::Refuse).unwrap();
}

#[test]
fn requests_have_the_form_that_other_callers_give_them() {
    let way = turning();
    let image = rewrapped("test", Some("with this"), &way).unwrap();
    let identities = [
        Identity::provider(provider("test", Some("p"), &way)),
        Identity::provider(provider("test", None, &way)),
    ];
    opened(&image, &identities[..1], Unbound::Refuse).unwrap();
    opened(&image, &identities[1..], Unbound::Refuse).unwrap();
    rewrapped("test", None, &way).unwrap();
    let mut requests = way.requests.lock().unwrap().clone();
    for request in &mut requests {
        for (params, bytes) in [("keywrapparams", "optsdata"), ("keyunwrapparams", "annotation")] {
            if request[params][bytes].is_string() {
                request[params][bytes] = "BYTES".into();
            }
        }
    }
    let wrap = |parameter: &str| {
        json!({
            "op": "keywrap",
            "keywrapparams": {
                "ec": {
                    "Parameters": { "test": [STANDARD.encode(parameter)] },
                    "DecryptConfig": { "Parameters": null },
                },
                "optsdata": "BYTES",
            },
            "keyunwrapparams": { "dc": null, "annotation": null },
        })
    };
    let unwrap = |parameters: Value| {
        json!({
            "op": "keyunwrap",
            "keywrapparams": { "ec": null, "optsdata": null },
            "keyunwrapparams": { "dc": { "Parameters": parameters }, "annotation": "BYTES" },
        })
    };
    let with = json!({ "test": [STANDARD.encode("p")] });
    let expected = [wrap("with this"), unwrap(with), unwrap(Value::Null), wrap("Enabled")];
    // Every request comes twice, since the image has two encrypted layers.
    let expected: Vec<Value> =
        expected.into_iter().flat_map(|request| [request.clone(), request]).collect();
    assert_eq!(requests, expected);
}

#[test]
fn refusals_are_told_unless_another_identity_opens_the_image() {
    let image = rewrapped("test", None, &turning()).unwrap();
    let no = scripted(|_, _| Err(CallError::Refused("not today".to_owned())));
    let error = decrypted(&image, &no).unwrap_err();
    let DecryptError::Provider { source, .. } = error else { panic!("{error}") };
    assert!(source.is_refusal());
    assert_eq!(source.to_string(), "the key provider test fails");
    let why = std::error::Error::source(&source).unwrap();
    assert_eq!(why.to_string(), "not today");
    let both = [Identity::provider(provider("test", None, &no)), identity("rsa.pem")];
    opened(&image, &both, Unbound::Refuse).unwrap();
    let Some(RewrapError::Io(error)) = rewrapped("test", None, &no).err() else { panic!() };
    assert_eq!(error.to_string(), "the key provider test fails");
}

#[test]
fn hostile_answers_open_nothing() {
    let image = rewrapped("test", None, &turning()).unwrap();
    let answers = |answer: Vec<u8>| scripted(move |_, _| Ok(answer.clone()));
    let long =
        format!(r#"{{"keyunwrapresults":{{"optsdata":"{}"}}}}"#, "A".repeat(MAX_ANSWER_BYTES));
    for (answer, says) in [
        (&b""[..], "its answer cannot be read"),
        (b"{}", "its answer cannot be read"),
        (br#"{"keyunwrapresults":null}"#, "its answer cannot be read"),
        (br#"{"keyunwrapresults":{"optsdata":""}}"#, "its answer cannot be read"),
        (br#"{"keyunwrapresults":{"optsdata":[300]}}"#, "its answer cannot be read"),
        (br#"{"keywrapresults":{"annotation":"YQ=="}}"#, "its answer cannot be read"),
        (long.as_bytes(), "its answer is longer than 1 MiB"),
    ] {
        let error = decrypted(&image, &answers(answer.to_vec())).unwrap_err();
        let DecryptError::Provider { source, .. } = error else { panic!("{error}") };
        let why = std::error::Error::source(&source).unwrap();
        assert_eq!((why.to_string().as_str(), source.is_refusal()), (says, false));
    }
    let garbage = answers(br#"{"keyunwrapresults":{"optsdata":"YQ=="}}"#.to_vec());
    let error = decrypted(&image, &garbage).unwrap_err();
    assert!(matches!(error, DecryptError::Options { source: OptionsError::Malformed(_), .. }));
    let empty = answers(br#"{"keywrapresults":{"annotation":[]}}"#.to_vec());
    assert!(rewrapped("test", None, &empty).is_err());

    // The binding catches a provider that gives the key of one layer for all layers.
    let first = Mutex::new(None);
    let turning = turning();
    let same = scripted(move |operation, request| {
        let answer = turning.call(operation, request.to_string().as_bytes())?.to_vec();
        Ok(first.lock().unwrap().get_or_insert(answer).clone())
    });
    let error = decrypted(&image, &same).unwrap_err();
    assert!(matches!(error, DecryptError::Tampered(_)), "{error}");
}

#[test]
fn an_image_does_not_make_providers_be_asked_without_end() {
    let mut parts = Parts::bound("run");
    let item = vec![STANDARD.encode("x"); 256].join(",");
    for (descriptor, _) in &mut parts.layers[1..] {
        descriptor.annotations.remove(JWE);
        let annotation = "org.opencontainers.image.enc.keys.provider.test".to_owned();
        descriptor.annotations.insert(annotation, item.clone());
    }
    let no = scripted(|_, _| Err(CallError::Refused("no".to_owned())));
    let error = decrypted(&parts.image(), &no).unwrap_err();
    assert!(matches!(error, DecryptError::Provider { .. }), "{error}");
    assert_eq!(no.requests.lock().unwrap().len(), 256);
    let twice = [(); 2].map(|()| Identity::provider(provider("test", None, &no)));
    let error = opened(&parts.image(), &twice, Unbound::Refuse).err();
    assert!(matches!(error, Some(DecryptError::TooManyAttempts)));
}
