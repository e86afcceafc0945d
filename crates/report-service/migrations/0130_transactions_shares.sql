-- Of a transaction with several receivers: what each has got, in order, as JSON; of a refund, what each has paid. NULL for one receiver.
ALTER TABLE transactions ADD COLUMN shares TEXT NULL
