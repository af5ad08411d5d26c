//! Pushes the image of an OCI layout to a registry, encrypted to an age recipient:
//! `push_encrypted LAYOUT NAME RECIPIENT`.

#![allow(clippy::print_stdout)]

use std::error::Error;

use sealcrate_core::{
    Attestations, Direct, Encrypting, Exposure, PushOptions, Reuse, Session, push,
};
use sealcrate_crypt::ocicrypt::{History, Recipient, ToRecipients};
use sealcrate_crypt::select::Selection;
use sealcrate_image::registry::Access;
use sealcrate_image::{Compression, Location, Spool};

fn main() -> Result<(), Box<dyn Error>> {
    let [layout, name, recipient]: [String; 3] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "LAYOUT NAME RECIPIENT")?;
    let spool = Spool::in_folder(std::env::temp_dir());
    let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
    let recipients = vec![Recipient::age(&recipient)?];
    let encryption = ToRecipients::new(recipients, None, Compression::Gzip, History::Scrub);
    let (encryption, selection) = (&encryption, &Selection::All);
    let written = push(
        &session,
        &PushOptions {
            from: &Location::OciLayout { folder: layout.into(), name: None },
            to: &name.parse()?,
            encrypting: Some(Encrypting { encryption, selection }),
            platform: None,
            reuse: Reuse::Nothing,
            attestations: Attestations::Drop,
            exposure: Exposure::Refuse,
        },
    )?;
    println!("{name}@{}", written.descriptor().digest);
    Ok(())
}
