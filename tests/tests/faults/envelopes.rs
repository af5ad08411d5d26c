//! Attacks of a stranger on keys that are wrapped as PKCS#7 and OpenPGP. A form without integrity cannot replace
//! one with it, nor can a changed message.

use sealcrate_tests::fixtures::{Pushed, run, succeeded};

use crate::bound::{change_bytes, pull_with, pushed_to, refused_with};

const PKCS7: &str = "org.opencontainers.image.enc.keys.pkcs7";
const PGP: &str = "org.opencontainers.image.enc.keys.pgp";

/// AES with 256 bits, in CBC and in GCM: the common beginning of their names, and the last byte of each.
const AES: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];
const CBC: u8 = 42;
const GCM: u8 = 46;

/// Tags of OpenPGP's packets: a session key, and data without and with integrity.
const SESSION_KEY: u8 = 0xc1;
const WITHOUT_INTEGRITY: u8 = 0xc9;
const ENCRYPTED: u8 = 0xd2;

/// The length of OpenPGP's modification detection code, with its packet's head.
const CODE: usize = 22;

/// Makes a message of the packet of a session key, and of the content of the packet behind it.
type Change<'a> = dyn Fn(&[u8], &[u8]) -> Vec<u8> + 'a;

/// The elements of DER, one after the other: tags and contents.
fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (len, rest) = match (first, rest) {
            (0x81, [len, rest @ ..]) => (usize::from(*len), rest),
            (0x82, [high, low, rest @ ..]) => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => (usize::from(*first), rest),
        };
        let (content, behind) = rest.split_at(len);
        found.push((*tag, content));
        bytes = behind;
    }
    found
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).expect("messages are short").to_be_bytes();
    let head = match content.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// The parts of a PKCS#7 message that is put together anew.
#[derive(Clone)]
struct Enveloped {
    recipients: Vec<u8>,
    aes: u8,
    parameters: Vec<u8>,
    sealed: Vec<u8>,
}

impl Enveloped {
    fn of(message: &[u8]) -> Self {
        let inner = |bytes: &[u8], place: usize| elements(bytes)[place].1.to_vec();
        let data = inner(&inner(&inner(message, 0), 1), 0);
        let content = inner(&data, 2);
        let nonce = inner(&inner(&inner(&inner(&content, 1), 1), 0), 0);
        Self {
            recipients: inner(&data, 1),
            aes: GCM,
            parameters: element(0x30, &[&element(4, &[&nonce]), &[2, 1, 16]]),
            sealed: inner(&inner(&content, 2), 0),
        }
    }

    fn message(&self) -> Vec<u8> {
        let identifier = |bytes: &[u8]| element(6, &[bytes]);
        let data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
        let enveloped = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
        let cipher = identifier(&[&AES[..], &[self.aes]].concat());
        let cipher = element(0x30, &[&cipher, &self.parameters]);
        let sealed = element(0xa0, &[&element(4, &[&self.sealed])]);
        let content = element(0x30, &[&identifier(&data), &cipher, &sealed]);
        let recipients = element(0x31, &[&self.recipients]);
        let data = element(0x30, &[&[2, 1, 0], &recipients, &content]);
        element(0x30, &[&identifier(&enveloped), &element(0xa0, &[&data])])
    }
}

/// Cuts a message of OpenPGP into the packet of its session key and the content of the packet behind it.
fn packets(message: &[u8]) -> (&[u8], &[u8]) {
    let len = |at: usize| match message[at + 1] {
        one @ 0..192 => (2, usize::from(one)),
        first => (3, (usize::from(first) - 192) * 256 + usize::from(message[at + 2]) + 192),
    };
    assert_eq!(message[0], SESSION_KEY);
    let (head, content) = len(0);
    let at = head + content;
    assert_eq!(message[at], ENCRYPTED);
    let (head, content) = len(at);
    assert_eq!(at + head + content, message.len());
    (&message[..at], &message[at + head..])
}

fn packet(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).expect("messages are short").to_be_bytes();
    [&[tag, 255], &len[..], content].concat()
}

