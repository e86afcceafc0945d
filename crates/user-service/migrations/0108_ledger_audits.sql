-- When the ledger was proved, and what was found: see app/audit.rs.
CREATE TABLE ledger_audits (
    id         BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- on the database's clock
    audited_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    operations BIGINT      NOT NULL,
    users      BIGINT      NOT NULL,
    violations BIGINT      NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
