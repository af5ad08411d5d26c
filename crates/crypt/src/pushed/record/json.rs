//! The record as JSON.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_image::{Compression, DiffId, Digest, Family, MediaType, Repository};
use serde::de::{self, Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::pushed::recorded::{Recorded, Tagged};
use crate::pushed::{LayerKey, PushedLayer, Readers};

/// The members of a record.
#[derive(Serialize, Deserialize)]
pub(super) struct Members {
    salt: [u8; 16],
    layers: Vec<LayerMembers>,
    configs: Vec<String>,
    /// The tags, which layers name by their places in this list.
    #[serde(default)]
    tags: Vec<TagMembers>,
}

#[derive(Serialize, Deserialize)]
struct TagMembers {
    name: String,
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct LayerMembers {
    diff_id: Digest,
    digest: Digest,
    size: u64,
    media_type: MediaType,
    key: KeyMembers,
    readers: Readers,
    places: Vec<String>,
    #[serde(default)]
    tags: Vec<usize>,
}

/// The key of a layer as JSON: the text `clear`, or an object of one member, which names the encryption.
struct KeyMembers(Option<(String, EncryptedMembers)>);

#[derive(Serialize, Deserialize)]
struct EncryptedMembers {
    key: DataKeyMember,
    #[serde(default)]
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<[u8; 16]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hmac: Option<[u8; 32]>,
}

/// The text for a layer without encryption.
const CLEAR: &str = "clear";

impl KeyMembers {
    fn of(key: Option<&LayerKey>) -> Self {
        Self(key.map(|LayerKey { encryption, key, digest, nonce, hmac }| {
            let key = DataKeyMember(**key);
            let members = EncryptedMembers { key, digest: *digest, nonce: *nonce, hmac: *hmac };
            (encryption.clone(), members)
        }))
    }

    fn key(self) -> Option<LayerKey> {
        self.0.map(|(encryption, EncryptedMembers { key, digest, nonce, hmac })| LayerKey {
            encryption,
            key: key.key(),
            digest,
            nonce,
            hmac,
        })
    }
}

impl Serialize for KeyMembers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str(CLEAR),
            Some((encryption, members)) => serializer.collect_map([(encryption, members)]),
        }
    }
}

// A derived reader of both forms would copy the key into a buffer that nobody wipes.
impl<'de> Deserialize<'de> for KeyMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherForm;

        impl<'de> Visitor<'de> for EitherForm {
            type Value = KeyMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "the text {CLEAR:?} or an object of one member")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyMembers, E> {
                match text {
                    CLEAR => Ok(KeyMembers(None)),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyMembers, A::Error> {
                let entry = map.next_entry()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                match map.next_key::<String>()? {
                    None => Ok(KeyMembers(Some(entry))),
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                }
            }
        }

        deserializer.deserialize_any(EitherForm)
    }
}

/// A data key, which is wiped after it has been written or read.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct DataKeyMember([u8; 32]);

impl DataKeyMember {
    fn key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }
}

impl Members {
    pub(super) fn of(salt: &[u8; 16], layers: &[Recorded], configs: &[Vec<u8>]) -> Self {
        let mut tags = Table::default();
        Self {
            salt: *salt,
            layers: layers.iter().map(|layer| LayerMembers::of(layer, &mut tags)).collect(),
            configs: configs.iter().map(|config| STANDARD.encode(config)).collect(),
            tags: tags.members,
        }
    }

    /// Returns the contents of the record; `None` if a member is malformed.
    pub(super) fn contents(self) -> Option<Contents> {
        let configs = self.configs.iter().map(|text| STANDARD.decode(text).ok());
        let tags = self.tags.into_iter().map(TagMembers::tagged).collect::<Option<Vec<_>>>()?;
        let layers = self.layers.into_iter().map(|layer| layer.recorded(&tags));
        Some(Contents {
            salt: self.salt,
            layers: layers.collect::<Option<_>>()?,
            configs: configs.collect::<Option<_>>()?,
        })
    }
}

/// The contents of a record.
pub(super) struct Contents {
    pub(super) salt: [u8; 16],
    /// The layers, the newest first.
    pub(super) layers: Vec<Recorded>,
    pub(super) configs: Vec<Vec<u8>>,
}

/// The tags of all layers, each once.
#[derive(Default)]
struct Table<'r> {
    members: Vec<TagMembers>,
    places: HashMap<&'r Tagged, usize>,
}

impl<'r> Table<'r> {
    fn place(&mut self, tagged: &'r Tagged) -> usize {
        *self.places.entry(tagged).or_insert_with(|| {
            let Tagged { name, digest } = tagged;
            self.members.push(TagMembers { name: name.to_string(), digest: *digest });
            self.members.len() - 1
        })
    }
}

impl TagMembers {
    fn tagged(self) -> Option<Arc<Tagged>> {
        Some(Arc::new(Tagged { name: self.name.parse().ok()?, digest: self.digest }))
    }
}

impl LayerMembers {
    fn of<'r>(recorded: &'r Recorded, table: &mut Table<'r>) -> Self {
        let Recorded { layer, readers, places, tags } = recorded;
        Self {
            diff_id: layer.diff_id.0,
            digest: layer.digest,
            size: layer.size,
            media_type: layer.descriptor(Family::Oci).media_type,
            key: KeyMembers::of(layer.key.as_ref()),
            readers: readers.clone(),
            places: places.iter().map(Repository::to_string).collect(),
            tags: tags.iter().map(|tagged| table.place(tagged)).collect(),
        }
    }

    fn recorded(self, table: &[Arc<Tagged>]) -> Option<Recorded> {
        let compression: Compression = self.media_type.compression()?;
        let layer = PushedLayer {
            diff_id: DiffId(self.diff_id),
            digest: self.digest,
            size: self.size,
            compression,
            key: self.key.key(),
        };
        let places = self.places.iter().map(|place| place.parse().ok()).collect::<Option<_>>()?;
        let tags =
            self.tags.iter().map(|place| table.get(*place).cloned()).collect::<Option<_>>()?;
        Some(Recorded { layer, readers: self.readers, places, tags })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn keys_are_written_as_earlier_versions_wrote_them() {
        let key = vec![7; 32];
        let digest = Digest::of(b"layer");
        let forms = [
            json!("clear"),
            json!({ "dare": { "key": key, "digest": null } }),
            json!({ "dare": { "key": key, "digest": digest } }),
            json!({
                "ocicrypt": { "key": key, "digest": digest, "nonce": vec![1; 16], "hmac": vec![2; 32] }
            }),
        ];
        for form in forms {
            let read: KeyMembers = serde_json::from_value(form.clone()).unwrap();
            let written = KeyMembers::of(read.key().as_ref());
            assert_eq!(serde_json::to_value(&written).unwrap(), form);
        }
    }

    #[test]
    fn keys_of_no_encryption_or_of_several_are_refused() {
        let dare = json!({ "key": vec![7; 32], "digest": null });
        let refused = |form: Value| assert!(serde_json::from_value::<KeyMembers>(form).is_err());
        refused(json!("private"));
        refused(json!({}));
        refused(json!({ "dare": dare, "ocicrypt": dare }));
        refused(json!({ "dare": { "digest": null } }));
    }
}
