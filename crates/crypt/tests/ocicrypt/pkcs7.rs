//! Keys wrapped as PKCS#7: messages by skopeo, every algorithm that is read, and refused messages.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::{
    CertificateError, DecryptError, Identity, IdentityError, LayerKey, Pkcs7Error, PublicKeyError,
    Recipient,
};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::Descriptor;

use crate::support::{Parts, data, fixture, identity, of_scheme, opened, read_all};

const PKCS7: &str = "org.opencontainers.image.enc.keys.pkcs7";
const JWE: &str = crate::support::JWE;

const NULL: &[u8] = &[5, 0];
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const OAEP: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7];
const MGF1: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENVELOPED: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = content.len() as u16;
    let [high, low] = len.to_be_bytes();
    let head = match len {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

fn message(transport: &[u8], key: &[u8], aes: u8, tag_len: u8, sealed: &[u8]) -> Vec<u8> {
    message_to(&recipient(transport, key), aes, tag_len, sealed)
}

fn recipient(transport: &[u8], key: &[u8]) -> Vec<u8> {
    let certificate = element(0x30, &[&[0x30, 0, 2, 1, 1]]);
    element(0x30, &[&[2, 1, 0], &certificate, transport, &element(4, &[key])])
}

fn message_to(recipients: &[u8], aes: u8, tag_len: u8, sealed: &[u8]) -> Vec<u8> {
    let parameters = element(0x30, &[&element(4, &[&[1; 12]]), &[2, 1, tag_len]]);
    let cipher = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, aes];
    let cipher = element(0x30, &[&cipher, &parameters]);
    let content = element(0x30, &[DATA, &cipher, &element(0x80, &[sealed])]);
    let data = element(0x30, &[&[2, 1, 0], &element(0x31, &[recipients]), &content]);
    element(0x30, &[ENVELOPED, &element(0xa0, &[&data])])
}

fn seal(algorithm: &'static Algorithm, key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut sealed = content.to_vec();
    LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([1; 12]), Aad::empty(), &mut sealed)
        .unwrap();
    sealed
}

