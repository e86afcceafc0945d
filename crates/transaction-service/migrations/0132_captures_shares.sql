-- if several are paid: what each has got by then, as JSON
ALTER TABLE captures ADD COLUMN shares TEXT NULL
