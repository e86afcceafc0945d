-- The ledger writes balances as duplicates of rows that it has locked (ledger/rows.rs): what stays as it is need not be named.
ALTER TABLE users
    ALTER COLUMN full_name  SET DEFAULT '',
    ALTER COLUMN created_at SET DEFAULT (CURRENT_TIMESTAMP(6)),
    ALTER COLUMN updated_at SET DEFAULT (CURRENT_TIMESTAMP(6))
