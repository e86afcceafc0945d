-- Which report of a user, by id, is its 500th, 1,000th and so on: a page far behind is found without counting all before it.
CREATE TABLE report_marks (
    user_id   BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    PRIMARY KEY (user_id, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci
