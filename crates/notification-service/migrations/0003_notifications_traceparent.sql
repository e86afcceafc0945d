-- The place in a trace from which mailing it goes on (W3C's traceparent).
ALTER TABLE notifications
    ADD COLUMN traceparent CHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL
