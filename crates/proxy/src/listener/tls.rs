//! The TLS side of a listener: from PEM files to a configuration. TLS 1.2 and 1.3, aws-lc-rs, no client certificates.
//! Reads the files once; a renewed certificate is taken up by a restart.

use std::path::Path;
use std::sync::Arc;

use keystore_vault::fips;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TlsError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The configuration for the certificate chain in `certificates` (leaf first) and its private key in `key` (PKCS #8, PKCS #1
/// or SEC 1), both PEM. Offers HTTP/2 and HTTP/1.1.
///
/// # Errors
///
/// Names the file that cannot be read, holds nothing of the wanted kind, or does not fit the other.
pub fn tls_from_pem(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |path: &Path, reason: String| TlsError {
        path: path.display().to_string(),
        reason,
    };
    let pem = |path: &Path| std::fs::read(path).map_err(|error| fault(path, error.to_string()));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem(certificates)?)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(certificates, format!("not valid PEM: {error}")))?;
    if chain.is_empty() {
        return Err(fault(certificates, "holds no PEM certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&pem(key)?)
        .map_err(|error| fault(key, format!("holds no unencrypted PEM private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(certificates, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| {
            fault(
                key,
                format!(
                    "does not fit the certificate in {}: {error}",
                    certificates.display()
                ),
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if fips::BUILT && !config.fips() {
        return Err(fault(
            certificates,
            "this is a build for FIPS mode, and TLS is not in it".to_owned(),
        ));
    }
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            files.write("cert.pem", &made.cert.pem());
            files.write("key.pem", &made.signing_key.serialize_pem());
            files
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.folder.path().join(name), text).unwrap();
        }

        fn load(&self, certificates: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
            tls_from_pem(
                &self.folder.path().join(certificates),
                &self.folder.path().join(key),
            )
        }
    }

    #[test]
    fn a_pair_loads_with_both_protocols() {
        let config = Files::new().load("cert.pem", "key.pem").unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn errors_name_the_file_and_the_fault() {
        let files = Files::new();
        files.write("empty.pem", "");
        let other = Files::new();
        std::fs::copy(
            other.folder.path().join("key.pem"),
            files.folder.path().join("other.pem"),
        )
        .unwrap();
        for (certificates, key, file, word) in [
            ("none.pem", "key.pem", "none.pem", "No such file"),
            ("empty.pem", "key.pem", "empty.pem", "no PEM certificate"),
            ("key.pem", "key.pem", "key.pem", "no PEM certificate"),
            ("cert.pem", "cert.pem", "cert.pem", "private key"),
            ("cert.pem", "other.pem", "other.pem", "does not fit"),
        ] {
            let error = files.load(certificates, key).unwrap_err();
            assert!(error.path.ends_with(file), "{error}");
            assert!(error.reason.contains(word), "{error}");
        }
    }
}
