//! TLS in which both sides show certificates.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};
use zeroize::Zeroizing;

/// The longest file of certificates or keys.
const MAX_BYTES: usize = 1 << 20;

/// Makes TLS 1.3 of PEM files: our certificates and key, and the authorities of the permitted
/// clients.
pub(super) fn config(cert: &Path, key: &Path, client_ca: &Path) -> Result<ServerConfig> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(client_ca)? {
        roots.add(authority).with_context(|| cannot_use(client_ca))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .with_context(|| cannot_use(client_ca))?;
    let pem = read(key)?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem).with_context(|| cannot_use(key))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(cert)?, key_der)
        .with_context(|| format!("cannot use {} with {}", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.with_context(|| cannot_use(path))?;
    ensure!(!found.is_empty(), "there is no certificate in {}", path.display());
    Ok(found)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    // The buffer has room for the longest file. If it grew, it would leave pieces of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {}", path.display()))?;
    // A file that is cut off would miss some of its authorities.
    ensure!(bytes.len() <= MAX_BYTES, "{} is longer than 1 MiB", path.display());
    Ok(bytes)
}

fn cannot_use(path: &Path) -> String {
    format!("cannot use {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for (len, is_read) in [(MAX_BYTES, true), (MAX_BYTES + 1, false)] {
            std::fs::write(&path, vec![b'\n'; len]).unwrap();
            assert_eq!(read(&path).is_ok(), is_read, "{len}");
        }
        let error = certificates(&path).unwrap_err().to_string();
        assert!(error.ends_with("ca.pem is longer than 1 MiB"), "{error}");
        std::fs::write(&path, "no certificate").unwrap();
        assert!(certificates(&path).is_err());
    }
}
