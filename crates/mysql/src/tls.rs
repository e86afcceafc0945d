//! Whether the connection to the database is encrypted.

use std::io;

use sqlx::MySqlConnection;

/// The server offers no TLS, or none that is trusted: that does not pass with time.
pub(super) fn is_fault(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // a handshake that failed for what was said in it, not for a broken connection
        sqlx::Error::Io(cause) => cause.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Tells the log what the connection is encrypted with.
pub(super) async fn log_cipher(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    let (_, cipher): (String, String) = sqlx::query_as("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(conn).await?;
    let cipher = if cipher.is_empty() { "none" } else { &cipher };
    tracing::info!(cipher, "connected to the database");
    Ok(())
}
