//! Messages by GnuPG, our own ones, and refused ones.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use sealcrate_openpgp::{KeyIds, Message, MessageError, OpenError};

use crate::support::{
    ENCRYPTED, SESSION_KEY, WITHOUT_INTEGRITY, content, encrypted, key_file, opened, opened_with,
    packets, recorded, refused, secret,
};

#[test]
fn what_gnupg_wrote_to_every_kind_of_key_is_opened_by_it() {
    let keys = ["rsa", "cv25519", "p256", "p384", "p521"];
    for other in keys {
        let keys_of = secret(&format!("pgp.{other}.sec.gpg"));
        for key in keys {
            match opened_with(&recorded(key), &keys_of) {
                Ok(opened) => assert_eq!((key, opened), (other, content())),
                Err(OpenError::WrongKey) => assert_ne!(key, other),
                Err(error) => panic!("{key} {other}: {error}"),
            }
        }
    }
    assert!(opened(&recorded("cv25519"), "pgp.cv25519.sec.asc").is_ok(), "in armor");
}

#[test]
fn what_gnupg_wrote_with_every_cipher_and_compression_is_opened() {
    for name in ["aes128", "aes192", "rfc4880", "uncompressed", "zip", "zlib"] {
        assert!(opened(&recorded(name), "pgp.rsa.sec.gpg").is_ok(), "{name}");
    }
    assert!(opened(&recorded("aes256"), "pgp.cv25519.sec.gpg").is_ok());
    let refused_for = |name, key| match refused(&recorded(name), key) {
        MessageError::Unsupported(what) => what,
        error => panic!("{name}: {error}"),
    };
    assert_eq!(refused_for("bzip2", "pgp.rsa.sec.gpg"), "compression");
    assert_eq!(refused_for("signed", "pgp.cv25519.sec.gpg"), "content: it is no plain data");
    // For a session key that is no AES key, the error says no more than for a wrong session key.
    let twofish = opened(&recorded("twofish"), "pgp.rsa.sec.gpg");
    assert_eq!(twofish, Err(OpenError::Damaged));
}

