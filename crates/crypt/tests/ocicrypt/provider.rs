//! The key-provider protocol: requests by other tools, and answers to hostile ones.
//!
//! The requests in `tests/data/ocicrypt/provider` have the forms of ocicrypt (`go`, and `null`,
//! without parameters) and of ocicrypt-rs (`rust`). The program `age` made the items in requests to
//! unwrap.

use age::x25519;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::provider::{
    MAX_REQUEST_BYTES, Request, RequestError, Subject, UnwrapError, WrapError,
};
use sealcrate_crypt::ocicrypt::{AgeItemError, Identity, IdentityError, OptionsError, Recipient};
use sealcrate_image::Digest;
use serde_json::{Value, json};

use crate::support::{data, identity};

/// A key pair for these tests alone, made by age-keygen.
const IDENTITY: &str = "AGE-SECRET-KEY-1PJ8E68934KYKR9KG86TKGJJ2TD586J7VVKG43HEKVVPQAAQD9U3SCKHMNS";
const RECIPIENT: &str = "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es";

fn recorded(name: &str) -> Value {
    let bytes = std::fs::read(data().join("provider").join(name)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn parse(request: &Value) -> Result<Request, RequestError> {
    Request::parse(request.to_string().as_bytes())
}

fn own() -> Identity {
    Identity::parse(IDENTITY.as_bytes()).unwrap()
}

/// Returns the bytes in an answer, which has them as numbers.
fn numbers(answer: &[u8], outer: &str, inner: &str) -> Vec<u8> {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let numbers = answer[outer][inner].as_array().unwrap();
    numbers.iter().map(|number| u8::try_from(number.as_u64().unwrap()).unwrap()).collect()
}

fn wrapped(request: &Value, own: &[Recipient]) -> Result<Vec<u8>, WrapError> {
    let Request::Wrap(request) = parse(request).unwrap() else { panic!("it asks to unwrap") };
    Ok(numbers(&request.answer(own)?, "keywrapresults", "annotation"))
}

fn unwrapped(request: &Value, own: &[Identity]) -> Result<(Vec<u8>, Subject), UnwrapError> {
    let Request::Unwrap(request) = parse(request).unwrap() else { panic!("it asks to wrap") };
    let unwrapped = request.answer(own)?;
    Ok((numbers(&unwrapped.answer, "keyunwrapresults", "optsdata"), unwrapped.subject))
}

/// Makes a request without parameters to unwrap an item.
fn unwrap_request(item: &[u8]) -> Value {
    let mut request = recorded("unwrap.null.json");
    request["keyunwrapparams"]["annotation"] = STANDARD.encode(item).into();
    request
}

fn item_of(content: &[u8]) -> Vec<u8> {
    let recipient: x25519::Recipient = RECIPIENT.parse().unwrap();
    let wrap = STANDARD.encode(age::encrypt(&recipient, content).unwrap());
    json!({ "v": 1, "wrap": wrap }).to_string().into_bytes()
}

#[test]
fn recorded_requests_to_wrap_are_answered_with_items_of_ours() {
    let options = recorded("wrap.rust.json")["keywrapparams"]["optsdata"].clone();
    for name in ["wrap.go.json", "wrap.rust.json"] {
        let item = wrapped(&recorded(name), &[]).unwrap();
        let (content, subject) = unwrapped(&unwrap_request(&item), &[own()]).unwrap();
        assert_eq!(content, options.as_str().unwrap().as_bytes());
        assert_eq!(subject, Subject::Unknown);
        // Like an item in a pushed image, it has a hint, so that the recipient can be removed
        // again.
        let item: Value = serde_json::from_slice(&item).unwrap();
        assert_eq!(item["v"], 1);
        assert!(item["wrap"].is_string() && item["hint"].is_string(), "{item}");
    }
}

#[test]
fn recorded_requests_to_unwrap_are_answered_with_what_was_wrapped() {
    let (content, subject) = unwrapped(&recorded("unwrap.go.json"), &[]).unwrap();
    let content: Value = serde_json::from_slice(&content).unwrap();
    assert_eq!((&content["symkey"], subject), (&json!(STANDARD.encode([7; 32])), Subject::Unknown));

    let request = recorded("unwrap.null.json");
    assert_eq!(unwrapped(&request, &[]).unwrap_err(), UnwrapError::NoIdentity);
    let others = [identity("ec.pem"), Identity::parse(other().as_bytes()).unwrap()];
    assert_eq!(unwrapped(&request, &others).unwrap_err(), UnwrapError::WrongKey(2));
    let (_, subject) = unwrapped(&request, &[others[1].clone(), own()]).unwrap();
    assert_eq!(subject, Subject::Config(Digest::of(b"config")));
}

fn other() -> String {
    use age::secrecy::ExposeSecret as _;
    x25519::Identity::generate().to_string().expose_secret().to_owned()
}

#[test]
fn parameters_may_be_absent_and_those_of_others_do_not_count() {
    for parameters in [
        json!(null),
        json!({}),
        json!({ "sealcrate": null }),
        json!({ "sealcrate": [] }),
        json!({ "sealcrate": [STANDARD.encode("Enabled")] }),
        json!({ "other": ["?"], "privkeys": [1, [2]] }),
    ] {
        let mut request = recorded("unwrap.null.json");
        request["keyunwrapparams"]["dc"]["Parameters"] = parameters.clone();
        unwrapped(&request, &[own()]).unwrap();
        let mut request = recorded("wrap.go.json");
        request["keywrapparams"]["ec"]["Parameters"] = parameters;
        assert!(matches!(wrapped(&request, &[]), Err(WrapError::NoRecipient)));
        wrapped(&request, &[Recipient::age(RECIPIENT).unwrap()]).unwrap();
    }
    let mut request = recorded("unwrap.null.json");
    request["keyunwrapparams"]["dc"] = Value::Null;
    request.as_object_mut().unwrap().remove("keywrapparams");
    unwrapped(&request, &[own()]).unwrap();
}

#[test]
fn several_recipients_share_an_item_and_parameters_come_before_what_is_configured() {
    let mut request = recorded("wrap.go.json");
    let other: x25519::Identity = other().parse().unwrap();
    let both = STANDARD.encode(format!("{},\n{RECIPIENT} ", other.to_public()));
    request["keywrapparams"]["ec"]["Parameters"]["sealcrate"] = json!([both]);
    let item = wrapped(&request, &[]).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&item).unwrap()["hint"], Value::Null);
    use age::secrecy::ExposeSecret as _;
    let other = Identity::parse(other.to_string().expose_secret().as_bytes()).unwrap();
    for identity in [&own(), &other] {
        unwrapped(&unwrap_request(&item), std::slice::from_ref(identity)).unwrap();
    }
    let configured = Recipient::age(RECIPIENT).unwrap();
    request["keywrapparams"]["ec"]["Parameters"]["sealcrate"] =
        json!([STANDARD.encode("age1asevwmszlt4gs9xp9m7cquqp3r6mmd6xkh503m74act8nz2z5qzsjjudrx")]);
    let item = wrapped(&request, &[configured]).unwrap();
    assert_eq!(unwrapped(&unwrap_request(&item), &[own()]).unwrap_err(), UnwrapError::WrongKey(1));
    let jwe = Recipient::jwe(&crate::support::key_file("ec.pub.pem")).unwrap();
    request["keywrapparams"]["ec"] = Value::Null;
    assert!(matches!(wrapped(&request, &[jwe]), Err(WrapError::Kind)));
}

