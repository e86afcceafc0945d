//! Typed configuration from environment variables and `.env`: every problem is found before the service gives up,
//! each with the variable's name, what is expected and an example.

mod networks;
mod secrets;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    fmt,
    net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr},
    num::{NonZeroU16, NonZeroU32},
    path::Path,
    str::FromStr,
};

use axum::http::HeaderValue;
use chrono_tz::Tz;
use ipnet::IpNet;
use mysql::DatabaseConfig;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Where the service runs, which decides who may call the routes that are documented without a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Documented routes without a header are open to anyone; logs are for reading.
    Development,
    /// Every route asks who calls; placeholders are refused; logs are JSON.
    Production,
}

impl FromStr for Mode {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

/// What every service needs to run.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// The name by which the others know it, such as `user-service`.
    pub name: &'static str,
    /// `APP_ENV`, or `FLASK_ENV` under its original name; production when neither is set.
    pub mode: Mode,
    /// `HOST`: where to listen.
    pub host: ListenHost,
    /// `PORT` to listen on.
    pub port: NonZeroU16,
    /// The settings of the middleware.
    pub http: HttpConfig,
    /// The service's own schema.
    pub database: DatabaseConfig,
    /// `SERVICE_TOKEN`, which the services show each other.
    pub service_token: SecretString,
    /// `SERVICE_TOKEN_ALSO`: accepted too, while the token is being replaced.
    pub service_token_also: Option<SecretString>,
    /// `JWT_SECRET`, which signs the access tokens of users.
    pub jwt_secret: SecretString,
    /// `JWT_SECRET_ALSO`: tokens that it has signed are accepted too, while the secret is being replaced.
    pub jwt_secret_also: Option<SecretString>,
    /// `METRICS_TOKEN`: shows the metrics to whoever has it; services see them anyway.
    pub metrics_token: Option<SecretString>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector that gets the traces, over HTTP; none if it is unset.
    pub otlp_endpoint: Option<Url>,
    /// `CURRENCY`: the code of the one currency, for texts.
    pub currency: String,
    /// `TIMEZONE`: where the days begin that requests name.
    pub timezone: Tz,
    /// `GROUP_COMMIT_MAX`: how many requests may share one commit; 1 turns sharing off.
    pub group_commit_max: usize,
}

/// Where a service listens: at one address, or at those of this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenHost(Vec<IpAddr>);

impl ListenHost {
    /// The addresses; `::` stands for all of them, IPv4 included.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.0
    }
}

impl FromStr for ListenHost {
    type Err = AddrParseError;
    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text {
            // some clients take the one for it, some the other
            "localhost" => Ok(Self(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])),
            address => Ok(Self(vec![address.parse()?])),
        }
    }
}

impl fmt::Display for ListenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&addresses.join(" and "))
    }
}

/// The settings of the middleware.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `CORS_ORIGINS`: the origins whose pages may call from a browser, with commas between them; none if it is unset.
    pub cors_origins: Vec<HeaderValue>,
    /// `TRUSTED_PROXIES`: the networks of the proxies whose `X-Forwarded-For` counts, with commas between them.
    pub trusted_proxies: Vec<IpNet>,
    /// `RATE_LIMIT`: requests a second that each user, and each address without a user, may make; `None` for any number.
    pub rate_limit: Option<NonZeroU32>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Reads variables and collects what is wrong with them.
pub struct Env {
    lookup: Lookup,
    mode: Mode,
    problems: Vec<String>,
    /// The secrets so far, by the names of their variables.
    secrets: Vec<(String, SecretString)>,
}

/// Everything that is wrong with the configuration, one line for each variable.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|problem| writeln!(f, "  - {problem}"))
    }
}

impl Env {
    /// The process's environment, with `.env` of the working directory behind it; of no folder above.
    pub fn load() -> Self {
        let faults = match env_file::read(Path::new(env_file::FILE)) {
            Ok(variables) => env_file::apply(&variables)
                .err()
                .map(|error| format!("{}: {error}", env_file::FILE))
                .into_iter()
                .collect(),
            Err(faults) => faults,
        };
        let mut env = Self::new(|name| std::env::var(name).ok());
        env.problems.extend(faults);
        env
    }

