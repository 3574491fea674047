-- The tables of a source as they were at the last look, so that whichever node looks next finds what has changed since.
CREATE TABLE known_shapes (
    source_id    bigint NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    table_name   text NOT NULL,
    oid          bigint NOT NULL,
    columns      jsonb NOT NULL,
    fingerprint  text NOT NULL,
    PRIMARY KEY (source_id, table_name)
);
