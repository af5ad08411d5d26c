//! Opening: encrypted images of every format, with the keys that the user has given.

use anyhow::Result;
use sealcrate_crypt::crypto_cli::{self, Budget, KeyDerivation};
use sealcrate_crypt::ocicrypt::{self, Identity, RECORD_ANNOTATION, StatedDigests};
use sealcrate_crypt::sealed::{Binding, Home, HomeError, ImageIdentity, SealedRecord, Unbound};
use sealcrate_crypt::select::Selection;
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::{Image, Layer, Location, Manifest, NoKeys, Outgoing, Platform, Spool};

use crate::args::IdentityArgs;
use crate::failure::{Usage, WrongKind};
use crate::{keys, talk};

/// The keys that the user has given to open images.
pub(crate) struct Keys {
    identities: Vec<Identity>,
    passphrase: Option<GivenPassphrase>,
}

/// A passphrase, in the form for each format.
struct GivenPassphrase {
    text: Passphrase,
    /// The same passphrase, for OCI image encryption; it remembers which of an image's locks it has
    /// opened.
    identity: Identity,
    /// The work that all images of a command may ask for together.
    budget: Budget,
}

impl Keys {
    /// Takes a passphrase, and reads the identities that the command line names.
    pub(crate) fn new(passphrase: Option<Passphrase>, args: &IdentityArgs) -> Result<Self> {
        let mut keys = Self { identities: keys::identities(&args.identity)?, passphrase: None };
        if let Some(passphrase) = passphrase {
            keys.take(passphrase);
        }
        Ok(keys)
    }

    /// Takes a passphrase that was found later.
    pub(crate) fn take(&mut self, text: Passphrase) {
        let identity = Identity::passphrase(&text);
        self.passphrase = Some(GivenPassphrase { text, identity, budget: Budget::default() });
    }

    /// Tells whether there is any key.
    pub(crate) fn is_any(&self) -> bool {
        self.passphrase.is_some() || !self.identities.is_empty()
    }

    /// Refuses a demand that nothing can meet: without a key, nobody sees the binding of an image.
    pub(crate) fn refuse_unmet(&self, args: &IdentityArgs) -> Result<()> {
        if args.require_binding.is_some() && !self.is_any() {
            let text = "--require-binding looks at what a key opens, and there is no key";
            return Err(Usage(text.to_owned()).into());
        }
        Ok(())
    }

    /// States that there is no key, if that is so.
    pub(crate) fn absent(&self) -> Option<NoKeys> {
        (!self.is_any()).then(NoKeys::given)
    }

    /// Tells whether there is a passphrase.
    pub(crate) fn has_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Tells whether there is an identity.
    pub(crate) fn has_identity(&self) -> bool {
        !self.identities.is_empty()
    }

    /// Returns the derivation of keys for an image of crypto-cli's format.
    ///
    /// # Errors
    /// There are identities alone.
    pub(crate) fn derivation(&self) -> Result<KeyDerivation> {
        let passphrase = self.passphrase.as_ref().ok_or(WrongKind::Identity)?;
        Ok(KeyDerivation::within(passphrase.text.clone(), passphrase.budget.clone()))
    }

    /// Returns the identities for an image whose `protection` is OCI image encryption's.
    ///
    /// # Errors
    /// A passphrase alone, where the image has none.
    pub(crate) fn identities(&self, protection: &ocicrypt::Protection) -> Result<Vec<Identity>> {
        let mut identities = self.identities.clone();
        match &self.passphrase {
            Some(passphrase) if protection.takes_passphrase() => {
                identities.push(passphrase.identity.clone());
            }
            _ if identities.is_empty() => return Err(WrongKind::Passphrase.into()),
            _ => {}
        }
        Ok(identities)
    }
}

/// Which parts of an image are encrypted, and in which format. Nothing of it is authenticated.
pub(crate) enum Protection {
    /// In crypto-cli's format.
    CryptoCli(crypto_cli::Protection),
    /// In the format of OCI image encryption.
    Oci(ocicrypt::Protection),
}

impl Protection {
    /// Reads an image's manifest; `None` if nothing is encrypted.
    pub(crate) fn of(image: &Image) -> Result<Option<Self>> {
        let Some(raw) = &image.manifest else { return Ok(None) };
        let manifest = Manifest::parse(raw)?;
        let oci = ocicrypt::Protection::of(&manifest)?;
        if oci.is_any() {
            return Ok(Some(Self::Oci(oci)));
        }
        let protection = crypto_cli::Protection::of(&manifest)?;
        Ok(protection.is_any().then_some(Self::CryptoCli(protection)))
    }

    /// Tells whether a passphrase opens it, perhaps beside other keys.
    pub(crate) fn takes_passphrase(&self) -> bool {
        match self {
            Self::CryptoCli(_) => true,
            Self::Oci(protection) => protection.takes_passphrase(),
        }
    }

    /// Tells whether the config is encrypted.
    pub(crate) fn has_config(&self) -> bool {
        match self {
            Self::CryptoCli(protection) => protection.config.is_some(),
            Self::Oci(_) => false,
        }
    }

    /// Chooses the layers of `image` that are encrypted.
    pub(crate) fn selection(&self, image: &Image) -> Result<Selection> {
        let places = (0..image.layers.len()).filter(|&place| self.has_layer(place));
        Ok(Selection::Indices(places.map(i64::try_from).collect::<Result<_, _>>()?))
    }

