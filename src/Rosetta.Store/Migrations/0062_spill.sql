-- What a destination still has to apply when the source's WAL is let go. A log per attachment, kept when it is empty: its numbers go on. Whatever is to be let go is put
-- outside of first_part to last_part first, in one small write, and deleted after that.
CREATE TABLE spill_logs (
    pipeline_id     bigint NOT NULL,
    destination_id  bigint NOT NULL,
    generation      uuid NOT NULL,
    -- Grows with each opening: what was sent before it and comes after it is refused.
    opening         bigint NOT NULL DEFAULT 1,
    from_lsn        pg_lsn NOT NULL DEFAULT '0/0',
    -- Exclusive; the end of a transaction.
    through_lsn     pg_lsn NOT NULL DEFAULT '0/0',
    first_part      bigint NOT NULL DEFAULT 1,
    -- The last part that does not reach past through_lsn.
    whole_part      bigint NOT NULL DEFAULT 0,
    last_part       bigint NOT NULL DEFAULT 0,
    transactions    bigint NOT NULL DEFAULT 0,
    bytes           bigint NOT NULL DEFAULT 0,
    raw_bytes       bigint NOT NULL DEFAULT 0,
    abandoned       text,
    abandoned_at    timestamptz,
    CONSTRAINT spill_logs_one_per_attachment PRIMARY KEY (pipeline_id, destination_id),
    CONSTRAINT spill_logs_destination_is_attached FOREIGN KEY (pipeline_id, destination_id)
        REFERENCES pipeline_destinations (pipeline_id, destination_id) ON DELETE CASCADE,
    CONSTRAINT spill_logs_end_behind_their_start CHECK (from_lsn <= through_lsn)
) WITH (fillfactor = 50);

CREATE TABLE spill_parts (
    pipeline_id     bigint NOT NULL,
    destination_id  bigint NOT NULL,
    sequence        bigint NOT NULL,
    -- Of the last end of a transaction in it; null when there is none.
    through_lsn     pg_lsn,
    is_open         boolean NOT NULL,
    transactions    integer NOT NULL,
    written_at      timestamptz NOT NULL DEFAULT now(),
    compression     text NOT NULL,
    -- CRC-32C of the payload as it is here.
    checksum        bigint NOT NULL,
    bytes           integer NOT NULL,
    raw_bytes       integer NOT NULL,
    payload         bytea NOT NULL,
    CONSTRAINT spill_parts_once PRIMARY KEY (pipeline_id, destination_id, sequence),
    CONSTRAINT spill_parts_log_exists FOREIGN KEY (pipeline_id, destination_id) REFERENCES spill_logs (pipeline_id, destination_id) ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
-- Compressed already.
ALTER TABLE spill_parts ALTER COLUMN payload SET STORAGE EXTERNAL;
