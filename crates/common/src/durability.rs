//! Whether the database server keeps what it has confirmed.

use crate::config::{Mode, ServiceConfig};

/// Makes sure that the server loses nothing that it has confirmed: production refuses one that may, development warns.
pub async fn require_durability(config: &ServiceConfig) -> anyhow::Result<()> {
    let weak = mysql::weak_settings(&config.database).await?;
    if weak.is_empty() {
        return Ok(());
    }
    let advice = format!("the database server may lose what it has confirmed: set {}", weak.join(", "));
    anyhow::ensure!(config.mode == Mode::Development, advice);
    tracing::warn!("{advice}");
    Ok(())
}
