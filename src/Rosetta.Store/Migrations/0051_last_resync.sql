-- What the last resync of a table has read and written: {"request_id", "rows_compared", "rows_carried", "inserted", "updated", "deleted"}.
ALTER TABLE table_states ADD COLUMN last_resync jsonb;