fn public() -> PublicEncryptingKey {
    let pem = std::fs::read_to_string(data().join("keys/rsa.pub.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    PublicEncryptingKey::from_der(&STANDARD.decode(body).unwrap()).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Oaep1,
    Oaep256,
    Pkcs1,
}

impl Transport {
    fn wrap(self, key: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut wrapped = vec![0; 256];
        let oaep = || OaepPublicEncryptingKey::new(public()).unwrap();
        let identifier = match self {
            Self::Pkcs1 => {
                let public = Pkcs1PublicEncryptingKey::new(public()).unwrap();
                public.encrypt(key, &mut wrapped).unwrap();
                element(0x30, &[RSA, NULL])
            }
            Self::Oaep1 => {
                oaep().encrypt(&OAEP_SHA1_MGF1SHA1, key, &mut wrapped, None).unwrap();
                element(0x30, &[OAEP, &element(0x30, &[])])
            }
            Self::Oaep256 => {
                oaep().encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).unwrap();
                let hash = element(0x30, &[SHA256, NULL]);
                let mask = element(0x30, &[MGF1, &hash]);
                let parts = [&element(0xa0, &[&hash])[..], &element(0xa1, &[&mask])];
                element(0x30, &[OAEP, &element(0x30, &parts)])
            }
        };
        (identifier, wrapped)
    }
}

/// A layer whose private options `wrap` has wrapped.
fn layer(wrap: &dyn Fn(&[u8]) -> Vec<u8>) -> Descriptor {
    let content = |content: &[u8]| STANDARD.encode(wrap(content));
    let mut descriptor = Parts::wrapped("sh", &content).layers[1].0.clone();
    let text = descriptor.annotations.remove(JWE).unwrap();
    let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
    descriptor.annotations.insert(PKCS7.to_owned(), text);
    descriptor
}

fn unwrapped(descriptor: &Descriptor) -> Result<LayerKey, DecryptError> {
    LayerKey::unwrap(descriptor, &[identity("ec.pem"), identity("rsa.pem")])
}

#[test]
fn what_skopeo_wrote_to_a_certificate_is_opened_by_its_key() {
    let image = fixture("pkcs7-all");
    let open = |key| opened(&image, &[identity(key)], Unbound::Accept);
    for layer in &open("x509.key.pem").unwrap().image.layers {
        assert_eq!(read_all(layer).unwrap().len() as u64, layer.size());
    }
    for other in ["rsa.pem", "ec.pem"] {
        assert!(matches!(open(other).err().unwrap(), DecryptError::WrongKey));
    }
}

#[test]
fn every_cipher_and_key_transport_is_opened() {
    for (aes, algorithm) in [(6, &AES_128_GCM), (26, &AES_192_GCM), (46, &AES_256_GCM)] {
        for transport in [Transport::Oaep1, Transport::Oaep256, Transport::Pkcs1] {
            let key = vec![aes; algorithm.key_len()];
            let descriptor = layer(&|content| {
                let (identifier, wrapped) = transport.wrap(&key);
                message(&identifier, &wrapped, aes, 16, &seal(algorithm, &key, content))
            });
            assert!(unwrapped(&descriptor).is_ok(), "{aes} {transport:?}");
        }
    }
}

#[test]
fn failures_of_a_key_look_alike() {
    let key = [7; 16];
    let (identifier, wrapped) = Transport::Pkcs1.wrap(&key);
    let (_, short) = Transport::Pkcs1.wrap(&key[..5]);
    for (wrapped, change) in [(vec![1; 256], 0), (short, 0), (vec![], 0), (wrapped, 1)] {
        let descriptor = layer(&|content| {
            let mut sealed = seal(&AES_128_GCM, &key, content);
            sealed[0] ^= change;
            message(&identifier, &wrapped, 6, 16, &sealed)
        });
        assert!(matches!(unwrapped(&descriptor).unwrap_err(), DecryptError::WrongKey));
    }
}

#[test]
fn what_does_not_authenticate_is_not_tried() {
    let key = [7; 16];
    let (identifier, wrapped) = Transport::Pkcs1.wrap(&key);
    // GCM is relabelled as a counter mode and as a block mode, and its tag is cut.
    for (aes, tag_len, refused) in
        [(2, 16, "cipher"), (42, 16, "cipher"), (6, 12, "tag: it is shorter than 16 bytes")]
    {
        let descriptor = layer(&|content| {
            message(&identifier, &wrapped, aes, tag_len, &seal(&AES_128_GCM, &key, content))
        });
        let error = unwrapped(&descriptor).unwrap_err();
        assert_eq!(of_scheme::<Pkcs7Error>(&error), Pkcs7Error::Unsupported(refused));
    }
}

#[test]
fn messages_to_more_recipients_than_anybody_has_are_refused() {
    let key = [7; 16];
    let (identifier, wrapped) = Transport::Pkcs1.wrap(&key);
    // The last recipient is ours. The others are too short for any key.
    let layer_to = |count: usize| {
        layer(&|content| {
            let others = recipient(&identifier, &[]).repeat(count - 1);
            let recipients = [others, recipient(&identifier, &wrapped)].concat();
            message_to(&recipients, 6, 16, &seal(&AES_128_GCM, &key, content))
        })
    };
    assert!(unwrapped(&layer_to(64)).is_ok());
    let error = unwrapped(&layer_to(65)).unwrap_err();
    assert_eq!(of_scheme::<Pkcs7Error>(&error), Pkcs7Error::TooManyRecipients);
}

#[test]
fn certificates_are_told_from_keys() {
    let read = |name: &str| std::fs::read(data().join("keys").join(name)).unwrap();
    let pem = String::from_utf8(read("x509.cert.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for file in [pem.into_bytes(), STANDARD.decode(body).unwrap()] {
        assert!(Recipient::pkcs7(&file).is_ok());
        assert!(matches!(Identity::parse(&file), Err(IdentityError::Certificate)));
        assert!(matches!(
            Recipient::jwe(&file),
            Err(PublicKeyError::Certificate | PublicKeyError::NoKey)
        ));
    }
    for name in ["x509.key.pem", "rsa.pub.pem", "ec.pkcs8.der", "ec.jwk"] {
        let refused = Recipient::pkcs7(&read(name)).unwrap_err();
        assert_eq!(refused, CertificateError::NoCertificate, "{name}");
    }
}
