//! The hints that several errors share.

pub(super) const UNENCRYPTED: &str = "somebody may have put it in the place of an encrypted one; if it is what \
                           you want, say so with --allow-unencrypted";

pub(super) const NOT_BOUND: &str = "it may be whole all the same: most tools bind nothing, and without --require-binding such an \
                         image is read with a warning";

pub(super) const ONE_PLATFORM: &str =
    "--platform OS/ARCH chooses one image of an index, and opens no other";

pub(super) const NO_PASSPHRASE: &str = "give it with --pass-file FILE or --pass-fd N; SEALCRATE_PASS and a prompt on a terminal \
                             will do as well, for copy with --decrypt";
