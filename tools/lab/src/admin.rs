//! An account that may make schemas and accounts on a database server.

use std::{env, time::Duration};

use anyhow::{Context, Result, ensure};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, MySqlConnection, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use url::Url;

/// The variable with the server that tests use, instead of a private one.
const SERVER_VARIABLE: &str = "TEST_DATABASE_URL";
/// How long a connection to the server may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Connections of one service in a test.
const POOL_SIZE: u32 = 8;

/// An account that may make schemas and accounts on a server.
#[derive(Debug, Clone)]
pub struct Admin {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
}

/// A schema, and the account by which a service uses it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The server's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// The schema.
    pub name: String,
    /// Connections that a service opens at most.
    pub pool_size: u32,
}

impl Schema {
    /// Connections to look into it.
    pub fn pool(&self) -> MySqlPool {
        let options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(&self.name)
            .pipes_as_concat(false)
            .no_engine_substitution(true)
            .disable_statement_logging();
        MySqlPoolOptions::new().max_connections(self.pool_size).connect_lazy_with(options)
    }
}

impl Admin {
    /// The same account, for whoever reaches the server there.
    #[must_use]
    pub fn at(&self, host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, ..self.clone() }
    }

    /// Where the server is, as `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// An account.
    pub fn new(host: &str, port: u16, user: &str, password: &str) -> Self {
        Self { host: host.to_owned(), port, user: user.to_owned(), password: password.into() }
    }

    /// The account in `TEST_DATABASE_URL`, if it is set.
    pub fn from_environment() -> Result<Option<Self>> {
        let Ok(text) = env::var(SERVER_VARIABLE) else { return Ok(None) };
        if text.trim().is_empty() {
            return Ok(None);
        }
        Self::from_url(text.trim()).map(Some)
    }

    fn from_url(text: &str) -> Result<Self> {
        let expected = || {
            format!("{SERVER_VARIABLE} must be a URL, for example {SERVER_VARIABLE}=mysql://root:root@127.0.0.1:3306")
        };
        let url = Url::parse(text).with_context(expected)?;
        ensure!(url.scheme() == "mysql", expected());
        let options = MySqlConnectOptions::from_url(&url).with_context(expected)?;
        Ok(Self {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            user: options.get_username().to_owned(),
            password: decoded_password(&url).into(),
        })
    }

    /// The account as a URL, with its password.
    pub fn url(&self) -> String {
        self.url_of("")
    }

    /// The account on a schema, as a URL with its password.
    pub fn url_of(&self, schema: &str) -> String {
        let mut url = Url::parse("mysql://host").expect("the text is a URL");
        let set = url.set_host(Some(&self.host)).is_ok()
            && url.set_port(Some(self.port)).is_ok()
            && url.set_username(&self.user).is_ok()
            && url.set_password(Some(self.password.expose_secret())).is_ok();
        assert!(set, "{} is no name of a host", self.host);
        url.set_path(schema);
        url.into()
    }

    /// The account on a schema.
    pub fn on(&self, schema: &str) -> Schema {
        Schema {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.password.clone(),
            name: schema.to_owned(),
            pool_size: POOL_SIZE,
        }
    }

    /// A connection, without a schema.
    pub async fn connect(&self) -> Result<MySqlConnection> {
        let options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret());
        let connecting = tokio::time::timeout(CONNECT_LIMIT, options.connect());
        let at = || format!("no connection to the database server at {}:{} as {}", self.host, self.port, self.user);
        connecting.await.with_context(at)?.with_context(at)
    }

    /// Runs the statements of a script.
    pub async fn run(&self, script: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut connection).await?;
        Ok(())
    }
}

/// The password of a URL, where some characters stand as `%` and two digits.
fn decoded_password(url: &Url) -> String {
    let pair = format!("password={}", url.password().unwrap_or_default().replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, password)| password.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_an_account_reads_back() {
        let admin = Admin::from_url("mysql://some%40one:a%2Bb+c%25%3A@[::1]:3307").unwrap();
        assert_eq!((admin.user.as_str(), admin.password.expose_secret(), admin.port), ("some@one", "a+b+c%:", 3307));
        assert_eq!(Admin::from_url("mysql://root:root@db").unwrap().url(), "mysql://root:root@db:3306");
    }

    #[test]
    fn a_wrong_url_is_refused_with_an_example() {
        for text in ["db", "postgres://root@db", "mysql//x"] {
            assert!(Admin::from_url(text).unwrap_err().to_string().contains("for example"), "{text}");
        }
    }
}
