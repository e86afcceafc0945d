-- How often each caller has looked addresses up of late.
CREATE TABLE lookups (
    -- as logs name callers
    caller  VARCHAR(48) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    -- how often within the minute that ends at ends_at
    counted INT         NOT NULL,
    ends_at DATETIME(6) NOT NULL,
    KEY lookups_old (ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
