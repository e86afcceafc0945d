//! Certificates for the mail server.

use std::{fs, path::PathBuf};

use lab::smtp::SmtpServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;

/// The account that servers with credentials ask for.
pub const USER: &str = "wallet";
/// Its password.
pub const PASSWORD: &str = "correct-horse";

/// A private authority and a certificate that it has issued, as PEM files.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// For the mail server as the tests reach it.
    pub fn new() -> Self {
        Self::issued_for(&["localhost", "127.0.0.1"])
    }

    /// For a server with these names.
    pub fn issued_for(names: &[&str]) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();

        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("authority.pem"), authority.as_ref().pem()).unwrap();
        fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { folder }
    }

    /// A mail server that offers STARTTLS and wants [`USER`] and [`PASSWORD`] after it.
    pub async fn server(&self) -> SmtpServer {
        let (key, cert) = (self.key(), self.certificate());
        SmtpServer::start(json!({"tls": "starttls", "key": key, "cert": cert, "user": USER, "password": PASSWORD}))
            .await
    }

    /// The variables that make the service use `server` with a password and trust the authority.
    pub fn variables(&self, server: &SmtpServer, password: &str) -> Vec<(&'static str, String)> {
        let mut variables = server.variables();
        variables.push(("SMTP_USER", USER.into()));
        variables.push(("SMTP_PASSWORD", password.into()));
        variables.push(("SMTP_CA_FILE", self.authority()));
        variables
    }

    /// The authority's certificate, for `SMTP_CA_FILE`.
    pub fn authority(&self) -> String {
        self.path("authority.pem").display().to_string()
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
