//! The HTTP client of tests and commands.

use std::time::Duration;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a request may take in all.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client that follows no redirects, and goes through no proxy, whatever the environment says.
///
/// # Panics
/// If the system's TLS roots cannot be read.
#[expect(clippy::disallowed_methods, reason = "this is the client that tests and commands ask for")]
pub fn http_client() -> reqwest::Client {
    #[cfg(feature = "tls")]
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("the TLS roots of the system can be read")
}
