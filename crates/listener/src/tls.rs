//! The certificate, read again when its files change.

use crate::TlsFiles;
use arc_swap::ArcSwap;
use basalt_base::{Error, Reason, Result};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// The certificate in use.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Stamp>,
}

/// What tells that a file is another one than before.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Reads the files. Errors: `InvalidSetting`, which names the file.
    pub(crate) fn load(files: TlsFiles) -> Result<Self> {
        let seen = stamp(&files);
        let current = ArcSwap::from_pointee(config(&files)?);
        Ok(Self {
            files,
            current,
            seen: Mutex::new(seen),
        })
    }

    /// The configuration for the next handshake.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again if they changed. Bad ones leave the old certificate in use.
    pub(crate) fn refresh(&self) {
        let now = stamp(&self.files);
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        drop(seen);
        match config(&self.files) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!("the TLS certificate was read again");
            }
            Err(error) => {
                tracing::warn!(
                    ?error,
                    "the new TLS certificate is unusable; the old one stays"
                );
            }
        }
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn config(files: &TlsFiles) -> Result<ServerConfig> {
    let chain = chain(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable(&files.key, "PEM private key", error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&files.key, "key of that certificate", error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(Error::internal)?;
    Ok(config)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let wanted = "PEM certificate chain";
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, wanted, error))?;
    if chain.is_empty() {
        return Err(unusable(path, wanted, "it holds no certificate"));
    }
    Ok(chain)
}

fn unusable(
    path: &Path,
    wanted: &str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let why = why.into();
    let message = format!("{} is no usable {wanted}: {why}", path.display());
    Error::new(Reason::InvalidSetting, message).with_source(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(files: &TlsFiles, name: &str) {
        let pair = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
        std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn reads_again_what_changed_and_keeps_the_old_over_a_bad_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        assert!(Tls::load(files.clone()).is_err());
        write_pair(&files, "localhost");
        let tls = Tls::load(files.clone()).unwrap();
        let first = tls.current();
        tls.refresh();
        assert!(Arc::ptr_eq(&first, &tls.current()));

        write_pair(&files, "a-longer-name.example");
        tls.refresh();
        let second = tls.current();
        assert!(!Arc::ptr_eq(&first, &second));

        std::fs::write(&files.key, "nonsense").unwrap();
        tls.refresh();
        assert!(Arc::ptr_eq(&second, &tls.current()));
    }
}