    /// Returns the identity of the encrypted `image` in an index that states `platform` for it.
    pub(crate) fn identity(&self, image: &Image, platform: Option<&Platform>) -> ImageIdentity {
        let config = match self {
            Self::CryptoCli(_) => None,
            Self::Oci(_) => Some(image.id()),
        };
        ImageIdentity::of(platform, config, image.layers.iter().filter_map(Layer::digest))
    }

    /// Tells whether the layer at `place`, lowest first from 0, is encrypted.
    pub(crate) fn has_layer(&self, place: usize) -> bool {
        match self {
            Self::CryptoCli(protection) => {
                protection.layers.get(place).is_some_and(Option::is_some)
            }
            Self::Oci(protection) => protection.layers.get(place).is_some_and(Option::is_some),
        }
    }
}

/// The images that the user accepts, and the place that they are read from.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) unencrypted: Unencrypted,
    pub(crate) unbound: Unbound,
    /// The repository that the image is read from.
    place: Option<Home>,
    /// The home that the user states.
    expected: Option<Home>,
}

impl Terms {
    /// Takes the options for an image at `from`.
    pub(crate) fn new(unencrypted: Unencrypted, args: &IdentityArgs, from: &Location) -> Self {
        Self { place: home_of(from), ..Self::anywhere(unencrypted, args) }
    }

    /// Takes the options for an image whose place is checked elsewhere.
    pub(crate) fn anywhere(unencrypted: Unencrypted, args: &IdentityArgs) -> Self {
        let unbound = match args.require_binding {
            None => Unbound::Accept,
            Some(1) => Unbound::Refuse,
            Some(_) => Unbound::RefuseVersion1,
        };
        Self { unencrypted, unbound, place: None, expected: None }
    }

    /// States which home the image must have, whatever place it is read from.
    pub(crate) fn at_home(self, expected: Option<&Home>) -> Self {
        Self { expected: expected.cloned(), ..self }
    }

    /// Checks an image's place against the home in its record.
    ///
    /// # Errors
    /// The home differs from the stated one, or from the place that the image is read from.
    pub(crate) fn check_home(&self, record: Option<&SealedRecord>) -> Result<(), HomeError> {
        let home = record.and_then(|record| record.home.as_ref());
        Home::check(home, self.place.as_ref(), self.expected.as_ref())
    }
}

/// Returns the home of images at a location, which registries alone have.
pub(crate) fn home_of(location: &Location) -> Option<Home> {
    match location {
        Location::Registry(reference) => Some(Home::of(reference.repository())),
        _ => None,
    }
}

/// An image that was opened.
pub(crate) struct Opened {
    /// The image, its layers decrypted as they are read.
    pub(crate) image: Outgoing,
    /// The sealed record, where there is one.
    pub(crate) record: Option<Box<SealedRecord>>,
    /// How the image is bound.
    pub(crate) binding: Binding,
    stated: StatedDigests,
}

impl Opened {
    /// Takes an image as it was read.
    pub(crate) fn as_read(image: Image, no_keys: NoKeys) -> Self {
        Self::unchanged(Outgoing::as_read(image, no_keys))
    }

    /// Takes an image in clear for which another one vouches.
    pub(crate) fn vouched(image: Image) -> Self {
        Self::unchanged(Outgoing::built(image))
    }

    fn unchanged(image: Outgoing) -> Self {
        Self { image, record: None, binding: Binding::None, stated: StatedDigests::default() }
    }

    /// Warns of layers that were read and have other digests than their writer stated.
    pub(crate) fn tell_wrong_digests(&self) {
        let wrong = self.stated.wrong();
        if !wrong.is_empty() {
            talk::warn(format!(
                "layers are not of the digests that stand beside their keys, but of the diff IDs in the \
                 config: {}",
                wrong.join(", ")
            ));
        }
    }
}

/// Opens `image`; its ciphertext waits in `spool`.
pub(crate) fn open(image: &Image, keys: &Keys, terms: &Terms, spool: &Spool) -> Result<Opened> {
    let Terms { unencrypted, unbound, .. } = *terms;
    let protection = Protection::of(image)?;
    let is_encrypted = protection.is_some();
    let opened = match protection {
        Some(Protection::CryptoCli(_)) => {
            let mut kdf = keys.derivation()?;
            let crypto_cli::Decrypted { image, binding, record } =
                crypto_cli::decrypt(image, &mut kdf, unencrypted, unbound)?;
            Opened { image, record, binding, stated: StatedDigests::default() }
        }
        oci => {
            let identities = match oci {
                Some(Protection::Oci(protection)) => keys.identities(&protection)?,
                _ => Vec::new(),
            };
            let ocicrypt::Decrypted { image, binding, record, stated } =
                ocicrypt::decrypt(image, &identities, unencrypted, unbound, spool)?;
            Opened { image, record, binding, stated }
        }
    };
    terms.check_home(opened.record.as_deref())?;
    tell_what_is_not_bound(image, opened.binding, is_encrypted);
    Ok(opened)
}

/// Warns of an image for which nothing vouches.
pub(crate) fn tell_what_is_not_bound(image: &Image, binding: Binding, is_encrypted: bool) {
    if binding != Binding::Version2 && image.remarks.annotations.contains_key(RECORD_ANNOTATION) {
        talk::note(
            "the image has a sealed record of another one, which tools leave behind that encrypt or decrypt \
             by themselves: it does not count",
        );
    }
    if is_encrypted && binding == Binding::None {
        talk::warn(
            "another tool wrote this image, and nothing in it binds layers and config to each other: \
             somebody without a key may have changed them (--require-binding refuses such images)",
        );
    }
}