#[test]
fn nothing_but_private_options_is_wrapped_or_comes_out() {
    let secret = unwrap_request(&item_of(b"the payload of a packed program"));
    let error = unwrapped(&secret, &[own()]).unwrap_err();
    assert_eq!(error, UnwrapError::Options(OptionsError::Malformed("private options")));
    let mut request = recorded("wrap.go.json");
    request["keywrapparams"]["optsdata"] = STANDARD.encode("{}").into();
    assert!(matches!(parse(&request), Err(RequestError::Options(_))));
    let damaged = {
        let item = item_of(b"{}");
        let mut item: Value = serde_json::from_slice(&item).unwrap();
        let mut wrap = STANDARD.decode(item["wrap"].as_str().unwrap()).unwrap();
        *wrap.last_mut().unwrap() ^= 1;
        item["wrap"] = STANDARD.encode(wrap).into();
        item.to_string()
    };
    let error = unwrapped(&unwrap_request(damaged.as_bytes()), &[own()]).unwrap_err();
    assert_eq!(error, UnwrapError::Damaged);
}

#[test]
fn hostile_requests_are_refused() {
    let error = |text: &str| Request::parse(text.as_bytes()).unwrap_err();
    let deep = "[".repeat(200_000);
    for text in
        ["", "{}", "[]", "null", r#"{"op":1}"#, r#"{"op":"keywrap"}x"#, r#"["keywrap"]"#, &deep]
    {
        assert!(matches!(error(text), RequestError::Malformed), "{text:.20}");
    }
    let deep = format!(r#"{{"op":"keywrap","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(matches!(error(&deep), RequestError::Missing("optsdata")));
    let long = " ".repeat(MAX_REQUEST_BYTES + 1);
    assert!(matches!(error(&long), RequestError::TooLong));
    let twice = r#"{"op":"keywrap","op":"keyunwrap"}"#;
    assert!(matches!(error(twice), RequestError::Malformed));
    assert!(matches!(error(r#"{"op":"keywrap"}"#), RequestError::Missing("optsdata")));
    assert!(matches!(error(r#"{"op":"keyunwrap"}"#), RequestError::Missing("annotation")));
    let unknown = error(&format!(r#"{{"op":"{}"}}"#, "x".repeat(1000)));
    assert!(matches!(unknown, RequestError::Operation(name) if name.len() == 64));

    let mut both = recorded("wrap.go.json");
    both["keyunwrapparams"] = recorded("unwrap.go.json")["keyunwrapparams"].clone();
    assert!(matches!(parse(&both), Err(RequestError::Both)));
    both["keywrapparams"]["optsdata"] = Value::Null;
    assert!(matches!(parse(&both), Err(RequestError::Missing("optsdata"))));

    let with = |name: &str, params: &str, list: &str, parameters: Value| {
        let mut request = recorded(name);
        request[params][list]["Parameters"]["sealcrate"] = parameters;
        parse(&request).unwrap_err()
    };
    let identities = |parameters| with("unwrap.go.json", "keyunwrapparams", "dc", parameters);
    let recipients = |parameters| with("wrap.go.json", "keywrapparams", "ec", parameters);
    let no_key = identities(json!([STANDARD.encode("x")]));
    assert!(matches!(no_key, RequestError::Identity(IdentityError::NoKey)));
    let many = identities(json!(vec![STANDARD.encode(IDENTITY); 65]));
    assert!(matches!(many, RequestError::TooManyIdentities));
    assert!(matches!(recipients(json!([STANDARD.encode("x")])), RequestError::Recipient));
    assert!(matches!(recipients(json!([[255]])), RequestError::Recipient));
    assert!(matches!(recipients(json!(["?"])), RequestError::Malformed));
    let many = STANDARD.encode(format!("{RECIPIENT},").repeat(257));
    assert!(matches!(recipients(json!([many])), RequestError::TooManyRecipients));

    let item = |bytes: &[u8]| parse(&unwrap_request(bytes)).unwrap_err();
    assert!(matches!(item(b"x"), RequestError::Item(AgeItemError::Malformed)));
    assert!(matches!(item(&[b' '; 70_000]), RequestError::Item(AgeItemError::TooLong)));
    let many = format!("age-encryption.org/v1\n{}", "-> X25519 a\nb\n".repeat(3000));
    let many = json!({ "v": 1, "wrap": STANDARD.encode(many) }).to_string();
    let many = unwrap_request(many.as_bytes());
    let error = unwrapped(&many, &[own(), own()]).unwrap_err();
    assert_eq!(error, UnwrapError::TooManyAttempts);
}

#[test]
fn secrets_are_not_in_what_is_printed_for_debugging() {
    for name in ["wrap.go.json", "wrap.rust.json", "unwrap.go.json"] {
        let printed = format!("{:?}", parse(&recorded(name)).unwrap());
        assert!(printed.len() < 40, "{printed}");
    }
}
