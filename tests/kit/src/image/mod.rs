//! Small images, made by hand and independently of the product's own writers.

mod layout;
mod small;
mod tar;
mod texts;

pub use layout::{Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
pub use small::{Image, gzip};
pub use tar::Tar;
