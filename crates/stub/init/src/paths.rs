//! The paths in a locked image that this program knows by itself.

/// The folder that private files are unlocked in.
pub(crate) const UNLOCK_FOLDER: &str = "/dev/sealcrate";

/// The name of our own folder in the unlock folder.
pub(crate) const OWN_FOLDER: &[u8] = b".sealcrate";

/// The name of the file in our own folder that has the state.
pub(crate) const STATE_NAME: &[u8] = b"state";

/// The path of that file.
pub(crate) const STATE: &[u8] = b"/dev/sealcrate/.sealcrate/state";

/// The path of the index. It is in a segment, as the payload of a packed program is.
pub(crate) const INDEX: &[u8] = b"/.sealcrate/payload/index";

/// The folder of the parts of private layers.
pub(crate) const PARTS: &[u8] = b"/.sealcrate/payload/";
