//! Challenge and response against lines of another implementation, and against damaged lines. That
//! implementation is Python with OpenSSL's primitives, after `docs/formats/packed.md` alone.
//!
//! Every key in its lines repeats one byte 32 times: 1 for the recipient, 2 for the file's ephemeral key,
//! 3 for the start, 4 for the answering side. The file key is the bytes 0 to 15.

#![allow(clippy::unwrap_used)]

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sealcrate_agefile::{Header, HeaderError, X25519Key};
use sealcrate_packfile::challenge::{self, Challenge, ChallengeError, Fingerprint};
use sealcrate_packfile::response::{self, Response, ResponseError};

const CHALLENGE: &str = "sealcrate-challenge-1.Xf7dO2vUf2-ijuFdlp1bsOpTd01Ii9r53xxuASSz7yJhZ2UtZW5jcnlwdGlvbi5vcmcvdjEKLT4gWDI1NTE5IHpvMDYwY3kyTSt4N2NNRjRGS1hIYnMwQ2xvVUZEVFJIUmJvRmh3NVlmVmsKYytDdGdEdkFPMDVHeUdxUGlsZUt2dUo4cDdXRDN2L3dSRGRNK3FhN0d4UQotLS0gTVdKR2ZKSW53RjhCUWhWUldITktpQ0JUeHhVVlVWMVVGSUpwTGEzYzdxOAo";
const FINGERPRINT: &str = "f3ac-efe7-d128-59b5-7beb";
const RESPONSE: &str = "sealcrate-response-1.rAGyIJ6GNU-4UyN7XeD0-rE8f8v0M6YcAZNpYX_s8QsRhDqnT3958PCfCsYXUQqydwCQ98LekPy2uhzL1hdLWw";

fn parse(line: &str) -> Result<Vec<u8>, ChallengeError> {
    let mut buffer = vec![0; challenge::buffer_len(line)];
    Challenge::parse(line, &mut buffer).map(|challenge| challenge.header().bytes().to_vec())
}

/// Writes a challenge of any bytes.
fn line<const N: usize>(key: [u8; N], header: &[u8]) -> String {
    let bytes = [&key[..], header].concat();
    format!("{}{}", challenge::PREFIX, Base64UrlUnpadded::encode_string(&bytes))
}

#[test]
fn challenge_is_the_recorded_one() {
    let header = parse(CHALLENGE).unwrap();
    let header = Header::parse(&header).unwrap();
    let mut line = vec![0; challenge::line_len(header.bytes().len())];
    let written = challenge::write(&X25519Key::new([3; 32]).public(), &header, &mut line);
    assert_eq!(written, CHALLENGE);
    assert_eq!(Fingerprint::of(CHALLENGE).to_string(), FINGERPRINT);
}

#[test]
fn response_is_the_recorded_one() {
    let secret = X25519Key::new([3; 32]);
    let file_key = Response::parse(RESPONSE).unwrap().open(CHALLENGE, &secret).unwrap();
    let mut buffer = vec![0; challenge::buffer_len(CHALLENGE)];
    let challenge = Challenge::parse(CHALLENGE, &mut buffer).unwrap();
    challenge.header().check(&file_key).unwrap();
    let sealed = Response::seal(&challenge, &file_key, X25519Key::new([4; 32])).unwrap();
    assert_eq!(sealed.to_string(), RESPONSE);
}

#[test]
fn lines_that_are_no_challenge_are_told() {
    assert_eq!(parse(""), Err(ChallengeError::Prefix));
    assert_eq!(parse(RESPONSE), Err(ChallengeError::Prefix));
    assert_eq!(parse(challenge::PREFIX), Err(ChallengeError::Damaged));
    assert_eq!(parse(&format!("{CHALLENGE}=")), Err(ChallengeError::Damaged));
    assert_eq!(parse(&format!("{CHALLENGE}\n")), Err(ChallengeError::Damaged));
    let header = parse(CHALLENGE).unwrap();
    let (start, end) = header.split_at(header.len() - 1);
    assert_eq!(parse(&line([1; 31], b"")), Err(ChallengeError::Damaged));
    assert_eq!(parse(&line([1; 32], b"")), Err(HeaderError::Version.into()));
    assert_eq!(parse(&line([1; 32], start)), Err(HeaderError::Unfinished.into()));
    assert_eq!(end, b"\n");
    // A byte follows the header.
    let more = [&header[..], b"\n"].concat();
    assert_eq!(parse(&line([1; 32], &more)), Err(ChallengeError::Damaged));
}

#[test]
fn lines_that_are_no_response_are_told() {
    let parsed = |line: &str| Response::parse(line).unwrap_err();
    assert_eq!(parsed(CHALLENGE), ResponseError::Prefix);
    assert_eq!(parsed("sealcrate-response-2.AAAA"), ResponseError::Prefix);
    assert_eq!(parsed(&RESPONSE[..RESPONSE.len() - 1]), ResponseError::Damaged);
    assert_eq!(parsed(&format!("{RESPONSE}A")), ResponseError::Damaged);
    assert_eq!(parsed(&RESPONSE.replace('.', ". ")), ResponseError::Damaged);
}

#[test]
fn keys_of_low_order_are_refused_on_both_sides() {
    let line = line([0; 32], &parse(CHALLENGE).unwrap());
    let mut buffer = vec![0; challenge::buffer_len(&line)];
    let Ok(challenge) = Challenge::parse(&line, &mut buffer) else { panic!("a challenge") };
    let secret = X25519Key::new([3; 32]);
    let file_key = Response::parse(RESPONSE).unwrap().open(CHALLENGE, &secret).unwrap();
    let refused = Response::seal(&challenge, &file_key, X25519Key::new([4; 32]));
    assert_eq!(refused, Err(ResponseError::Share));

    let (prefix, encoded) = RESPONSE.split_at(response::PREFIX.len());
    let mut bytes = Base64UrlUnpadded::decode_vec(encoded).unwrap();
    bytes[..32].fill(0);
    let zero = format!("{prefix}{}", Base64UrlUnpadded::encode_string(&bytes));
    let opened = Response::parse(&zero).unwrap().open(CHALLENGE, &secret);
    assert_eq!(opened.unwrap_err(), ResponseError::Share);
}
