-- Which rows a comparison has found, and what it took to find them.
ALTER TABLE verify_results
    -- Rows that were taken from the source to the destination; the others were compared by digests.
    ADD COLUMN rows_carried bigint NOT NULL DEFAULT 0,
    -- Ranges that were compared by digests.
    ADD COLUMN ranges bigint NOT NULL DEFAULT 0,
    -- The first rows that differ: [{"kind": "missing|different|extra", "key": {...}, "columns": [...]}].
    ADD COLUMN keys jsonb NOT NULL DEFAULT '[]';
