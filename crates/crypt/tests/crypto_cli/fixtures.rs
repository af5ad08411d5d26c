//! Images by crypto-cli open, with both shapes of key data, and have the expected content.

use crate::support::{Folder, passphrase, read};
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::crypto_cli::{
    DecryptError, KeyDataShape, KeyDerivation, WrappedKeys, decrypt,
};
use sealcrate_crypt::sealed::{Binding, Unbound};
use sealcrate_image::Manifest;
use serde_json::Value;

fn opens_as_expected(name: &str) {
    let expected = Folder::fixture(name).json("expected.json");
    let image = Folder::fixture(name).image();
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let wrapped_keys = WrappedKeys::of(&manifest).unwrap();
    let encrypted: Vec<Value> = (0..wrapped_keys.layers.len())
        .filter(|&i| wrapped_keys.layers[i].is_some())
        .map(Value::from)
        .collect();
    assert_eq!(Value::from(encrypted), expected["encrypted_layers"]);
    let shape = if expected["compat"] == true { KeyDataShape::Url } else { KeyDataShape::Member };
    assert_eq!(wrapped_keys.shape, Some(shape));

    let text = expected["passphrase"].as_str().unwrap();
    let mut kdf = KeyDerivation::new(passphrase(text));
    let decrypted = decrypt(&image, &mut kdf, Unencrypted::Refuse, Unbound::Accept).unwrap();
    assert_eq!(decrypted.binding, Binding::None);
    let diff_ids: Vec<Value> = decrypted
        .image
        .layers
        .iter()
        .map(|layer| layer.diff_id().unwrap().to_string().into())
        .collect();
    assert_eq!(Value::from(diff_ids), expected["diff_ids"]);
    for layer in &decrypted.image.layers {
        assert_eq!(read(layer).unwrap().len() as u64, layer.size());
    }
    let config: Value = serde_json::from_slice(&decrypted.image.config).unwrap();
    assert_eq!(config["config"]["Env"], expected["env"]);
    assert_eq!(config["config"]["Cmd"], expected["cmd"]);
    assert_eq!(config["config"]["Entrypoint"], expected["entrypoint"]);
    assert_eq!(config["config"]["Labels"], expected["labels"]);
    assert_eq!(config["architecture"], expected["architecture"]);
    assert_eq!(config["os"], expected["os"]);
}

#[test]
fn new_shape_opens() {
    opens_as_expected("middle");
    opens_as_expected("tail");
}

#[test]
fn compat_shape_opens() {
    opens_as_expected("middle-compat");
}

#[test]
fn wrong_passphrase_is_told_before_any_layer_is_read() {
    for name in ["middle", "middle-compat", "tail"] {
        let mut kdf = KeyDerivation::new(passphrase("wrong"));
        let error =
            decrypt(&Folder::fixture(name).image(), &mut kdf, Unencrypted::Refuse, Unbound::Accept)
                .err()
                .unwrap();
        assert!(matches!(error, DecryptError::WrongPassphrase), "{error}");
        assert_eq!(kdf.runs(), 1);
    }
}

#[test]
fn history_chooses_the_layers_that_crypto_cli_chose() {
    for name in ["middle", "middle-compat", "tail"] {
        let expected = Folder::fixture(name).json("expected.json");
        let text = expected["passphrase"].as_str().unwrap();
        let mut kdf = KeyDerivation::new(passphrase(text));
        let decrypted =
            decrypt(&Folder::fixture(name).image(), &mut kdf, Unencrypted::Refuse, Unbound::Accept)
                .unwrap();
        let config = sealcrate_image::Config::parse(&decrypted.image.config).unwrap();
        let chosen = sealcrate_crypt::select::Selection::Label.of(&config).unwrap();
        let chosen: Vec<Value> = chosen.into_iter().map(Value::from).collect();
        assert_eq!(Value::from(chosen), expected["encrypted_layers"], "{name}");
    }
}
