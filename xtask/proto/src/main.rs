//! Writes the code of the key providers' gRPC service anew.

use std::fs;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let path = xtask_proto::committed();
    fs::write(&path, xtask_proto::generate()?)
        .with_context(|| format!("cannot write {}", path.display()))
}
