-- The user whose action caused an event, and where it is told if that must not depend on the account as it is by then.
ALTER TABLE outbox
    ADD COLUMN actor   BIGINT       NULL,
    ADD COLUMN address VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL
