//! Open files and folders, and their properties.

mod folder;
mod mapped;
mod properties;

pub use self::folder::{FileSystem, Folder, Names};
pub use self::mapped::Mapped;
pub use self::properties::{Status, link_says};
