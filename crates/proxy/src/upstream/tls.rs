//! TLS to upstreams: rustls with aws-lc-rs, Mozilla's roots and the operator's, HTTP/2 preferred.
//!
//! There is no client certificate, no way to skip verification, and no key log.

use std::path::Path;
use std::sync::Arc;

use keystore_vault::fips;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Why no TLS configuration can be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of further certificate authorities cannot be read.
    #[error("cannot read certificate authorities from {path}: {source}")]
    ExtraCa {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate, or one that is not valid.
    #[error("{path} holds no usable certificate authority")]
    NoCa {
        /// The file.
        path: String,
    },
    /// A build for FIPS mode that would use other functions.
    #[error("this is a build for FIPS mode, and TLS is not in it")]
    NotFips,
    /// The crypto provider supports no protocol version.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The one configuration of all upstream connections.
pub(crate) fn client_config(extra_ca: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra_ca {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if fips::BUILT && !config.fips() {
        return Err(TrustError::NotFips);
    }
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let name = || path.display().to_string();
    let unread = |source| TrustError::ExtraCa { path: name(), source };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        roots
            .add(certificate.map_err(unread)?)
            .map_err(|_| TrustError::NoCa { path: name() })?;
    }
    if roots.len() == before {
        Err(TrustError::NoCa { path: name() })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_is_offered_first() {
        let config = client_config(None).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn a_file_of_authorities_must_hold_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert!(matches!(
            client_config(Some(&path)),
            Err(TrustError::ExtraCa { .. })
        ));
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(matches!(client_config(Some(&path)), Err(TrustError::NoCa { .. })));
        let made = rcgen::generate_simple_self_signed(["upstream.test".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert!(client_config(Some(&path)).is_ok());
    }
}