    /// An environment to look variables up in; an empty value counts as unset.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        let lookup = Box::new(move |name: &str| lookup(name).filter(|value| !value.trim().is_empty()));
        let mut env = Self { lookup, mode: Mode::Production, problems: Vec::new(), secrets: Vec::new() };
        let name = if env.get("APP_ENV").is_some() { "APP_ENV" } else { "FLASK_ENV" };
        env.mode = match env.get(name).map(|text| text.parse()) {
            None => Mode::Production,
            Some(Ok(mode)) => mode,
            Some(Err(())) => {
                env.problem(name, "`development` or `production`", "development");
                Mode::Production
            }
        };
        env
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// Notes that `name` is not as `expected`.
    pub fn problem(&mut self, name: &str, expected: &str, example: &str) {
        self.problems.push(format!("{name} must be {expected}, for example {name}={example}"));
    }

    /// A variable that may be unset.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.get(name)
    }

    /// A text with a default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    /// A value with a default, which is also the example when the variable is not as `expected`.
    ///
    /// # Panics
    /// If `default` itself does not parse, which is a mistake in the code.
    pub fn parse<T: FromStr>(&mut self, name: &str, default: &str, expected: &str) -> T {
        self.parse_if(name, default, expected, |_| true)
    }

    /// Like [`Env::parse`], for values that must also pass `valid`.
    pub fn parse_if<T: FromStr>(&mut self, name: &str, default: &str, expected: &str, valid: fn(&T) -> bool) -> T {
        let text = self.text(name, default);
        if let Some(value) = text.trim().parse().ok().filter(valid) {
            return value;
        }
        self.problem(name, expected, default);
        default.parse().ok().expect("a default parses")
    }

    fn rate_limit(&mut self) -> Option<NonZeroU32> {
        let default = match self.mode {
            Mode::Development => "off",
            Mode::Production => "50",
        };
        match self.text("RATE_LIMIT", default).trim() {
            "off" => None,
            text => text.parse().ok().or_else(|| {
                self.problem("RATE_LIMIT", "requests a second from 1 on, or `off`", "50");
                None
            }),
        }
    }

    /// A list with commas between its items; empty if the variable is unset.
    fn list<T>(&mut self, name: &str, expected: &str, example: &str, parse: fn(&str) -> Option<T>) -> Vec<T> {
        let text = self.text(name, "");
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(parse).collect::<Option<Vec<T>>>().unwrap_or_else(|| {
            self.problem(name, expected, example);
            Vec::new()
        })
    }

    fn trusted_proxies(&mut self) -> Vec<IpNet> {
        const NAME: &str = "TRUSTED_PROXIES";
        const EXAMPLE: &str = "10.0.0.0/8";
        let found: Vec<IpNet> = self.list(NAME, "networks with commas between them", EXAMPLE, |text| text.parse().ok());
        if networks::are_too_wide(&found) {
            self.problem(NAME, networks::EXPECTED, EXAMPLE);
        }
        found
    }

    /// The address of another service.
    pub fn url(&mut self, name: &str, default: &str) -> Url {
        self.parse_if(name, default, "an http or https URL without a path", |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.port() != Some(0)
        })
    }

    /// A secret: the documented placeholder in development; in production it must be set, strong and no other one's value.
    pub fn secret(&mut self, name: &str, placeholder: &str) -> SecretString {
        let value = self.text(name, placeholder);
        if !secrets::has_form(&value) {
            self.problem(name, secrets::FORM, secrets::EXAMPLE);
        }
        if self.mode == Mode::Production && !secrets::is_strong(&value) {
            self.problem(name, secrets::STRENGTH, secrets::EXAMPLE);
        }
        let value = SecretString::from(value);
        self.must_be_the_only_one(name, &value);
        value
    }

    /// Whoever has one secret must not have another with it.
    fn must_be_the_only_one(&mut self, name: &str, value: &SecretString) {
        let known = self.secrets.iter().find(|(_, known)| known.expose_secret() == value.expose_secret());
        if let Some((other, _)) = known
            && self.mode == Mode::Production
        {
            let expected = format!("another secret than {other}");
            self.problem(name, &expected, secrets::EXAMPLE);
        }
        self.secrets.push((name.to_owned(), value.clone()));
    }

    /// A secret that may be unset; one that is set must be as good as any.
    fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        self.get(name).map(|value| self.secret(name, &value))
    }

    /// The settings that all services share, with the service's own port, schema and account as defaults.
    pub fn service(&mut self, name: &'static str, port: u16, schema: &str) -> ServiceConfig {
        ServiceConfig {
            name,
            mode: self.mode,
            host: self.parse("HOST", "::", "an IP address to listen on (`::` for all, IPv4 too), or `localhost`"),
            port: self.parse("PORT", &port.to_string(), "a port number from 1 to 65535"),
            http: HttpConfig {
                cors_origins: self.list(
                    "CORS_ORIGINS",
                    "origins with commas between them",
                    "https://app.example.com",
                    origin,
                ),
                trusted_proxies: self.trusted_proxies(),
                rate_limit: self.rate_limit(),
            },
            database: self.database(schema, &name.replace('-', "_")),
            service_token: self.secret("SERVICE_TOKEN", "service_shared_secret_change_this"),
            service_token_also: self.optional_secret("SERVICE_TOKEN_ALSO"),
            jwt_secret: self.secret("JWT_SECRET", "your_jwt_secret_key_change_this"),
            jwt_secret_also: self.optional_secret("JWT_SECRET_ALSO"),
            metrics_token: self.optional_secret("METRICS_TOKEN"),
            otlp_endpoint: self
                .get("OTEL_EXPORTER_OTLP_ENDPOINT")
                .map(|_| self.url("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")),
            currency: self.parse_if("CURRENCY", "IDR", "a currency code of three capital letters", |code: &String| {
                code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())
            }),
            timezone: self.parse("TIMEZONE", "Asia/Jakarta", "a time zone of the IANA database"),
            group_commit_max: self
                .parse_if("GROUP_COMMIT_MAX", "256", "a number of requests from 1 to 1000", |n| (1..=1000).contains(n)),
        }
    }

    fn database(&mut self, schema: &str, account: &str) -> DatabaseConfig {
        let password: SecretString = self.text("DB_PASSWORD", "wallet_development").into();
        if self.mode == Mode::Production && secrets::is_of_development(password.expose_secret()) {
            self.problem("DB_PASSWORD", "a password that is not the development one", "$(openssl rand -hex 16)");
        }
        if password.expose_secret().chars().any(char::is_control) {
            self.problem(
                "DB_PASSWORD",
                "a password without line breaks and control characters",
                "$(openssl rand -hex 16)",
            );
        }
        self.must_be_the_only_one("DB_PASSWORD", &password);
        let (tls, ca_file) = self.database_tls();
        DatabaseConfig {
            tls,
            ca_file,
            host: self.text("DB_HOST", "127.0.0.1"),
            port: self.parse::<NonZeroU16>("DB_PORT", "3306", "a port number from 1 to 65535").get(),
            user: self.text("DB_USER", account),
            password,
            name: self.parse_if("DB_NAME", schema, "a schema name of letters, digits and _", |name: &String| {
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            }),
            pool_size: self
                .parse_if("DB_POOL_SIZE", "16", "a number of connections from 2 to 1000", |n| (2..=1000).contains(n)),
            read_pool_size: self.parse_if("DB_READ_POOL_SIZE", "4", "a number of connections from 1 to 1000", |n| {
                (1..=1000).contains(n)
            }),
        }
    }

    /// Hands out `config` if no variable had a problem.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError(self.problems)) }
    }
}

/// An origin as browsers send it: scheme, host and, if it is not the scheme's own, port.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.origin().ascii_serialization() == text).then(|| HeaderValue::from_str(text).ok())?
}
