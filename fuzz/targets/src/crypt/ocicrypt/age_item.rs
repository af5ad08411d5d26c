//! Items of ours, which hold age files.

use sealcrate_crypt::ocicrypt::AgeItem;
use serde_json::Value;

/// Parses bytes, and compares each accepted item with an independent reading.
pub(crate) fn run(data: &[u8]) {
    if let Ok(item) = AgeItem::parse(data) {
        assert!(data.len() <= 64 << 10);
        let json: Value = serde_json::from_slice(data).expect("an item is JSON");
        assert_eq!(json["v"], 1);
        assert_eq!(item.has_lock(), json["lock"].is_string());
    }
}
