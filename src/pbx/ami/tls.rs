//! TLS to the PBX: who must have signed its certificate, and what to do when it is not trusted.
//!
//! Asterisk's own script makes a private authority or a self-signed certificate, so most PBXs need
//! `ca_file` or `pin_sha256`. A pinned certificate is compared as a whole; that the PBX has its key is
//! proven by the signatures of the handshake, which are always checked.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;

use crate::config;

/// TLS cannot be set up with this config.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The name is neither a DNS name nor an address.
    #[error("`{0}` cannot be the name in a certificate: set `tls_server_name`")]
    Name(String),
    /// The file of authorities cannot be read.
    #[error("cannot read certificates in PEM from {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The file of authorities has no usable certificate.
    #[error("there is no usable certificate in {}: it must have BEGIN CERTIFICATE lines", .0.display())]
    NoAuthority(PathBuf),
    /// The authorities of the system cannot be used.
    #[error("the certificates of the system cannot be used: set `ca_file` or `pin_sha256`")]
    System(#[source] rustls::Error),
}

/// Makes a connector and the name that the certificate must have.
///
/// # Errors
///
/// When the config names things that cannot be used.
pub fn connector(tls: &config::Tls, host: &str) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
    let provider = Arc::new(ring::default_provider());
    let trust = match (&tls.pin_sha256, &tls.ca_file) {
        (Some(pin), _) => Trust::Pin(*pin),
        (None, Some(path)) => Trust::Signed(signed_by(path.clone(), &provider)?),
        (None, None) => {
            let system = rustls_platform_verifier::Verifier::new(Arc::clone(&provider));
            Trust::Signed(Arc::new(system.map_err(TlsError::System)?))
        }
    };
    let verifier = Verifier { trust, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn signed_by(path: PathBuf, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    let unreadable = |source| TlsError::CaFile { path: path.clone(), source };
    for certificate in CertificateDer::pem_file_iter(&path).map_err(unreadable)? {
        roots.add_parsable_certificates([certificate.map_err(unreadable)?]);
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority(path));
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(builder.build().expect("there is an authority, and no revocation list"))
}

/// Whom to believe.
#[derive(Debug)]
enum Trust {
    Pin([u8; 32]),
    Signed(Arc<dyn ServerCertVerifier>),
}

/// Checks the certificate as the config says and explains a refusal.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(certificate).into();
        let refusal = match &self.trust {
            Trust::Pin(pin) if *pin == found => return Ok(ServerCertVerified::assertion()),
            Trust::Pin(_) => Refusal::NotPinned,
            Trust::Signed(by) => match by.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => Refusal::of(&error, name),
            },
        };
        let error = CertificateRefused { refusal, found };
        Err(CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate of the PBX is not accepted.
#[derive(Debug)]
struct CertificateRefused {
    refusal: Refusal,
    found: [u8; 32],
}

#[derive(Debug)]
enum Refusal {
    NotPinned,
    UnknownIssuer,
    OtherName(String),
    Other(String),
}

impl Refusal {
    fn of(error: &rustls::Error, name: &ServerName<'_>) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::UnknownIssuer,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::OtherName(name.to_str().into_owned()),
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Refusal::NotPinned => f.write_str(
                "the certificate of the PBX is not the pinned one: if the PBX got a new certificate, set \
                 `pin_sha256` to that",
            )?,
            Refusal::UnknownIssuer => f.write_str(
                "nobody who is trusted has signed the certificate of the PBX: name the authority in `ca_file`, \
                 or compare the certificate on the PBX and set `pin_sha256` to it",
            )?,
            Refusal::OtherName(name) => write!(
                f,
                "the certificate of the PBX is not made out to `{name}`: set `tls_server_name` to the name in it"
            )?,
            Refusal::Other(error) => write!(f, "the certificate of the PBX is not accepted: {error}")?,
        }
        f.write_str(" (its SHA-256 is ")?;
        for (index, byte) in self.found.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for CertificateRefused {}

/// Says what went wrong in a handshake, and whether a person must change something first.
pub(super) fn explain(error: &std::io::Error) -> (String, bool) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(refused)))) => {
            (refused.to_string(), true)
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            ("it does not speak TLS: check `port` (usually 5039) and `tls`".to_owned(), true)
        }
        Some(other) => (format!("the TLS handshake failed: {other}"), true),
        None => (format!("the connection broke during the TLS handshake: {error}"), false),
    }
}

#[cfg(test)]
mod tests;
