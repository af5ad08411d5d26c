//! Writes JWEs in the flattened form, each for one recipient, with the algorithms that every reader
//! has. RFC 7516, section 7.2.2.

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rsa::OAEP_SHA1_MGF1SHA1;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{HINT, concat_kdf};
use crate::ocicrypt::keys::{Curve, PublicKey};
use crate::random::random;

/// AES key wrap adds a block of 8 bytes to a key of 32. RFC 3394.
const WRAPPED_KEY: usize = 40;

/// Wraps `content` to a public key, with a hint at the recipient.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn wrap(content: &[u8], key: &PublicKey, hint: &str) -> io::Result<Vec<u8>> {
    let content_key = Zeroizing::new(random::<32>()?);
    let (mut header, encrypted_key) = match key {
        PublicKey::Rsa { key, .. } => {
            let mut encrypted = vec![0; key.ciphertext_size()];
            key.encrypt(&OAEP_SHA1_MGF1SHA1, &*content_key, &mut encrypted, None)
                .map_err(|_| failed())?;
            (json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }), encrypted)
        }
        PublicKey::Ec(curve, point) => to_point(*curve, point, &content_key)?,
    };
    header[HINT] = hint.into();
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let iv = random()?;
    let mut sealed = content.to_vec();
    let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*content_key).map_err(|_| failed())?)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(protected.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| failed())?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let members = json!({
        "protected": protected,
        "encrypted_key": encode(&encrypted_key),
        "iv": encode(&iv),
        "ciphertext": encode(&sealed),
        "tag": encode(tag.as_ref()),
    });
    Ok(members.to_string().into_bytes())
}

/// Wraps the content's key by ECDH-ES+A256KW, with a fresh ephemeral key. RFC 7518, section 4.6.
fn to_point(curve: Curve, point: &[u8], content_key: &[u8; 32]) -> io::Result<(Value, Vec<u8>)> {
    const NAME: &str = "ECDH-ES+A256KW";
    let ephemeral = PrivateKey::generate(curve.agreement()).map_err(|_| failed())?;
    let public = ephemeral.compute_public_key().map_err(|_| failed())?;
    // The first byte says that the coordinates are not compressed.
    let (x, y) = public.as_ref()[1..].split_at(curve.coordinate_len());
    let peer = UnparsedPublicKey::new(curve.agreement(), point);
    let kek = agreement::agree(&ephemeral, peer, failed(), |secret| {
        Ok(concat_kdf(secret, NAME, &[Vec::new(), Vec::new()], 32))
    })?;
    let mut wrapped = vec![0; WRAPPED_KEY];
    let kek = AesKek::new(&AES_256, &kek).map_err(|_| failed())?;
    kek.wrap(content_key, &mut wrapped).map_err(|_| failed())?;
    let header = json!({
        "alg": NAME,
        "enc": "A256GCM",
        "epk": {
            "kty": "EC",
            "crv": curve.name(),
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        },
    });
    Ok((header, wrapped))
}

fn failed() -> io::Error {
    io::Error::other("the key cannot be wrapped")
}
