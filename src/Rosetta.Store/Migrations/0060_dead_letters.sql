-- Payloads of parked changes, where no Redis is configured. Which changes are parked is decided by the destinations (rosetta.parked); an entry here without its row
-- there is what a crash left. Nothing refers to pipeline_destinations: an entry outlives the generation it belongs to until it is taken out.
CREATE TABLE dead_letters (
    pipeline_id     bigint NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    destination_id  bigint NOT NULL,
    generation      uuid NOT NULL,
    table_name      text NOT NULL,
    -- Its place in the source's stream.
    commit_lsn      pg_lsn NOT NULL,
    ordinal         bigint NOT NULL,
    xid             bigint NOT NULL,
    -- Microseconds since 2000-01-01 UTC, as in the stream.
    commit_time     bigint NOT NULL,
    kind            text NOT NULL,
    key             jsonb NOT NULL,
    payload         bytea NOT NULL,
    -- What the last try met; null for a change that waits behind another one of its key.
    error_class     text,
    error           text,
    sqlstate        text,
    parked_at       timestamptz NOT NULL,
    tries           integer NOT NULL DEFAULT 0,
    last_tried_at   timestamptz,
    CONSTRAINT dead_letters_once PRIMARY KEY (pipeline_id, destination_id, generation, commit_lsn, ordinal, table_name),
    CONSTRAINT dead_letters_kind_known CHECK (kind IN ('INSERT', 'UPDATE', 'DELETE')),
    CONSTRAINT dead_letters_key_is_a_list CHECK (jsonb_typeof(key) = 'array')
);
CREATE INDEX dead_letters_by_table ON dead_letters (pipeline_id, destination_id, generation, table_name, commit_lsn, ordinal);

-- Which store keeps the payloads; none until the first one is needed.
CREATE TABLE dead_letter_store (
    singleton  boolean PRIMARY KEY DEFAULT true CONSTRAINT dead_letter_store_is_one CHECK (singleton),
    kind       text NOT NULL CONSTRAINT dead_letter_store_kind_known CHECK (kind IN ('CONFIG_DATABASE', 'REDIS')),
    -- Of a Redis: what its marker key holds, so that one that was emptied or exchanged is told apart from one without entries.
    identity   uuid NOT NULL UNIQUE,
    -- Host, port and number of the database, for messages.
    place      text NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Queues that may have entries in a Redis. A row is written before the first entry and goes after the last one.
CREATE TABLE dead_letter_queues (
    pipeline_id     bigint NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    destination_id  bigint NOT NULL,
    generation      uuid NOT NULL,
    identity        uuid NOT NULL REFERENCES dead_letter_store (identity) ON DELETE CASCADE,
    since           timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT dead_letter_queues_once PRIMARY KEY (pipeline_id, destination_id, generation)
);
