//! X25519 keys where there are random bytes.

use core::convert::Infallible;
use std::string::String;
use std::vec;
use std::vec::Vec;

use base64ct::{Base64Unpadded, Encoding as _};
use zeroize::Zeroizing;

use super::{Identity, KIND, Recipient, text, wrapping_key};
use crate::agreement::X25519Key;
use crate::file_key::FileKey;
use crate::random::{self, NoRandomness};
use crate::recipient::{self, EncryptError, NewStanza};

/// The length of an identity's text.
const TEXT: usize = 74;

impl Identity {
    /// Makes an identity.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(secret()?))
    }

    /// Returns the text `AGE-SECRET-KEY-1…`.
    pub fn to_text(&self) -> Zeroizing<String> {
        // It has room for all of the text: a string that grows would leave pieces of it behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT));
        let put = |character: char| {
            text.push(character.to_ascii_uppercase());
            Ok::<(), Infallible>(())
        };
        let Ok(()) = text::encode(self.0.bytes(), text::IDENTITY, put);
        text
    }
}

impl recipient::Recipient for Recipient {
    fn wrap(&self, file_key: &FileKey) -> Result<Vec<NewStanza>, EncryptError> {
        let ephemeral = secret()?;
        let share = ephemeral.public();
        let shared = ephemeral.shared_with(&self.0).ok_or(EncryptError::Share)?;
        let key = wrapping_key(&shared, &share, &self.0);
        let stanza = NewStanza {
            kind: KIND.to_vec(),
            arguments: vec![Base64Unpadded::encode_string(&share).into_bytes()],
            body: file_key.seal(&key).to_vec(),
        };
        Ok(vec![stanza])
    }
}

fn secret() -> Result<X25519Key, NoRandomness> {
    let mut bytes = Zeroizing::new([0; 32]);
    random::fill(&mut *bytes)?;
    Ok(X25519Key::new(*bytes))
}
