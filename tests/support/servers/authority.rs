//! A certificate authority of the test's own, for servers on 127.0.0.1.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::note_key;

/// A certificate authority and one server certificate of it, for 127.0.0.1 and `localhost`.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    server_certificate: Vec<u8>,
    server_key: Vec<u8>,
}

impl Authority {
    /// Makes fresh keys and certificates.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.distinguished_name.push(rcgen::DnType::CommonName, "sealcrate test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, new_key())
            .expect("a new key can sign its own certificate");
        let key = new_key();
        let certificate = CertificateParams::new(["127.0.0.1".into(), "localhost".into()])
            .expect("these names are valid")
            .signed_by(&key, &authority)
            .expect("the authority can sign");

        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("the temporary folder can be written");
        };
        write("ca.crt", &authority.pem());
        write("server.pem", &certificate.pem());
        write("server-key.pem", &key.serialize_pem());
        note_key(key.serialize_pem().as_bytes());
        Self {
            folder,
            server_certificate: certificate.der().to_vec(),
            server_key: key.serialize_der(),
        }
    }

    /// A folder with `ca.crt`, as `certs.d` and `skopeo --cert-dir` want it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The PEM file of the authority's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The PEM file of the server's certificate, which a client can show as well.
    pub fn server_certificate_file(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The PEM file of the server's key.
    pub fn server_key_file(&self) -> PathBuf {
        self.folder.path().join("server-key.pem")
    }

    /// The server certificate in DER.
    pub(crate) fn server_certificate(&self) -> &[u8] {
        &self.server_certificate
    }

    /// The server's P-256 key in PKCS #8.
    pub(crate) fn server_key(&self) -> &[u8] {
        &self.server_key
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a P-256 key can be made")
}
