//! Keys wrapped as OpenPGP: messages by skopeo and GnuPG, every kind of key, and refused messages.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::ocicrypt::{
    Change, DecryptError, FormerRecipient, Identity, IdentityError, LayerKey, OpenPgp,
    OpenPgpError, OpenPgpKeyError, PublicKeyError, Recipient, RewrapError, WrappedKeyError,
};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::Descriptor;

use crate::support::{JWE, Parts, data, fixture, identity, key_file, opened, read_all, rewrap};

const PGP: &str = "org.opencontainers.image.enc.keys.pgp";

/// Three tags in today's form: a session key, a packet without integrity, and one with integrity.
const SESSION_KEY: u8 = 0xc1;
const WITHOUT_INTEGRITY: u8 = 0xc9;
const ENCRYPTED: u8 = 0xd2;

/// A message that GnuPG made.
fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(data().join("openpgp").join(name)).unwrap()
}

/// A layer whose key is wrapped in a message.
fn layer(message: &[u8]) -> Descriptor {
    let mut descriptor = Parts::bound("sh").layers[1].0.clone();
    descriptor.annotations.remove(JWE);
    descriptor.annotations.insert(PGP.to_owned(), STANDARD.encode(message));
    descriptor
}

fn unwrapped(message: &[u8], key: &str) -> Result<LayerKey, DecryptError> {
    LayerKey::unwrap(&layer(message), &[identity("ec.pem"), identity(key)])
}

fn refused(message: &[u8], key: &str) -> OpenPgpError {
    match unwrapped(message, key).unwrap_err() {
        DecryptError::WrappedKey { source: WrappedKeyError::OpenPgp(error), .. } => error,
        error => panic!("{error}"),
    }
}

/// The packets of a message by GnuPG that came in one piece: their tags, and where they begin and
/// end.
fn packets(message: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < message.len() {
        let first = message[at];
        let (tag, head, len) = match (first & 0x40 != 0, first & 3) {
            (true, _) => match message[at + 1] {
                len @ 0..192 => (first & 0x3f, 2, usize::from(len)),
                high @ 192..224 => {
                    let len = (usize::from(high) - 192) * 256 + usize::from(message[at + 2]) + 192;
                    (first & 0x3f, 3, len)
                }
                other => panic!("{other}"),
            },
            (false, 0) => (first >> 2 & 15, 2, usize::from(message[at + 1])),
            (false, _) => {
                let len = u16::from_be_bytes([message[at + 1], message[at + 2]]);
                (first >> 2 & 15, 3, usize::from(len))
            }
        };
        found.push((tag, at..at + head + len));
        at += head + len;
    }
    found
}

/// A message to a public key.
fn wrapped(to: &str) -> Vec<u8> {
    wrapped_to(&key_file(to))
}

fn wrapped_to(file: &[u8]) -> Vec<u8> {
    let change = Change { add: &[Recipient::openpgp(file).unwrap()], remove: &[] };
    let (image, keys) = (Parts::bound("sh").image(), [identity("rsa.pem")]);
    let image = rewrap(&image, &keys, Unbound::Refuse, change).unwrap();
    STANDARD.decode(&image.layers[1].descriptor().unwrap().annotations[PGP]).unwrap()
}

#[test]
fn what_skopeo_wrote_to_an_openpgp_key_is_opened_by_it() {
    let image = fixture("pgp");
    let open = |key| opened(&image, &[identity(key)], Unbound::Accept);
    for layer in &open("pgp.sec.gpg").unwrap().image.layers {
        assert_eq!(read_all(layer).unwrap().len() as u64, layer.size());
    }
    for other in ["pgp.rsa.sec.gpg", "pgp.cv25519.sec.gpg", "rsa.pem"] {
        assert!(matches!(open(other).err().unwrap(), DecryptError::WrongKey), "{other}");
    }
}

