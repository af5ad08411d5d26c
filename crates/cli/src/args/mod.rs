//! The arguments of all commands. Help, man pages and completions are generated from here.

// The comments on arguments are help texts first, in which brackets are no links.
#![allow(rustdoc::broken_intra_doc_links)]

mod copy;
mod decoder;
mod inspect;
mod keygen;
mod keyprovider;
mod lock;
mod pack;
mod pull;
mod push;
mod respond;
mod rewrap;
mod shared;
mod unpack;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use copy::CopyArgs;
pub(crate) use decoder::DecoderArgs;
pub(crate) use inspect::InspectArgs;
pub(crate) use keygen::KeygenArgs;
pub(crate) use keyprovider::{KeyproviderArgs, ServeAddress};
pub(crate) use lock::{DeploymentForm, LockArgs, UnlockArgs};
pub(crate) use pack::{OpenerArgs, PackArgs, StartArgs};
pub(crate) use pull::{PullArgs, ReadingArgs};
pub(crate) use push::{EncryptionArgs, EncryptionType, Output, PushArgs};
pub(crate) use respond::RespondArgs;
pub(crate) use rewrap::RewrapArgs;
pub(crate) use shared::common::{
    CompressionArgs, CompressionKind, ImageName, NewPassphraseArgs, PassphraseArgs, SelectionArgs,
    Typed,
};
pub(crate) use shared::identity::{IdentityArgs, ImageKey, KeyFile, PasswordSource};
pub(crate) use shared::recipient::{Format, ImageRecipientArgs};
pub(crate) use shared::registry::{MainRegistry, RegistryArgs, RegistryHost};
pub(crate) use unpack::UnpackArgs;

/// Keeps container images private on public registries.
#[derive(Debug, Parser)]
#[command(name = "sealcrate", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 done, 1 failure, 2 usage, 3 wrong or missing key, 4 refused \
    because it is not encrypted, 5 damaged or tampered with."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// How much is said, on standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct TalkArgs {
    /// Say nothing but errors and warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show the requests that are made, without secrets
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encrypt an image and push it to a registry
    ///
    /// Which layers are encrypted is said in the Dockerfile, by LABEL
    /// com.senetas.crypto.enabled=true before the private layers and =false after them, or by one of
    /// --encrypt-layer, --all-layers and --base.
    Push(PushArgs),
    /// Pull an image from a registry and decrypt it
    Pull(PullArgs),
    /// Copy an image from anywhere to anywhere
    ///
    /// Without a key, bytes are copied as they are. A passphrase or an identity decrypts the image that is
    /// read. A new passphrase encrypts the image that is written. Both together encrypt anew under new keys.
    ///
    /// Locations are docker-daemon:NAME[:TAG], docker-archive:FILE[:NAME:TAG], oci:DIR[:TAG],
    /// oci-archive:FILE[:TAG] and docker://NAME[:TAG|@DIGEST].
    Copy(CopyArgs),
    /// Change who can open an encrypted image, without uploading its layers again
    ///
    /// In an image that is encrypted to recipients, keys are wrapped to more or less of them; one in
    /// crypto-cli's format gets another passphrase. Data keys stay, unless --reencrypt encrypts the layers
    /// anew.
    Rewrap(RewrapArgs),
    /// Show what of an image is encrypted, and what a stranger can read
    Inspect(InspectArgs),
    /// Pack a program so that it opens itself when it is started with its key
    ///
    /// The packed program is a file like any other: copy it into an image. When it starts, it looks
    /// for the key in the variable BP, the file that BP_FILE names, the file /run/secrets/bp, and asks
    /// for it on a terminal. A program that is packed to recipients shows a challenge there, which
    /// `sealcrate respond` answers elsewhere.
    Pack(PackArgs),
    /// Get a program back out of a packed one
    Unpack(UnpackArgs),
    /// Lock an image so that it opens itself when it is started with its key
    ///
    /// The locked image is an image like any other: docker pushes, pulls and runs it. Its private
    /// files are unlocked in memory when it starts. It looks for the key in the variable
    /// SEALCRATE_KEY, the file that SEALCRATE_KEY_FILE names, the file /run/secrets/sealcrate_key, and
    /// asks for it on a terminal. Prints what to start it by.
    ///
    /// A Dockerfile that builds FROM the locked image cannot add files to a private folder: they are
    /// hidden when the container starts. Name a folder for them with --mountpoint, or build on the
    /// original image and lock the result.
    Lock(Box<LockArgs>),
    /// Get the original image back out of a locked one
    Unlock(UnlockArgs),
    /// Make a new identity, or a strong passphrase
    Keygen(KeygenArgs),
    /// Answer the challenge of a program that was started without its key
    ///
    /// Only the program that --for names is answered, or one in the image that it names: a challenge
    /// may ask for the key of anything that is encrypted to the same recipient.
    Respond(RespondArgs),
    /// Decrypt one layer for containerd, from standard input to standard output
    ///
    /// This is the stream processor that containerd's documentation calls ctd-decoder, and is what the
    /// binary does when it is called by that name. Which layer it is comes on descriptor 3. Everything is
    /// verified before the first byte is written; what waits is in an unnamed file in $TMPDIR.
    Decoder(DecoderArgs),
    /// Wrap and unwrap keys for other tools, as a key provider
    ///
    /// skopeo, containerd's ctd-decoder and others call key providers that the file names which the variable
    /// OCICRYPT_KEYPROVIDER_CONFIG names: `{"key-providers": {"sealcrate": {"cmd": {"path":
    /// "/usr/local/bin/sealcrate", "args": ["keyprovider"]}}}}`. One request comes on standard input, the answer
    /// goes to standard output. Only age identities open keys that are wrapped here.
    Keyprovider(KeyproviderArgs),
    /// Hold standard output open for a moment, after a decoder that failed
    #[command(hide = true)]
    Linger,
    /// Manage the memory of earlier pushes
    ///
    /// `push` remembers which layers it has sent where, with their data keys, so that it need not send
    /// them again: in $XDG_CACHE_HOME/sealcrate or ~/.cache/sealcrate, sealed under a key that only you can
    /// read, in $XDG_STATE_HOME/sealcrate or ~/.local/state/sealcrate.
    Cache {
        #[command(subcommand)]
        task: CacheTask,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages to a folder
    Man {
        /// The folder, which must exist
        folder: PathBuf,
    },
}

