ALTER TABLE transactions
    -- when it was to begin, if that was not at once; until then it is 'scheduled', and due_at is the same moment
    ADD COLUMN execute_at  DATETIME(6) NULL,
    -- the schedule of which it is a run
    ADD COLUMN schedule_id BIGINT      NULL