/// Holds that the image is pulled after a change that does not change its meaning.
fn accepted(pushed: &Pushed, identity: &str, name: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut manifest = pushed.manifest();
    change_bytes(&mut manifest["layers"][1], name, change);
    let honest = pushed.serving(manifest.to_string().as_bytes());
    let layout = pushed.machine.layout_target();
    let name = format!("{}/app:1", honest.host());
    succeeded(&run(&mut pull_with(pushed, identity, &name, &layout)));
    pushed.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn pkcs7_is_not_relabelled_to_a_mode_without_a_tag() {
    let pushed = pushed_to(("pkcs7", "x509.cert.pem"));
    accepted(&pushed, "x509.key.pem", PKCS7, |message| Enveloped::of(message).message());
    let refused = |code, words: &str, change: &dyn Fn(&mut Enveloped)| {
        refused_with(&pushed, "x509.key.pem", code, words, |manifest| {
            change_bytes(&mut manifest["layers"][1], PKCS7, |message| {
                let mut enveloped = Enveloped::of(message);
                change(&mut enveloped);
                enveloped.message()
            });
        });
    };
    let cipher = "a wrapped key (PKCS#7) is not supported for its cipher";
    refused(5, cipher, &|enveloped| enveloped.aes = CBC);
    // As a reader of CBC would accept it: whole blocks, behind an initialization vector.
    refused(5, cipher, &|enveloped| {
        enveloped.aes = CBC;
        enveloped.parameters = element(4, &[&[0; 16]]);
        let blocks = enveloped.sealed.len() / 16 * 16;
        enveloped.sealed.truncate(blocks);
    });
    refused(5, "tag: it is shorter than 16 bytes", &|enveloped| {
        *enveloped.parameters.last_mut().unwrap() = 12;
        let len = enveloped.sealed.len() - 4;
        enveloped.sealed.truncate(len);
    });
    refused(5, "for more than 64 recipients", &|enveloped| {
        enveloped.recipients = enveloped.recipients.repeat(65);
    });
    // The error does not say whether the key or the content was changed: both look like another reader's.
    refused(3, "wrong key", &|enveloped| enveloped.sealed[0] ^= 1);
    refused(3, "wrong key", &|enveloped| *enveloped.recipients.last_mut().unwrap() ^= 1);
}

#[test]
fn openpgp_without_its_code_is_refused() {
    let pushed = pushed_to(("pgp", "pgp.rsa.pub.gpg"));
    let identity = "pgp.rsa.sec.gpg";
    accepted(&pushed, identity, PGP, |message| {
        let (key, encrypted) = packets(message);
        [key, &packet(ENCRYPTED, encrypted)].concat()
    });
    let refused = |words: &str, change: &Change<'_>| {
        refused_with(&pushed, identity, 5, words, |manifest| {
            change_bytes(&mut manifest["layers"][1], PGP, |message| {
                let (key, encrypted) = packets(message);
                change(key, encrypted)
            });
        });
    };
    let without = "encrypted without integrity, so that anybody can change it";
    refused(without, &|key, encrypted| [key, &packet(WITHOUT_INTEGRITY, encrypted)].concat());
    // As a reader of old packets would accept it: without the version, and without the code.
    refused(without, &|key, encrypted| {
        let content = &encrypted[1..encrypted.len() - CODE];
        [key, &packet(WITHOUT_INTEGRITY, content)].concat()
    });
    let damaged = "does not authenticate";
    refused(damaged, &|key, encrypted| {
        [key, &packet(ENCRYPTED, &encrypted[..encrypted.len() - CODE])].concat()
    });
    refused(damaged, &|key, encrypted| {
        let mut changed = encrypted.to_vec();
        changed[40] ^= 1;
        [key, &packet(ENCRYPTED, &changed)].concat()
    });
    refused("for more than 64 recipients", &|key, encrypted| {
        [&key.repeat(65), &packet(ENCRYPTED, encrypted)[..]].concat()
    });
}