#[test]
fn what_gnupg_wrote_to_every_kind_of_key_is_opened_by_it() {
    let keys = ["rsa", "cv25519", "p256", "p384", "p521"];
    for other in keys {
        let identities = [identity(&format!("pgp.{other}.sec.gpg"))];
        for key in keys {
            match LayerKey::unwrap(&layer(&recorded(key)), &identities) {
                Ok(_) => assert_eq!(key, other),
                Err(DecryptError::WrongKey) => assert_ne!(key, other),
                Err(error) => panic!("{key} {other}: {error}"),
            }
        }
    }
    assert!(unwrapped(&recorded("cv25519"), "pgp.cv25519.sec.asc").is_ok(), "in armor");
}

#[test]
fn what_gnupg_wrote_with_every_cipher_and_compression_is_opened() {
    for name in ["aes128", "aes192", "rfc4880", "uncompressed", "zip", "zlib"] {
        assert!(unwrapped(&recorded(name), "pgp.rsa.sec.gpg").is_ok(), "{name}");
    }
    assert!(unwrapped(&recorded("aes256"), "pgp.cv25519.sec.gpg").is_ok());
    let refused_for = |name, key| match refused(&recorded(name), key) {
        OpenPgpError::Unsupported(what) => what,
        error => panic!("{name}: {error}"),
    };
    assert_eq!(refused_for("bzip2", "pgp.rsa.sec.gpg"), "compression");
    assert_eq!(refused_for("signed", "pgp.cv25519.sec.gpg"), "content: it is no plain data");
    // For a session key that is no AES key, the error says no more than for a wrong session key.
    let twofish = unwrapped(&recorded("twofish"), "pgp.rsa.sec.gpg").unwrap_err();
    assert!(matches!(twofish, DecryptError::DamagedKey(_)));
}

