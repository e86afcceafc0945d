-- How long an event waits, and the place in a trace from which telling it goes on (W3C's traceparent).
ALTER TABLE outbox
    ADD COLUMN created_at  DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ADD COLUMN traceparent CHAR(55)    CHARACTER SET ascii COLLATE ascii_bin NULL
