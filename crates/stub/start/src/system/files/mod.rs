//! Open files and folders, and their properties.

pub(in crate::system) mod file;
mod folder;
mod mapped;
mod properties;
mod terminal;

pub use self::file::{Descriptor, File, STDERR, STDIN};
pub use self::folder::{FileSystem, Folder, Names};
pub use self::mapped::Mapped;
pub use self::properties::{Status, link_says, read_link};
pub use self::terminal::wait_for;
