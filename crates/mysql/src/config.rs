//! How the database is reached.

use std::{path::PathBuf, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use sqlx::mysql::MySqlSslMode;
use url::Url;

/// Where a service's schema is, and how it is reached.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DB_HOST`
    pub host: String,
    /// `DB_PORT`
    pub port: u16,
    /// `DB_USER`
    pub user: String,
    /// `DB_PASSWORD`
    pub password: SecretString,
    /// `DB_NAME`
    pub name: String,
    /// `DB_TLS`: how the connection is protected.
    pub tls: DatabaseTls,
    /// `DB_CA_FILE`: a PEM file with the certificate of the authority that vouches for the server.
    pub ca_file: Option<PathBuf>,
    /// `DB_POOL_SIZE`: the most connections that one instance opens.
    pub pool_size: u32,
    /// `DB_READ_POOL_SIZE`: the most connections beside those that one instance opens for lists, feeds and reports.
    pub read_pool_size: u32,
}

impl DatabaseConfig {
    /// The schema at `mysql://user:password@host:port/name`, with `pool_size` connections and four for reads.
    pub fn at(url: &str, pool_size: u32) -> Result<Self, url::ParseError> {
        let url = Url::parse(url)?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port().unwrap_or(3306),
            user: decoded(url.username()),
            password: decoded(url.password().unwrap_or_default()).into(),
            name: url.path().trim_start_matches('/').to_owned(),
            tls: DatabaseTls::default(),
            ca_file: None,
            pool_size,
            read_pool_size: 4,
        })
    }
}

/// What is demanded of the connection to the database, in MySQL's own words (`--ssl-mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DatabaseTls {
    /// No TLS, even if the server offers it.
    Disabled,
    /// TLS if the server offers it, without a look at its certificate.
    #[default]
    Preferred,
    /// TLS, without a look at the server's certificate: against those who listen, not against those who answer in its place.
    Required,
    /// TLS with a certificate that `DB_CA_FILE` vouches for, whatever name it has.
    VerifyCa,
    /// TLS with a certificate for `DB_HOST`, that a public authority or `DB_CA_FILE` vouches for.
    VerifyIdentity,
}

impl FromStr for DatabaseTls {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "disabled" => Self::Disabled,
            "preferred" => Self::Preferred,
            "required" => Self::Required,
            "verify_ca" => Self::VerifyCa,
            "verify_identity" => Self::VerifyIdentity,
            _ => return Err(()),
        })
    }
}

impl DatabaseTls {
    /// The driver's name for it.
    pub(crate) fn mode(self) -> MySqlSslMode {
        match self {
            Self::Disabled => MySqlSslMode::Disabled,
            Self::Preferred => MySqlSslMode::Preferred,
            Self::Required => MySqlSslMode::Required,
            Self::VerifyCa => MySqlSslMode::VerifyCa,
            Self::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        }
    }
}
