//! `rewrap`: who can open an image is changed, where it lies.

use anyhow::Result;
use sealcrate_crypt::ocicrypt::{self, Change, DecryptError, Recipient};
use sealcrate_crypt::senetas::{self, FreshKey, KeyDataShape};
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Image, Location, Sink};

use super::children::{self, Attestations};
use super::{print_index, print_written};
use crate::args::{ImageName, RewrapArgs};
use crate::encryption::Encryption;
use crate::failure::{MissingImageIdentity, Usage};
use crate::opening::{self, Keys, Protection, Terms};
use crate::session::Session;
use crate::{keys, pushed, talk};

pub(crate) fn run(args: &RewrapArgs, session: &Session) -> Result<()> {
    let from = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let to = destination(&from, args.to.as_deref())?;
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let change = Change {
        add: keys::recipients(&args.add)?,
        remove: keys::former_recipients(&args.remove)?,
    };
    if change.add.is_empty()
        && new_passphrase.is_none()
        && (args.remove.is_empty() || args.reencrypt)
    {
        let text = "nothing says who is to open the image: --add RECIPIENT, --remove RECIPIENT, \
                    --new-pass-file FILE";
        return Err(Usage(text.to_owned()).into());
    }
    let keys = Keys::new(session.keys.given(&args.passphrase)?, &args.keys)?;
    let source = session.places.source(&from, ExportForm::AsTheyCome)?;
    let sink = session.places.sink(&to)?;
    let mut rewrapping = Rewrapping { args, session, keys, change, new_passphrase, locked: None };
    match Artifact::read(&source)? {
        Artifact::Image(image) => {
            let protection = Protection::of(&image)?.ok_or(DecryptError::NotEncrypted)?;
            let image = rewrapping.put(&image, protection, &*sink)?;
            rewrapping.tell_what_stays();
            let written = session.commit(&image, &*sink)?;
            print_written(args.output, &to, &written, &image)
        }
        Artifact::Index { index, .. } => {
            let mut any = false;
            let rewrap = |image: Image| match Protection::of(&image)? {
                Some(protection) => {
                    any = true;
                    rewrapping.put(&image, protection, &*sink)
                }
                None => Ok(image),
            };
            let keep = Attestations::Keep;
            let index = children::put(session, &source, &index, &*sink, keep, rewrap)?;
            if !any {
                return Err(DecryptError::NotEncrypted.into());
            }
            rewrapping.tell_what_stays();
            let written = session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?;
            print_index(args.output, &to, &written)
        }
    }
}

/// A change of who can open images.
struct Rewrapping<'a> {
    args: &'a RewrapArgs,
    session: &'a Session,
    keys: Keys,
    change: Change,
    new_passphrase: Option<Passphrase>,
    /// The new passphrase as a recipient, once there is an image that takes it so.
    locked: Option<Recipient>,
}

impl Rewrapping<'_> {
    /// Returns `image` for others, its layers in `sink`; it is not committed yet.
    fn put(&mut self, image: &Image, protection: Protection, sink: &dyn Sink) -> Result<Image> {
        if !self.keys.is_any() {
            if !protection.takes_passphrase() {
                return Err(MissingImageIdentity.into());
            }
            self.keys.take(self.session.keys.to_decrypt(&self.args.passphrase)?);
        }
        if !self.args.reencrypt {
            pushed::forget(self.session, image);
        }
        let encryption = match &protection {
            Protection::CryptoCli(of) => {
                let passphrase = match &self.new_passphrase {
                    Some(new) if self.change.add.is_empty() && self.change.remove.is_empty() => new,
                    _ => return Err(Usage(ONE_PASSPHRASE.to_owned()).into()),
                };
                let rounds = self.args.iterations;
                if !self.args.reencrypt {
                    let key = FreshKey::derive(passphrase, rounds)?;
                    return Ok(senetas::rewrap(image, &mut self.keys.derivation()?, &key)?);
                }
                let shape = of.shape.unwrap_or(KeyDataShape::Member);
                Encryption::under(passphrase.clone(), rounds, shape)
            }
            Protection::Oci(of) => {
                if let (Some(passphrase), None) = (&self.new_passphrase, &self.locked) {
                    let locked = Recipient::passphrase(passphrase)?;
                    self.change.add.push(locked.clone());
                    self.locked = Some(locked);
                }
                if !self.args.reencrypt {
                    let (identities, terms) = (self.keys.identities(of)?, self.terms());
                    return Ok(ocicrypt::rewrap(image, &identities, terms.unbound, &self.change)?);
                }
                Encryption::again(self.change.add.clone())
            }
        };
        let places = protection.selection(image)?;
        let spool = self.session.places.spool();
        let opened = opening::open(image, &self.keys, self.terms(), spool)?;
        let encryptor = encryption.encryptor(&opened.image, &places)?;
        let image = self.session.put_encrypted(&opened.image, &encryptor, sink)?;
        opened.tell_wrong_digests();
        Ok(image)
    }

    fn terms(&self) -> Terms {
        Terms::new(Unencrypted::Refuse, &self.args.keys)
    }

    /// Says what a removal does not do. Only in crypto-cli's format is a new passphrase one.
    fn tell_what_stays(&self) {
        let replaced = self.new_passphrase.is_some() && self.locked.is_none();
        if !self.args.reencrypt && (replaced || !self.change.remove.is_empty()) {
            talk::note(DATA_KEYS_STAY);
        }
    }
}

const ONE_PASSPHRASE: &str = "the image is in the format of crypto-cli, which has one passphrase and no \
                              recipients: name the new one with --new-pass-file or --new-pass-fd";

const DATA_KEYS_STAY: &str = "the data keys stay: whoever could open the image can still read its layers, \
                              here and in every copy (--reencrypt makes new keys for what is here)";

/// Returns where the result goes: the same place, or another tag beside it.
fn destination(from: &Location, tag: Option<&str>) -> Result<Location> {
    match (from, tag) {
        (Location::Registry(reference), Some(tag)) => {
            let name = format!("{}:{tag}", reference.repository().familiar());
            let reference = name.parse().map_err(|error| Usage(format!("--to: {error}")))?;
            Ok(Location::Registry(reference))
        }
        (Location::Registry(reference), None) if reference.digest().is_some() => {
            let text =
                "what is named by a digest cannot be changed: give the result a tag with --to";
            Err(Usage(text.to_owned()).into())
        }
        (Location::Registry(_), None) => Ok(from.clone()),
        (Location::OciLayout { folder, .. }, Some(tag)) => {
            Ok(Location::OciLayout { folder: folder.clone(), name: Some(tag.to_owned()) })
        }
        (Location::OciLayout { name: Some(_), .. }, None) => Ok(from.clone()),
        (Location::OciLayout { .. }, None) => {
            let text =
                "say which image of the layout is meant, oci:DIR:TAG, or name the result with --to";
            Err(Usage(text.to_owned()).into())
        }
        _ => {
            let text = "images can be rewrapped in a registry and in an OCI layout only";
            Err(Usage(text.to_owned()).into())
        }
    }
}
