//! Notices of operations, in words for people.

use std::sync::Arc;

use sealcrate_core::{FileSession, LeftBehind, Listener, Notice, WhyDropped};
use sealcrate_pack::Privilege;

use crate::environment::interrupt::Interrupt;
use crate::output::failure::one_line_of;
use crate::output::report::{self, printable};
use crate::output::talk;

/// Tells people what an operation does, and holds interruptions off while names are given.
pub(crate) struct Teller {
    interrupt: Interrupt,
}

impl Teller {
    /// Takes the interruptions to hold off.
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self { interrupt }
    }
}

/// Returns the tools of operations on files. They show no progress.
pub(crate) fn files(interrupt: &Interrupt) -> FileSession {
    FileSession {
        leftovers: interrupt.leftovers().clone(),
        listener: Arc::new(Teller::new(interrupt.clone())),
        ..FileSession::new()
    }
}

impl Listener for Teller {
    fn notice(&self, notice: &Notice) {
        tell(notice);
    }

    fn names_begin(&self) {
        self.interrupt.begin_to_hold();
    }

    fn names_end(&self) {
        self.interrupt.end_to_hold();
    }
}

fn tell(notice: &Notice) {
    match notice {
        Notice::AttestationsDropped { digests, why } => tell_dropped(digests, *why),
        Notice::BaseStaysClear { clear, all } => {
            talk::note(format!("layers of the base stay in clear: {clear} of {all}"));
        }
        Notice::DataKeysStay => talk::note(DATA_KEYS_STAY),
        Notice::EarlierUnusable { location, error } => {
            let told = printable(&one_line_of(error));
            talk::warn(format!("nothing of {location} is used again: {told}"));
        }
        Notice::EncryptedAnew { layers, reason } => tell_encrypted_anew(*layers, reason),
        Notice::Exposed(exposed) => {
            talk::warn(format!("anybody can read {exposed}: the config is in clear"));
        }
        Notice::FilesBesideLeftOut { count, first } => talk::note(format!(
            "the program alone is written, without the {count} files and folders beside it; the first is {}",
            printable(first)
        )),
        Notice::FlatIndex => {
            talk::note("indexes within the index are written out: encrypted indexes are flat");
        }
        Notice::KeepsHome { home, place } => talk::note(format!(
            "an encrypted image keeps its home: to pull it from {place}, say where it was pushed to, as \
             --home {home}"
        )),
        Notice::LargeRecord { bytes } => talk::warn(format!(
            "the annotation with the image's sealed record is {} long, and some engines copy annotations into \
             containers: fewer annotations, or fewer recipients, make it shorter",
            report::bytes(*bytes)
        )),
        Notice::LayerNotSearched(layer) => {
            talk::note(format!("layer {layer} is encrypted, and not searched"));
        }
        Notice::LeftBehind(left) => tell_left_behind(left),
        Notice::LooksBesideItself(run_path) => talk::warn(format!(
            "the program looks for libraries beside itself ({}), but once it is packed and started \
             it lies in no folder: link it statically, or to libraries at a path, or {IN_FOLDER}, and \
             the libraries beside it, with --with FILE",
            printable(run_path)
        )),
        Notice::MemoryUnusable(error) => {
            talk::warn(format!("the cache is not used: {}", one_line_of(&**error)));
        }
        Notice::MemoryUnwritten(error) => {
            talk::warn(format!("the cache cannot be written: {}", one_line_of(&**error)));
        }
        Notice::NotSealedTogether => talk::warn(NOT_SEALED_TOGETHER),
        Notice::NotUsedAgain { name, reason } => {
            talk::warn(format!("{name} is not used again: {reason}"));
        }
        Notice::OtherRecord => talk::note(OTHER_RECORD),
        Notice::PrivilegesLost(privileges) => tell_lost(privileges),
        Notice::Readers { named, unnamed } => tell_readers(named, *unnamed),
        Notice::ReadsItsOwnFile(own_file) => talk::warn(format!(
            "the program {own_file}, but once it is packed and started it has none: {IN_FOLDER}"
        )),
        Notice::SealedTogether { platform, digest } => {
            let platform = printable(platform.as_deref().unwrap_or("no platform"));
            talk::note(format!("sealed together: {platform}, {digest}"));
        }
        Notice::Unbound => talk::warn(UNBOUND),
        Notice::UnboundIndex => talk::warn(UNBOUND_INDEX),
        Notice::UnknownStarter { starter, location } => talk::warn(format!(
            "the {starter} in {location} is not one of this sealcrate: another version has put it there, or \
             somebody has exchanged it to get the key"
        )),
        Notice::WrongDigests(layers) => talk::warn(format!(
            "layers are not of the digests that stand beside their keys, but of the diff IDs in the config: {}",
            layers.join(", ")
        )),
    }
}

fn tell_dropped(digests: &[String], why: WhyDropped) {
    let (reason, advice) = match why {
        WhyDropped::NotAsked => ("", " (--keep-attestations keeps them)"),
        WhyDropped::TellOfBuild => (TELL_OF_BUILD, " (--keep-attestations keeps them)"),
        WhyDropped::NeverKept => (TELL_OF_BUILD, ""),
    };
    talk::note(format!("attestations are left out{reason}: {}{advice}", digests.join(", ")));
}

fn tell_encrypted_anew(layers: usize, reason: &str) {
    let layers = match layers {
        1 => "1 layer is".to_owned(),
        _ => format!("{layers} layers are"),
    };
    let reason = printable(reason);
    talk::note(format!(
        "{layers} encrypted anew: {reason} (--reuse-anyway uses earlier ones again)"
    ));
}

fn tell_left_behind(left: &LeftBehind) {
    talk::note(match left {
        LeftBehind::Repository(repository) => {
            format!(
                "layers that lie in {repository} in clear stay there until the registry removes them"
            )
        }
        LeftBehind::Layout { folder, name: Some(name) } => {
            format!("the image in clear stays in {folder} as {name}")
        }
        LeftBehind::Layout { folder, name: None } => {
            format!("the image in clear stays in {folder} without a name")
        }
    });
}

fn tell_lost(privileges: &[Privilege]) {
    let names = privileges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    talk::warn(format!("the packed program does not have the program's {names}"));
}

fn tell_readers(named: &[String], unnamed: usize) {
    let mut readers: Vec<String> = named.iter().map(|reader| printable(reader)).collect();
    if unnamed > 0 {
        readers.push(format!("{unnamed} whose names nobody sealed"));
    }
    talk::note(format!("readers of the image: {}", readers.join(", ")));
}

const IN_FOLDER: &str = "put it into a folder when it starts, with --in-folder PATH";

const TELL_OF_BUILD: &str = ", since they tell of the build in clear";

const DATA_KEYS_STAY: &str = "the data keys stay: whoever could open the image can still read its layers, \
                              here and in every copy (--reencrypt makes new keys for what is here)";

const NOT_SEALED_TOGETHER: &str = "nothing binds the images of the index to each other: other tools or earlier \
                                   versions made some of them (--reencrypt seals them together)";

const OTHER_RECORD: &str = "the image has a sealed record of another one, which tools leave behind that encrypt or \
                            decrypt by themselves: it does not count";

const UNBOUND: &str = "another tool wrote this image, and nothing in it binds layers and config to each other: \
                       somebody without a key may have changed them (--require-binding refuses such images)";

const UNBOUND_INDEX: &str = "nothing binds the images of this index to each other: somebody without a key may have \
                             changed which there are (`sealcrate rewrap` seals them together; --require-binding=2 \
                             refuses such indexes)";
