//! `rewrap`: who can open an image is changed, where it lies.

use anyhow::Result;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::ocicrypt::{self, Change, DecryptError, Recipient};
use sealcrate_crypt::senetas::{self, FreshKey, KeyDataShape, KeyDerivation};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Location};

use super::print_written;
use crate::args::{ImageName, RewrapArgs};
use crate::encryption::Encryption;
use crate::failure::{MissingImageIdentity, Usage, WrongKind};
use crate::opening::{self, Keys, Protection, Terms};
use crate::session::Session;
use crate::{keys, talk};

pub(crate) fn run(args: &RewrapArgs, session: &Session) -> Result<()> {
    let from = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let to = destination(&from, args.to.as_deref())?;
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let add = keys::recipients(&args.add)?;
    if add.is_empty() && new_passphrase.is_none() && (args.remove.is_empty() || args.reencrypt) {
        let text = "nothing says who is to open the image: --add RECIPIENT, --remove RECIPIENT, \
                    --new-pass-file FILE";
        return Err(Usage(text.to_owned()).into());
    }
    let source = session.places.source(&from, ExportForm::AsTheyCome)?;
    let Artifact::Image(image) = Artifact::read(&source)? else {
        let text = format!("{from} is an index: name one of its images by digest, and --to a tag");
        return Err(Usage(text).into());
    };
    let protection = Protection::of(&image)?.ok_or(DecryptError::NotEncrypted)?;
    let mut keys = Keys::new(session.keys.given(&args.passphrase)?, &args.keys)?;
    if !keys.is_any() {
        if !protection.takes_passphrase() {
            return Err(MissingImageIdentity.into());
        }
        keys.passphrase = Some(session.keys.to_decrypt(&args.passphrase)?);
    }
    let terms = Terms::new(Unencrypted::Refuse, &args.keys);
    let sink = session.places.sink(&to)?;
    let image = match protection {
        Protection::CryptoCli(of) => {
            let passphrase = match new_passphrase {
                Some(passphrase) if add.is_empty() && args.remove.is_empty() => passphrase,
                _ => return Err(Usage(ONE_PASSPHRASE.to_owned()).into()),
            };
            if args.reencrypt {
                let shape = of.shape.unwrap_or(KeyDataShape::Member);
                let encryption = Encryption::under(passphrase, args.iterations, shape);
                let places = Protection::CryptoCli(of).selection(&image)?;
                let image = opening::open(&image, keys, terms, session.places.spool())?.image;
                let encryptor = encryption.encryptor(&image, &places)?;
                session.put_encrypted(&image, &encryptor, &*sink)?
            } else {
                let mut kdf = KeyDerivation::new(keys.passphrase.ok_or(WrongKind::Identity)?);
                let key = FreshKey::derive(&passphrase, args.iterations)?;
                talk::note(DATA_KEYS_STAY);
                senetas::rewrap(&image, &mut kdf, &key)?
            }
        }
        Protection::Oci(of) if args.reencrypt => {
            let encryption = Encryption::again(add, new_passphrase);
            let places = Protection::Oci(of).selection(&image)?;
            let opened = opening::open(&image, keys, terms, session.places.spool())?;
            let encryptor = encryption.encryptor(&opened.image, &places)?;
            let image = session.put_encrypted(&opened.image, &encryptor, &*sink)?;
            opened.tell_wrong_digests();
            image
        }
        Protection::Oci(of) => {
            let mut change = Change { add, remove: keys::recipients(&args.remove)? };
            if let Some(passphrase) = new_passphrase {
                change.add.push(Recipient::passphrase(&passphrase)?);
            }
            let rewrapped = ocicrypt::rewrap(&image, &keys.for_oci(&of)?, terms.unbound, &change)?;
            if !change.remove.is_empty() {
                talk::note(DATA_KEYS_STAY);
            }
            rewrapped
        }
    };
    let written = session.commit(&image, &*sink)?;
    print_written(args.output, &to, &written, &image)
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
