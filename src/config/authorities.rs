//! Certificate authorities that the operator names beside the public ones.

use std::fmt::Display;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Reads a PEM file of certificates, each of which must be fit to be trusted.
pub(super) fn read_authorities(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let refused = |why: &dyn Display| format!("{path}: {why}");
    let certificates = CertificateDer::pem_file_iter(Path::new(path)).map_err(|w| refused(&w))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|why| refused(&why))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|why| refused(&why))?;
    }
    if roots.is_empty() { Err(refused(&"holds no certificate in PEM")) } else { Ok(certificates) }
}
