//! TLS to NATS that says why it refuses a server: the client library tells no more than that its
//! connection failed, again and again.

use basalt_base::{Error, Reason, Result};
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// TLS that trusts the system's authorities and those of a PEM file. Errors: `InvalidSetting` for a
/// file without certificates.
pub(crate) fn config(ca: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| {
            let message = format!("`nats_ca`: {} can't be read: {error}", path.display());
            Error::new(Reason::InvalidSetting, message)
        })?;
        let (added, _) = roots.add_parsable_certificates(certificates.flatten());
        if added == 0 {
            let message = format!("`nats_ca`: {} holds no certificate", path.display());
            return Err(Error::new(Reason::InvalidSetting, message));
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    if roots.is_empty() {
        // Nothing is trusted; without TLS that does not matter.
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(Error::internal)?;
    let telling = Telling {
        inner,
        told: Mutex::default(),
    };
    let builder = builder.dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(telling));
    Ok(builder.with_no_client_auth())
}

/// The usual checks, with a line in the log when another reason than the last one refuses a server.
#[derive(Debug)]
struct Telling {
    inner: Arc<WebPkiServerVerifier>,
    told: Mutex<Option<rustls::Error>>,
}

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let inner = &self.inner;
        let outcome = inner.verify_server_cert(certificate, between, name, ocsp, now);
        let mut told = self.told.lock();
        match &outcome {
            Ok(_) => *told = None,
            Err(error) if told.as_ref() == Some(error) => {}
            Err(error) => {
                tracing::error!(server = ?name, %error, "the certificate of NATS is refused");
                *told = Some(error.clone());
            }
        }
        drop(told);
        outcome
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let inner = &self.inner;
        inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let inner = &self.inner;
        inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_certificates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refused = |path: &Path| {
            let error = config(Some(path)).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidSetting);
            error.message().to_owned()
        };
        assert!(refused(&path).contains("can't be read"));
        std::fs::write(&path, "no certificate\n").unwrap();
        assert!(refused(&path).contains("ca.pem holds no certificate"));
        config(None).unwrap();
    }
}
