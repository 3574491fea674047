-- Whether a part ends inside a transaction is what through_lsn says: it is null then.
ALTER TABLE spill_parts DROP COLUMN is_open;
