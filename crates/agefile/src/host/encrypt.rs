//! Encryption: from recipients to a file.

use std::io::{self, Write};
use std::vec::Vec;

use base64ct::{Base64Unpadded, Encoding as _};
use zeroize::Zeroizing;

use super::writer::Writer;
use crate::file_key::FileKey;
use crate::header::{Header, MAC_MARK, VERSION};
use crate::kinds::{grease, passphrase};
use crate::random::fill;
use crate::recipient::{EncryptError, NewStanza, Recipient};
use crate::stanza::HeaderError;
use crate::stream::{CHUNK, TAG};

/// A new file with a file key of its own. It has a header, and no content yet.
pub struct Encryptor {
    header: Vec<u8>,
    nonce: [u8; 16],
    payload_key: Zeroizing<[u8; 32]>,
}

impl Encryptor {
    /// Makes a file key, and wraps it to each of the recipients.
    ///
    /// # Errors
    /// There is no recipient; a passphrase stands beside another recipient; the header is too long;
    /// a recipient would give the file key away; the system gives no random bytes.
    pub fn new<'r>(
        recipients: impl IntoIterator<Item = &'r dyn Recipient>,
    ) -> Result<Self, EncryptError> {
        let mut bytes = Zeroizing::new([0; 16]);
        fill(&mut *bytes)?;
        let file_key = FileKey::new(*bytes);
        let mut stanzas = Vec::new();
        for recipient in recipients {
            stanzas.extend(recipient.wrap(&file_key)?);
        }
        match &stanzas[..] {
            [] => return Err(EncryptError::NoRecipient),
            // A passphrase stands alone.
            [only] if only.kind == passphrase::KIND => {}
            _ => stanzas.push(grease::stanza()?),
        }
        let header = header(&stanzas, &file_key)?;
        let mut nonce = [0; 16];
        fill(&mut nonce)?;
        let payload_key = file_key.payload_key(&nonce);
        Ok(Self { header, nonce, payload_key })
    }

    /// Writes the header, and returns the writer of the content.
    ///
    /// # Errors
    /// The header cannot be written.
    pub fn write_to<W: Write>(self, mut output: W) -> io::Result<Writer<W>> {
        output.write_all(&self.header)?;
        output.write_all(&self.nonce)?;
        Ok(Writer::new(&self.payload_key, output))
    }
}

impl core::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Encryptor")
    }
}

/// Writes a header, and checks that this crate reads it. So no rule of the reader is here a second
/// time.
fn header(stanzas: &[NewStanza], file_key: &FileKey) -> Result<Vec<u8>, HeaderError> {
    let mut header = VERSION.to_vec();
    stanzas.iter().for_each(|stanza| stanza.write(&mut header));
    header.extend_from_slice(MAC_MARK);
    let mac = file_key.mac(&header);
    header.push(b' ');
    header.extend_from_slice(Base64Unpadded::encode_string(&mac).as_bytes());
    header.push(b'\n');
    Header::parse(&header)?;
    Ok(header)
}

/// Encrypts content that is in memory.
///
/// # Errors
/// As of [`Encryptor::new`].
pub fn encrypt<'r>(
    recipients: impl IntoIterator<Item = &'r dyn Recipient>,
    content: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    let encryptor = Encryptor::new(recipients)?;
    let chunks = content.len() / CHUNK + 1;
    let len = encryptor.header.len() + encryptor.nonce.len() + content.len() + chunks * TAG;
    let mut writer = encryptor.write_to(Vec::with_capacity(len)).map_err(EncryptError::Write)?;
    writer.write_all(content).map_err(EncryptError::Write)?;
    writer.finish().map_err(EncryptError::Write)
}
