//! Answers of the key providers that sealcrate calls.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::provider::{Call, CallError, MAX_ANSWER_BYTES, Operation, Provider};
use sealcrate_crypt::ocicrypt::{Change, Identity, LayerKey, Recipient, Rewrapping};
use sealcrate_crypt::sealed::{Sealing, Unbound};
use sealcrate_image::{Descriptor, DiffId, Digest, Family, Image, Layer, Manifest, MediaType};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::crypt::ocicrypt::provider_config::member;

const PUBLIC_OPTIONS: &str = "org.opencontainers.image.enc.pubopts";
const OPENS: &str = "org.opencontainers.image.enc.keys.provider.opens";
const SAYS: &str = "org.opencontainers.image.enc.keys.provider.says";

/// An image of one layer, whose key the provider `opens` gives out.
static IMAGE: LazyLock<Image> = LazyLock::new(image);

/// A provider that answers the same to everything.
struct Says(Vec<u8>);

impl Call for Says {
    fn call(&self, _: Operation, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
        Ok(Zeroizing::new(self.0.clone()))
    }
}

fn provider(name: &str, answer: &[u8]) -> Provider {
    Provider::new(name.parse().expect("it is a name"), None, Arc::new(Says(answer.to_vec())))
}

/// Takes bytes as the answer to a request to wrap, and to a request to unwrap. Checks that each
/// result stands in the answer.
pub(crate) fn run(data: &[u8]) {
    let opens = [Identity::provider(provider("opens", opening().to_string().as_bytes()))];
    let add = [Recipient::provider(provider("says", data))];
    let change = Change { add: &add, remove: &[] };
    let rewrapping = Rewrapping::open(&IMAGE, &opens, Unbound::Accept);
    let rewrapped = rewrapping.and_then(|open| open.finish(&change, &Sealing::default()));
    if let Ok(rewrapped) = rewrapped {
        let image = rewrapped.image;
        let descriptor = image.layers[0].descriptor().expect("it is stored");
        let wrapped = STANDARD.decode(&descriptor.annotations[SAYS]).expect("it is base64");
        assert!(!wrapped.is_empty());
        assert!(written(data, ("keywrapresults", 0), "annotation").is_none_or(|it| it == wrapped));
    }
    let descriptor = IMAGE.layers[0].descriptor().expect("it is stored");
    if LayerKey::unwrap(descriptor, &[Identity::provider(provider("opens", data))]).is_ok() {
        let Some(options) = written(data, ("keyunwrapresults", 1), "optsdata") else { return };
        let Ok(options) = serde_json::from_slice::<Value>(&options) else { return };
        let key = STANDARD.decode(member(&options, "symkey", 0).as_str().expect("it is a text"));
        assert_eq!(key.expect("it is base64").len(), 32);
    }
}

/// Returns the bytes in an answer, by another reading, which is stricter with members that nobody
/// asks for.
fn written(data: &[u8], (outer, place): (&str, usize), inner: &str) -> Option<Vec<u8>> {
    assert!(data.len() <= MAX_ANSWER_BYTES);
    let answer: Value = serde_json::from_slice(data).ok()?;
    Some(match member(member(&answer, outer, place), inner, 0) {
        Value::String(text) => STANDARD.decode(text).expect("it is base64"),
        Value::Array(numbers) => {
            let numbers = numbers.iter().map(|number| number.as_u64().expect("it is a number"));
            numbers.map(|number| u8::try_from(number).expect("it is a byte")).collect()
        }
        other => panic!("{other} is taken for bytes"),
    })
}

/// An answer with the private options of the layer.
fn opening() -> Value {
    let options = json!({
        "symkey": STANDARD.encode([7; 32]),
        "digest": Digest::of(b"layer"),
        "cipheroptions": { "nonce": STANDARD.encode([8; 16]) },
    });
    json!({ "keyunwrapresults": { "optsdata": STANDARD.encode(options.to_string()) } })
}

fn image() -> Image {
    let diff_id = Digest::of(b"layer");
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    })
    .to_string()
    .into_bytes();
    let public = json!({
        "cipher": "AES_256_CTR_HMAC_SHA256", "hmac": STANDARD.encode([9; 32]), "cipheroptions": {},
    });
    let blob = b"ciphertext".to_vec();
    let encrypted = format!("{}+encrypted", MediaType::OCI_LAYER);
    let mut layer = Descriptor::of(encrypted.into(), &blob);
    layer.annotations.insert(PUBLIC_OPTIONS.to_owned(), STANDARD.encode(public.to_string()));
    layer.annotations.insert(OPENS.to_owned(), STANDARD.encode("item"));
    let described = Descriptor::of(MediaType::OCI_CONFIG, &config);
    let manifest = Manifest::new(Family::Oci, described, vec![layer.clone()]).to_raw();
    let layer = Layer::stored(layer, Some(DiffId(diff_id)), Arc::new(blob));
    Image { manifest: Some(manifest), ..Image::new(config, vec![layer]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_others_give_are_looked_at_further_than_their_form() {
        run(opening().to_string().as_bytes());
        let unwrap = |answer: &Value| {
            let identity = Identity::provider(provider("opens", answer.to_string().as_bytes()));
            let descriptor = IMAGE.layers[0].descriptor().expect("it is stored");
            LayerKey::unwrap(descriptor, &[identity]).is_ok()
        };
        assert!(unwrap(&opening()));
        assert!(!unwrap(&json!({ "keyunwrapresults": { "optsdata": STANDARD.encode("{}") } })));
    }
}