/// A task on the cache.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum CacheTask {
    /// Forget everything
    Purge,
}

impl Command {
    /// Tells whether other programs run it, and show its messages among their own.
    pub(crate) fn is_for_programs(&self) -> bool {
        matches!(self, Self::Decoder(_) | Self::Keyprovider(_))
    }
}

/// The name that containerd's documentation has for its decoder.
const DECODER: &str = "ctd-decoder";

/// Returns the typed words, with the command that the name of the binary stands for.
pub(crate) fn invocation(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut typed: Vec<OsString> = typed.into_iter().collect();
    let name = typed.first().and_then(|name| Path::new(name).file_name());
    if name == Some(OsStr::new(DECODER)) {
        typed.insert(1, "decoder".into());
    }
    typed
}

/// Whether it is the version that ended the parsing, and more than its number was asked for.
pub(crate) fn asks_for_build(error: &clap::Error, typed: &[OsString]) -> bool {
    let options = typed.iter().skip(1).take_while(|word| *word != "--");
    let mut verbose = options.filter_map(|word| word.to_str()).filter(|word| {
        let bundle = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        *word == "--verbose" || bundle.is_some_and(|letters| letters.contains('v'))
    });
    error.kind() == ErrorKind::DisplayVersion && verbose.next().is_some()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn version_of_the_build_is_asked_for_by_two_options() {
        let asks = |words: &[&str]| {
            let typed: Vec<OsString> = words.iter().map(OsString::from).collect();
            asks_for_build(&Cli::try_parse_from(&typed).unwrap_err(), &typed)
        };
        assert!(asks(&["sealcrate", "--version", "--verbose"]));
        assert!(asks(&["sealcrate", "-v", "--version"]) && asks(&["sealcrate", "-Vv"]));
        assert!(!asks(&["sealcrate", "--version"]));
        assert!(!asks(&["sealcrate", "--verbose", "--help"]));
        assert!(!asks(&["sealcrate", "--version", "--", "--verbose"]));
    }

    #[test]
    fn name_of_the_binary_stands_for_a_command() {
        let command = |words: &[&str]| {
            let typed = words.iter().map(OsString::from);
            Cli::parse_from(invocation(typed)).command
        };
        for name in ["ctd-decoder", "/usr/local/bin/ctd-decoder"] {
            let Command::Decoder(args) = command(&[name, "--decryption-keys-path", "/keys"]) else {
                panic!("{name} is not the decoder");
            };
            assert_eq!(args.decryption_keys_path, Some("/keys".into()));
        }
        assert!(matches!(command(&["/ctd-decoder/sealcrate", "keygen"]), Command::Keygen(_)));
    }

    #[test]
    fn definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
