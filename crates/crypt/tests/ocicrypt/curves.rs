//! Every curve and key wrap, in the compact form. The tests have their own writer and key
//! derivation.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{
    self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey,
};
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealcrate_crypt::ocicrypt::{DecryptError, Identity};
use sealcrate_crypt::sealed::{Binding, Unbound};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Parts, opened};

/// Wraps `content` to `to`, as RFC 7518, section 4.6 says.
fn wrapped(content: &[u8], curve: &'static Algorithm, to: &[u8], bits: u32) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let ephemeral = PrivateKey::generate(curve).unwrap();
    let point = ephemeral.compute_public_key().unwrap().as_ref()[1..].to_vec();
    let (x, y) = point.split_at(point.len() / 2);
    let name = format!("ECDH-ES+A{bits}KW");
    let crv = match x.len() {
        32 => "P-256",
        48 => "P-384",
        _ => "P-521",
    };
    let header = json!({"alg": name, "enc": "A256GCM", "apu": encode(b"from"),
        "epk": {"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)}});
    let protected = encode(header.to_string().as_bytes());
    let mut info = Vec::new();
    for part in [name.as_bytes(), b"from", b""] {
        info.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        info.extend(part);
    }
    info.extend(bits.to_be_bytes());
    let peer = UnparsedPublicKey::new(curve, to);
    let kek = agreement::agree(&ephemeral, peer, (), |secret| {
        Ok(Sha256::new().chain_update([0, 0, 0, 1]).chain_update(secret).chain_update(&info))
    });
    let kek = kek.unwrap().finalize();
    let cipher = if bits == 128 { &AES_128 } else { &AES_256 };
    let mut key = [0; 40];
    let kek = AesKek::new(cipher, &kek[..bits as usize / 8]).unwrap();
    kek.wrap(&[3; 32], &mut key).unwrap();
    let mut sealed = content.to_vec();
    let nonce = Nonce::assume_unique_for_key([4; 12]);
    let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[3; 32]).unwrap())
        .seal_in_place_separate_tag(nonce, Aad::from(&protected), &mut sealed)
        .unwrap();
    let parts = [&key[..], &[4; 12], &sealed, tag.as_ref()].map(encode);
    format!("{protected}.{}", parts.join("."))
}

#[test]
fn every_curve_and_key_wrap_is_opened_by_its_key_alone() {
    let curves = [&ECDH_P256, &ECDH_P384, &ECDH_P521];
    let keys = curves.map(|curve| PrivateKey::generate(curve).unwrap());
    let identity = |key: &PrivateKey| {
        let der: EcPrivateKeyRfc5915Der<'_> = key.as_der().unwrap();
        Identity::parse(der.as_ref()).unwrap()
    };
    for (i, key) in keys.iter().enumerate() {
        let public = key.compute_public_key().unwrap();
        for bits in [128, 256] {
            let wrap = |content: &[u8]| wrapped(content, curves[i], public.as_ref(), bits);
            let image = Parts::wrapped("run", &wrap).image();
            let open = |key| opened(&image, &[identity(key)], Unbound::Refuse);
            assert_eq!(open(key).unwrap().binding, Binding::Version1);
            let others = [&keys[(i + 1) % 3], &PrivateKey::generate(curves[i]).unwrap()];
            for other in others {
                assert!(matches!(open(other).err(), Some(DecryptError::WrongKey)));
            }
        }
    }
}
