//! The members of an item as JSON.

use serde::{Deserialize, Serialize};

/// The version of the items that this crate reads and writes.
pub(super) const VERSION: u64 = 1;

/// The members of an item.
#[derive(Serialize, Deserialize)]
pub(super) struct Members {
    pub(super) v: u64,
    pub(super) wrap: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}
