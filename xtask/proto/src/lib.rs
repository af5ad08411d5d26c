//! The code of the key providers' gRPC service, made of its definition in Protocol Buffers.
//!
//! The program is built of the code that is committed, so that its build needs no `protoc`. This package needs
//! one: `cargo xtask proto` runs it, and its test compares the committed code with the code that it makes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The definition, from the folder of the workspace.
const DEFINITION: &str = "crates/cli/proto/keyprovider.proto";

/// The code that is committed, from the folder of the workspace.
const COMMITTED: &str = "crates/cli/src/grpc/keyprovider.rs";

/// The file that the generator writes: it has the name of the definition's package.
const GENERATED: &str = "keyprovider.rs";

/// The first lines of the code.
const HEAD: &str = "\
//! The key providers' service: its messages, its client and its server.
//!
//! Generated from `proto/keyprovider.proto` by `cargo xtask proto`; not edited by hand.

";

/// Returns the path of the code that is committed.
pub fn committed() -> PathBuf {
    workspace().join(COMMITTED)
}

/// Returns the code that the definition gives.
///
/// # Errors
/// There is no `protoc`, or it cannot read the definition.
pub fn generate() -> anyhow::Result<String> {
    let definition = workspace().join(DEFINITION);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    tonic_prost_build::configure()
        .out_dir(folder.path())
        .emit_rerun_if_changed(false)
        // The program makes its connections itself.
        .build_transport(false)
        .codec_path("crate::grpc::codec::SecretCodec")
        // Messages hold keys.
        .skip_debug(["."])
        .message_attribute(".", "#[derive(::zeroize::ZeroizeOnDrop)]")
        .compile_protos(
            &[definition.as_path()],
            &[definition.parent().context("it lies in a folder")?],
        )
        .context("cannot generate: is protoc installed (Debian: protobuf-compiler)?")?;
    let code = fs::read_to_string(folder.path().join(GENERATED))
        .with_context(|| format!("the generator wrote no {GENERATED}"))?;
    Ok(format!("{HEAD}{code}"))
}

fn workspace() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    xtask.and_then(Path::parent).expect("the package lies in the folder xtask of the workspace")
}
