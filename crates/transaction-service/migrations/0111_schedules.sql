-- Payments that are made again and again. Each run is a transaction, whose request is 'schedule', this id and the date.
CREATE TABLE schedules (
    id            BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    sender_id     BIGINT         NOT NULL,
    receiver_id   BIGINT         NOT NULL,
    amount        DECIMAL(19, 2) NOT NULL,
    description   VARCHAR(255)   NOT NULL,
    -- what is written on each run
    reference     VARCHAR(100)   NULL,
    metadata      TEXT           NULL,
    auto_complete TINYINT        NOT NULL,
    -- 'day', 'week' or 'month'
    frequency     VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- the first date, and the last that may be one
    start_on      DATE           NOT NULL,
    end_on        DATE           NULL,
    status        VARCHAR(8)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- why it has ended
    reason        VARCHAR(24)    CHARACTER SET ascii COLLATE ascii_bin NULL,
    -- the number of the date that is next, counted from 0 at start_on
    next_run      INT UNSIGNED   NOT NULL,
    -- the beginning of that date, on the database's clock; NULL unless the schedule is active
    due_at        DATETIME(6)    NULL,
    -- one of its kind: by it a second run of the creation finds what the first one wrote
    request       VARCHAR(48)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- rises with every change, which is written if nobody else has changed the row meanwhile
    version       INT            NOT NULL DEFAULT 1,
    deleted_at    DATETIME(6)    NULL,
    created_at    DATETIME(6)    NOT NULL,
    updated_at    DATETIME(6)    NOT NULL,
    UNIQUE KEY schedules_request (request),
    KEY schedules_due (due_at),
    KEY schedules_of_sender (sender_id, id),
    CONSTRAINT schedules_amount CHECK (amount > 0),
    CONSTRAINT schedules_parties CHECK (sender_id <> receiver_id),
    CONSTRAINT schedules_due_if_active CHECK ((status = 'active') = (due_at IS NOT NULL))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
