-- How a table's copy goes: bytes and speed, what is left of it by the estimate, and what it waits for.
ALTER TABLE table_states
    ADD COLUMN snapshot_bytes bigint NOT NULL DEFAULT 0, ADD COLUMN snapshot_rows_per_second double precision, ADD COLUMN snapshot_seconds_left double precision,
    ADD COLUMN snapshot_waits_for text;
