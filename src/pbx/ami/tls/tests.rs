//! Real handshakes with certificates made here; every sentence that an admin may read.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::driver::peer::ami;
use super::super::link::{LinkError, connect};
use super::*;
use crate::causes;
use crate::pbx::reconnect::Why;

const GREETING: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

/// An authority with its certificate in a file, as Asterisk's `ast_tls_cert` leaves it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), issuer.pem()).unwrap();
        Self { issuer, file }
    }

    fn signs(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.issuer).unwrap()
    }

    fn trusted(&self) -> config::Tls {
        config::Tls { ca_file: Some(self.file.path().to_owned()), ..config::Tls::default() }
    }
}

/// The certificate and key of a PBX.
struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    fn signed_by(authority: &Authority, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Self { certificate: authority.signs(&params, &key).der().clone(), key }
    }

    fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), key }
    }

    fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    fn pinned(&self) -> config::Tls {
        config::Tls { pin_sha256: Some(self.fingerprint()), ..config::Tls::default() }
    }

    /// A PBX with this identity that greets whoever gets through; for one connection.
    async fn listens(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = ring::sign::any_supported_type(&key).unwrap();
        let identity = CertifiedKey::new(vec![self.certificate.clone()], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        #[expect(clippy::disallowed_methods, reason = "it ends with its one connection")]
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                stream.write_all(GREETING).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        address
    }
}

async fn tries(address: SocketAddr, tls: config::Tls) -> Result<Vec<u8>, (String, Why)> {
    let mut ami = ami(address);
    ami.tls = Some(tls);
    let mut link = connect(&ami).await.map_err(|error| (causes::in_one_line(&error), error.why()))?;
    assert!(link.private);
    let mut greeting = vec![0; GREETING.len()];
    link.stream.read_exact(&mut greeting).await.unwrap();
    Ok(greeting)
}

async fn refusal(address: SocketAddr, tls: config::Tls) -> String {
    let (sentence, why) = tries(address, tls).await.unwrap_err();
    assert_eq!(why, Why::WrongPeer, "a person must change something first: {sentence}");
    sentence
}

fn spelled(fingerprint: [u8; 32]) -> String {
    fingerprint.map(|byte| format!("{byte:02X}")).join(":")
}

#[tokio::test]
async fn a_certificate_of_the_named_authority_is_trusted() {
    let house = Authority::new("the house");
    let pbx = Identity::signed_by(&house, "127.0.0.1");
    assert_eq!(tries(pbx.listens().await, house.trusted()).await.unwrap(), GREETING);
    // Another name than the host, where the config says so.
    let pbx = Identity::signed_by(&house, "pbx.example");
    let named = config::Tls { server_name: Some("pbx.example".to_owned()), ..house.trusted() };
    assert_eq!(tries(pbx.listens().await, named).await.unwrap(), GREETING);
}

#[tokio::test]
async fn the_pinned_certificate_is_trusted_whoever_signed_it_and_whatever_its_name() {
    let pbx = Identity::self_signed("Asterisk Private CA");
    assert_eq!(tries(pbx.listens().await, pbx.pinned()).await.unwrap(), GREETING);
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused_and_its_fingerprint_told() {
    let pbx = Identity::self_signed("127.0.0.1");
    let other = Identity::self_signed("127.0.0.1");
    let sentence = refusal(pbx.listens().await, other.pinned()).await;
    assert_eq!(
        sentence,
        format!(
            "the certificate of the PBX is not the pinned one: if the PBX got a new certificate, set `pin_sha256` \
             to that (its SHA-256 is {})",
            spelled(pbx.fingerprint())
        )
    );
}

#[tokio::test]
async fn a_pin_is_not_outweighed_by_an_authority() {
    let house = Authority::new("the house");
    let pbx = Identity::signed_by(&house, "127.0.0.1");
    let both = config::Tls { pin_sha256: Some([7; 32]), ..house.trusted() };
    assert!(refusal(pbx.listens().await, both).await.contains("not the pinned one"));
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused_with_both_ways_out() {
    let (house, stranger) = (Authority::new("the house"), Authority::new("a stranger"));
    let pbx = Identity::signed_by(&stranger, "127.0.0.1");
    let expected = format!(
        "nobody who is trusted has signed the certificate of the PBX: name the authority in `ca_file`, or compare \
         the certificate on the PBX and set `pin_sha256` to it (its SHA-256 is {})",
        spelled(pbx.fingerprint())
    );
    assert_eq!(refusal(pbx.listens().await, house.trusted()).await, expected);
    // The authorities of the machine; where it has none the sentence is another, the ways out are the same.
    let sentence = refusal(pbx.listens().await, config::Tls::default()).await;
    assert!(sentence.contains("`ca_file`") && sentence.contains("`pin_sha256`"), "{sentence}");
}

#[tokio::test]
async fn a_certificate_made_out_to_another_name_is_refused_with_the_way_out() {
    let house = Authority::new("the house");
    let pbx = Identity::signed_by(&house, "pbx.example");
    let sentence = refusal(pbx.listens().await, house.trusted()).await;
    assert!(
        sentence.starts_with(
            "the certificate of the PBX is not made out to `127.0.0.1`: set `tls_server_name` to the name in it"
        ),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_run_out_is_refused() {
    let house = Authority::new("the house");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let pbx = Identity { certificate: house.signs(&params, &key).der().clone(), key };
    let sentence = refusal(pbx.listens().await, house.trusted()).await;
    assert!(sentence.contains("expired"), "{sentence}");
}

#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_no_proof() {
    let pbx = Identity::self_signed("127.0.0.1");
    let thief = Identity { certificate: pbx.certificate.clone(), key: KeyPair::generate().unwrap() };
    let sentence = refusal(thief.listens().await, pbx.pinned()).await;
    assert!(sentence.starts_with("the TLS handshake failed"), "{sentence}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_hangs_up() {
    let house = Authority::new("the house");
    for (says, expected, why) in [
        (GREETING, "it does not speak TLS: check `port` (usually 5039) and `tls`", Why::WrongPeer),
        (&b""[..], "the connection broke during the TLS handshake", Why::Lost),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 1024];
            let _ = stream.read(&mut hello).await.unwrap();
            stream.write_all(says).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let (result, ()) = tokio::join!(tries(address, house.trusted()), server);
        let (sentence, found) = result.unwrap_err();
        assert!(sentence.starts_with(expected), "{sentence}");
        assert_eq!(found, why);
    }
}

#[test]
fn what_the_config_names_and_cannot_be_used_is_told_with_its_path() {
    let told = |tls: &config::Tls, host: &str| {
        let Err(error) = connector(tls, host) else { panic!("it should not work") };
        let text = causes::in_one_line(&error);
        assert_eq!(LinkError::from(error).why(), Why::WrongPeer, "{text}");
        text
    };
    let missing = config::Tls { ca_file: Some("/nowhere/ca.pem".into()), ..config::Tls::default() };
    assert!(told(&missing, "pbx").starts_with("cannot read certificates in PEM from /nowhere/ca.pem: "));
    let empty = NamedTempFile::new().unwrap();
    std::fs::write(empty.path(), "no certificate\n").unwrap();
    let empty_tls = config::Tls { ca_file: Some(empty.path().to_owned()), ..config::Tls::default() };
    assert_eq!(
        told(&empty_tls, "pbx"),
        format!(
            "there is no usable certificate in {}: it must have BEGIN CERTIFICATE lines",
            empty.path().display()
        )
    );
    assert_eq!(
        told(&config::Tls::default(), "not a name"),
        "`not a name` cannot be the name in a certificate: set `tls_server_name`"
    );
}