#[test]
fn each_of_several_recipients_and_hidden_ones_open_a_message() {
    for key in ["p256", "rsa", "cv25519"] {
        assert!(opened(&recorded("several"), &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
    }
    assert_eq!(Message::parse(&recorded("several")).unwrap().recipients(), 3);
    for key in ["rsa", "cv25519"] {
        assert!(opened(&recorded("hidden"), &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
    }
    assert_eq!(opened(&recorded("hidden"), "pgp.sec.gpg"), Err(OpenError::WrongKey));
    assert!(opened(&recorded("and-password"), "pgp.cv25519.sec.gpg").is_ok());
}

#[test]
fn what_is_encrypted_to_every_kind_of_key_is_opened_by_it() {
    for key in ["rsa", "cv25519", "p256", "p384", "p521"] {
        let message = encrypted(&format!("pgp.{key}.pub.gpg"));
        let tags: Vec<u8> = packets(&message).into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags, [SESSION_KEY & 0x3f, ENCRYPTED & 0x3f]);
        assert!(opened(&message, &format!("pgp.{key}.sec.gpg")).is_ok(), "{key}");
        let other = if key == "rsa" { "p256" } else { "rsa" };
        let other = opened(&message, &format!("pgp.{other}.sec.gpg"));
        assert_eq!(other, Err(OpenError::WrongKey), "{key}");
        assert_ne!(encrypted(&format!("pgp.{key}.pub.gpg")), message, "it is fresh");
    }
    let armored = encrypted("pgp.cv25519.pub.asc");
    assert!(opened(&armored, "pgp.cv25519.sec.gpg").is_ok());
}

#[test]
fn every_changed_byte_of_a_message_is_refused_and_all_failures_of_its_key_look_alike() {
    for key in ["rsa", "cv25519"] {
        let (message, keys) = (recorded(key), secret(&format!("pgp.{key}.sec.gpg")));
        let found = packets(&message);
        let (session_key, encrypted) = (found[0].1.clone(), found[1].1.clone());
        let mut damaged = 0;
        // Changes the session key, its padding, the content, and the code behind it.
        for at in
            (session_key.start + 16..session_key.end).chain(encrypted.start + 4..encrypted.end)
        {
            let mut changed = message.clone();
            changed[at] ^= 4;
            match opened_with(&changed, &keys) {
                Err(OpenError::Damaged) => damaged += 1,
                // The change hit a length, or the form of a point.
                Err(OpenError::Content(_)) if key == "cv25519" => {}
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
    assert!(opened(&with_body(body), key).is_ok());
    // The content lacks the code, or a part of it, or nearly everything.
    for len in [body.len() - 22, body.len() - 1, 41, 22, 1] {
        assert_eq!(opened(&with_body(&body[..len]), key), Err(OpenError::Damaged), "{len}");
    }
    assert_eq!(refused(&with_body(&[]), key), MessageError::Malformed("encrypted data"));
    let more = [&with_body(body), &message[..encrypted.start]].concat();
    let behind = MessageError::Malformed("packets: something is behind them");
    assert_eq!(refused(&more, key), behind);
    let mut version = body.to_vec();
    version[0] = 2;
    let unknown = MessageError::Unsupported("version of encrypted data");
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
    assert!(opened(&pieces, key).is_ok());
    let one_less = [head, &[ENCRYPTED, 0xe7], one, &[last - 1], &rest[..rest.len() - 1]].concat();
    assert_eq!(opened(&one_less, key), Err(OpenError::Damaged));
    for lie in [
        [head, &[ENCRYPTED, 0xe7], one].concat(),
        [head, &[ENCRYPTED, 0xfe], body].concat(),
        [head, &[ENCRYPTED, 0xff, 0xff, 0xff, 0xff, 0xff], body].concat(),
        head.to_vec(),
        b"no packets".to_vec(),
    ] {
        assert_eq!(refused(&lie, key), MessageError::Malformed("packets"));
    }
    assert_eq!(Message::parse(&[]).unwrap_err(), MessageError::Malformed("packets"));
    let long = [head, &[ENCRYPTED, 0xff, 0, 2, 0, 0], &vec![1; 2 << 16]].concat();
    assert_eq!(refused(&long, key), MessageError::TooLong);
    let many = [&head.repeat(65), &message[encrypted]].concat();
    assert_eq!(refused(&many, key), MessageError::TooManyRecipients);
}

#[test]
fn packets_without_integrity_and_of_drafts_are_refused() {
    let message = recorded("uncompressed");
    let key = "pgp.rsa.sec.gpg";
    let (_, encrypted) = packets(&message).pop().unwrap();
    // The byte in the place of the version belongs to the ciphertext in such packets.
    let mut relabelled = message.clone();
    relabelled[encrypted.start] = WITHOUT_INTEGRITY;
    assert_eq!(refused(&relabelled, key), MessageError::NoIntegrity);
    relabelled[encrypted.start] = 0xc0 | 20;
    assert_eq!(refused(&relabelled, key), MessageError::Unsupported("cipher: it is OCB"));
    let nobody = &message[encrypted.start..];
    let unsupported = MessageError::Unsupported("recipients: none has a key for RSA or ECDH");
    assert_eq!(refused(nobody, key), unsupported);
    // The content is under the session key, but in an old packet, which has no integrity.
    let content_key = UnboundCipherKey::new(&AES_256, &[1; 32]).unwrap();
    let mut plain = vec![0; 64];
    let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    EncryptingKey::cfb128(content_key).unwrap().less_safe_encrypt(&mut plain, context).unwrap();
    let old = [&message[..encrypted.start], &[WITHOUT_INTEGRITY, 64], &plain].concat();
    assert_eq!(refused(&old, key), MessageError::NoIntegrity);
}

#[test]
fn message_to_several_is_for_none_of_them_alone() {
    let ids = |name: &str| KeyIds::parse(&key_file(name)).unwrap();
    let (one, other) = (ids("pgp.rsa.pub.gpg"), ids("pgp.cv25519.pub.gpg"));
    let message = |name: &str| Message::parse(&recorded(name)).unwrap();
    assert!(message("rsa").is_only_for(&one) && !message("rsa").is_only_for(&other));
    assert!(!message("several").is_only_for(&one));
    assert!(!message("and-password").is_only_for(&other), "a password opens it, too");
    assert!(!message("hidden").is_only_for(&one));
}