#[test]
fn each_of_several_recipients_and_hidden_ones_open_a_message() {
    for key in ["p256", "rsa", "cv25519"] {
        assert!(unwrapped(&recorded("several"), &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
    }
    assert_eq!(OpenPgp::parse(&recorded("several")).unwrap().recipients(), 3);
    for key in ["rsa", "cv25519"] {
        assert!(unwrapped(&recorded("hidden"), &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
    }
    let other = unwrapped(&recorded("hidden"), "pgp.sec.gpg").unwrap_err();
    assert!(matches!(other, DecryptError::WrongKey));
    assert!(unwrapped(&recorded("and-password"), "pgp.cv25519.sec.gpg").is_ok());
}

#[test]
fn keys_under_a_password_open_with_it_alone() {
    let password = |text: &str| Passphrase::new(text.as_bytes().to_vec().into()).unwrap();
    for name in ["password", "rsa-password"] {
        let file = key_file(&format!("pgp.{name}.sec.gpg"));
        assert_eq!(Identity::parse(&file).unwrap_err(), IdentityError::Password);
        let wrong = Identity::parse_with_password(&file, &password("another"));
        assert_eq!(wrong.unwrap_err(), IdentityError::WrongPassword);
        let identity = Identity::parse_with_password(&file, &password("fixture")).unwrap();
        let message = wrapped(&format!("pgp.{name}.pub.gpg"));
        assert!(LayerKey::unwrap(&layer(&message), &[identity]).is_ok(), "{name}");
    }
    let file = key_file("pgp.password.sec.gpg");
    let identity = Identity::parse_with_password(&file, &password("fixture")).unwrap();
    assert!(LayerKey::unwrap(&layer(&recorded("password")), &[identity]).is_ok());
    let clear = key_file("pgp.cv25519.sec.gpg");
    assert!(Identity::parse_with_password(&clear, &password("x")).is_ok());
}

#[test]
fn what_is_wrapped_to_every_kind_of_key_is_opened_by_it() {
    for key in ["rsa", "cv25519", "p256", "p384", "p521"] {
        let message = wrapped(&format!("pgp.{key}.pub.gpg"));
        let tags: Vec<u8> = packets(&message).into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags, [SESSION_KEY & 0x3f, ENCRYPTED & 0x3f]);
        assert!(unwrapped(&message, &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
        let other = if key == "rsa" { "p256" } else { "rsa" };
        let other = unwrapped(&message, &format!("pgp.{other}.sec.gpg")).unwrap_err();
        assert!(matches!(other, DecryptError::WrongKey), "{key}");
        assert_ne!(wrapped(&format!("pgp.{key}.pub.gpg")), message, "it is fresh");
    }
    let armored = wrapped("pgp.cv25519.pub.asc");
    assert!(unwrapped(&armored, "pgp.cv25519.sec.gpg").is_ok());
}

#[test]
fn every_changed_byte_of_a_message_is_refused_and_all_failures_of_its_key_look_alike() {
    for key in ["rsa", "cv25519"] {
        let (message, keys) = (recorded(key), [identity(&format!("pgp.{key}.sec.gpg"))]);
        let found = packets(&message);
        let (session_key, encrypted) = (found[0].1.clone(), found[1].1.clone());
        let mut damaged = 0;
        // Changes the session key, its padding, the content, and the code behind it.
        for at in
            (session_key.start + 16..session_key.end).chain(encrypted.start + 4..encrypted.end)
        {
            let mut changed = message.clone();
            changed[at] ^= 4;
            match LayerKey::unwrap(&layer(&changed), &keys).map(|_| ()) {
                Err(DecryptError::DamagedKey(_)) => damaged += 1,
                // The change hit a length, or the form of a point.
                Err(DecryptError::WrappedKey { .. }) if key == "cv25519" => {}
                other => panic!("{key} {at}: {other:?}"),
            }
        }
        assert!(damaged > 200, "{damaged}");
    }
}

#[test]
fn cut_content_and_content_behind_it_are_refused() {
    let message = recorded("uncompressed");
    let key = "pgp.rsa.sec.gpg";
    let (_, encrypted) = packets(&message).pop().unwrap();
    let body = &message[encrypted.start + 3..];
    let with_body = |body: &[u8]| {
        let len = (body.len() as u32).to_be_bytes();
        [&message[..encrypted.start], &[ENCRYPTED, 255], &len, body].concat()
    };
    assert!(unwrapped(&with_body(body), key).is_ok());
    // The content lacks the code, or a part of it, or nearly everything.
    for len in [body.len() - 22, body.len() - 1, 41, 22, 1] {
        let error = unwrapped(&with_body(&body[..len]), key).unwrap_err();
        assert!(matches!(error, DecryptError::DamagedKey(_)), "{len}: {error}");
    }
    assert_eq!(refused(&with_body(&[]), key), OpenPgpError::Malformed("encrypted data"));
    let more = [&with_body(body), &message[..encrypted.start]].concat();
    let behind = OpenPgpError::Malformed("packets: something is behind them");
    assert_eq!(refused(&more, key), behind);
    let mut version = body.to_vec();
    version[0] = 2;
    let unknown = OpenPgpError::Unsupported("version of encrypted data");
    assert_eq!(refused(&with_body(&version), key), unknown);
}

#[test]
fn pieces_are_joined_and_lengths_that_lie_are_refused() {
    let message = recorded("uncompressed");
    let key = "pgp.rsa.sec.gpg";
    let (_, encrypted) = packets(&message).pop().unwrap();
    let (head, body) = (&message[..encrypted.start], &message[encrypted.start + 3..]);
    let (one, rest) = body.split_at(128);
    let last = rest.len() as u8;
    let pieces = [head, &[ENCRYPTED, 0xe7], one, &[last], rest].concat();
    assert!(unwrapped(&pieces, key).is_ok());
    let one_less = [head, &[ENCRYPTED, 0xe7], one, &[last - 1], &rest[..rest.len() - 1]].concat();
    assert!(matches!(unwrapped(&one_less, key).unwrap_err(), DecryptError::DamagedKey(_)));
    for lie in [
        [head, &[ENCRYPTED, 0xe7], one].concat(),
        [head, &[ENCRYPTED, 0xfe], body].concat(),
        [head, &[ENCRYPTED, 0xff, 0xff, 0xff, 0xff, 0xff], body].concat(),
        head.to_vec(),
        b"no packets".to_vec(),
    ] {
        assert_eq!(refused(&lie, key), OpenPgpError::Malformed("packets"));
    }
    assert_eq!(OpenPgp::parse(&[]).unwrap_err(), OpenPgpError::Malformed("packets"));
    let long = [head, &[ENCRYPTED, 0xff, 0, 2, 0, 0], &vec![1; 2 << 16]].concat();
    assert_eq!(refused(&long, key), OpenPgpError::TooLong);
    let many = [&head.repeat(65), &message[encrypted]].concat();
    assert_eq!(refused(&many, key), OpenPgpError::TooManyRecipients);
}

#[test]
fn packets_without_integrity_and_of_drafts_are_refused() {
    let message = recorded("uncompressed");
    let key = "pgp.rsa.sec.gpg";
    let (_, encrypted) = packets(&message).pop().unwrap();
    // The byte in the place of the version belongs to the ciphertext in such packets.
    let mut relabelled = message.clone();
    relabelled[encrypted.start] = WITHOUT_INTEGRITY;
    assert_eq!(refused(&relabelled, key), OpenPgpError::NoIntegrity);
    relabelled[encrypted.start] = 0xc0 | 20;
    assert_eq!(refused(&relabelled, key), OpenPgpError::Unsupported("cipher: it is OCB"));
    let nobody = &message[encrypted.start..];
    let unsupported = OpenPgpError::Unsupported("recipients: none has a key for RSA or ECDH");
    assert_eq!(refused(nobody, key), unsupported);
    // The content is under the session key, but in an old packet, which has no integrity.
    let content_key = UnboundCipherKey::new(&AES_256, &[1; 32]).unwrap();
    let mut plain = vec![0; 64];
    let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    EncryptingKey::cfb128(content_key).unwrap().less_safe_encrypt(&mut plain, context).unwrap();
    let old = [&message[..encrypted.start], &[WITHOUT_INTEGRITY, 64], &plain].concat();
    assert_eq!(refused(&old, key), OpenPgpError::NoIntegrity);
}

#[test]
fn keys_that_are_not_to_be_encrypted_to_are_refused_for_what_they_are() {
    let refused = |name: &str| Recipient::openpgp(&key_file(name)).unwrap_err();
    assert_eq!(refused("pgp.expired.pub.gpg"), OpenPgpKeyError::Expired);
    assert_eq!(refused("pgp.old-subkey.pub.gpg"), OpenPgpKeyError::Expired);
    assert_eq!(refused("pgp.revoked.pub.gpg"), OpenPgpKeyError::Revoked);
    assert_eq!(refused("pgp.sign-only.pub.gpg"), OpenPgpKeyError::NoEncryptionKey);
    assert_eq!(refused("pgp.cv25519.sec.gpg"), OpenPgpKeyError::PrivateKey);
    assert_eq!(refused("pgp.cv25519.sec.asc"), OpenPgpKeyError::PrivateKey);
    assert_eq!(refused("rsa.pub.pem"), OpenPgpKeyError::NoKey);
    let two = [key_file("pgp.rsa.pub.gpg"), key_file("pgp.p256.pub.gpg")].concat();
    assert_eq!(Recipient::openpgp(&two).unwrap_err(), OpenPgpKeyError::Several);
    let long = vec![0x99; (64 << 10) + 1];
    assert_eq!(Recipient::openpgp(&long).unwrap_err(), OpenPgpKeyError::TooLong);
}

#[test]
fn newest_subkey_that_is_not_revoked_is_encrypted_to() {
    let curve_of = |message: &[u8]| match packets(message)[0].1.len() {
        // A message with a point on P-256 is longer by half.
        ..120 => "cv25519",
        _ => "p256",
    };
    assert_eq!(curve_of(&wrapped("pgp.two-subkeys.pub.gpg")), "p256");
    assert_eq!(curve_of(&wrapped("pgp.revoked-subkey.pub.gpg")), "cv25519");
    for file in ["pgp.two-subkeys.pub.gpg", "pgp.revoked-subkey.pub.gpg"] {
        assert!(unwrapped(&wrapped(file), "pgp.two-subkeys.sec.gpg").is_ok(), "{file}");
    }
}

#[test]
fn subkey_of_somebody_else_is_not_encrypted_to() {
    let (mine, theirs) = (key_file("pgp.rsa.pub.gpg"), key_file("pgp.two-subkeys.pub.gpg"));
    let subkey = packets(&theirs).into_iter().find(|(tag, _)| *tag == 14).unwrap().1;
    let with_theirs = [&mine[..], &theirs[subkey.start..]].concat();
    assert_eq!(packets(&mine).len() + 4, packets(&with_theirs).len());
    let message = wrapped_to(&with_theirs);
    assert!(unwrapped(&message, "pgp.rsa.sec.gpg").is_ok());
    // A key that was changed, or whose signature is damaged, is refused as well.
    for (at, (tag, range)) in packets(&mine).into_iter().enumerate() {
        let mut changed = mine.clone();
        changed[range.end - 1] ^= 1;
        let refused = Recipient::openpgp(&changed);
        assert!(refused.is_err(), "packet {at}, tag {tag}");
    }
}

#[test]
fn keys_of_openpgp_are_told_from_others() {
    let public = key_file("pgp.rsa.pub.gpg");
    assert_eq!(Identity::parse(&public).unwrap_err(), IdentityError::OpenPgpPublic);
    let armored = key_file("pgp.cv25519.pub.asc");
    assert_eq!(Identity::parse(&armored).unwrap_err(), IdentityError::OpenPgpPublic);
    assert!(matches!(Recipient::jwe(&public), Err(PublicKeyError::NoKey)));
    assert!(Recipient::pkcs7(&public).is_err());
    let sign_only = Identity::parse(&key_file("pgp.sign-only.sec.gpg")).unwrap_err();
    assert_eq!(sign_only, IdentityError::NoOpenPgpKey);
    let secret = key_file("pgp.rsa.sec.gpg");
    let subkey = packets(&secret).into_iter().find(|(tag, _)| *tag == 7).unwrap().1;
    for len in [300, 100, 3] {
        assert!(Identity::parse(&secret[..len]).is_err(), "{len}");
    }
    // The reader checks the numbers against each other, and against their sum, which comes last.
    for place in [20, 1] {
        let mut changed = secret.clone();
        changed[subkey.end - place] ^= 1;
        let identity = Identity::parse(&changed).unwrap();
        let error = LayerKey::unwrap(&layer(&recorded("rsa")), &[identity]).unwrap_err();
        assert!(matches!(error, DecryptError::WrongKey), "the primary key alone is left");
    }
}

#[test]
fn message_to_several_is_not_removed_with_one_of_them() {
    let mut image = Parts::bound("sh");
    for (descriptor, _) in &mut image.layers[1..] {
        let text = STANDARD.encode(recorded("several"));
        descriptor.annotations.insert(PGP.to_owned(), text);
    }
    let former = |name: &str| FormerRecipient::openpgp(&key_file(name)).unwrap();
    let keys = [identity("rsa.pem")];
    let change = Change { add: &[], remove: &[former("pgp.rsa.pub.gpg")] };
    let error = rewrap(&image.image(), &keys, Unbound::Refuse, change).err().unwrap();
    assert!(matches!(error, RewrapError::NotARecipient { recipient: 0, .. }), "{error}");
}
