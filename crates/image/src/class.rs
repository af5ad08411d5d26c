//! The classes of the errors of this crate.

use std::error::Error;

use sealcrate_errors::{ErrorClass, class_of};

use crate::archive::ArchiveError;
#[cfg(feature = "engine")]
use crate::engine::{EndpointError, EngineError};
use crate::layout::LayoutError;
#[cfg(feature = "registry")]
use crate::registry::RegistryError;
use crate::{
    CompressionLevelError, ConfigError, Damage, DigestError, ExpansionError, IndexError,
    LocationError, ManifestError, MediumFailure, NoRoom, PlatformError, ReadError, ReferenceError,
    WriteError,
};

/// Returns the class of an error of this crate. It returns `None` for errors of other crates, and where a cause
/// of the error tells the class.
pub fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let class = class_of!(
        error;
        ArchiveError,
        CompressionLevelError,
        ConfigError,
        Damage,
        DigestError,
        ExpansionError,
        IndexError,
        LayoutError,
        LocationError,
        ManifestError,
        MediumFailure,
        NoRoom,
        PlatformError,
        ReadError,
        ReferenceError,
        WriteError,
    );
    #[cfg(feature = "engine")]
    let class = class.or_else(|| class_of!(error; EndpointError, EngineError));
    #[cfg(feature = "registry")]
    let class = class.or_else(|| class_of!(error; RegistryError));
    class
}
