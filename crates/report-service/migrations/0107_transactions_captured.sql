-- What the receiver has got. NULL is all of it once it is completed, and nothing before.
ALTER TABLE transactions ADD COLUMN captured DECIMAL(19, 2) NULL
