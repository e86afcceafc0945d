ALTER TABLE accounts
    -- the most that goes out in one payment, a day and a month; NULL is the wallet's default, 0 is no limit at all
    ADD COLUMN limit_per_transaction DECIMAL(19, 2) NULL,
    ADD COLUMN limit_per_day         DECIMAL(19, 2) NULL,
    ADD COLUMN limit_per_month       DECIMAL(19, 2) NULL,
    -- the newest day, in the wallet's time zone, on which a payment was counted, and what was counted on it and in its month;
    -- NULL as long as no limit for a day or a month has applied
    ADD COLUMN spent_on              DATE           NULL,
    ADD COLUMN spent_day             DECIMAL(28, 2) NULL,
    ADD COLUMN spent_month           DECIMAL(28, 2) NULL
