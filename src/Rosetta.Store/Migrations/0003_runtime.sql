-- What is. Written by the node that runs a pipeline, always with its epoch; an older epoch changes nothing.
CREATE TABLE pipeline_epochs (
    pipeline_id  bigint PRIMARY KEY REFERENCES pipelines (id) ON DELETE CASCADE,
    epoch        bigint NOT NULL,
    node         text,
    issued_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE pipeline_runtime (
    pipeline_id         bigint PRIMARY KEY REFERENCES pipelines (id) ON DELETE CASCADE,
    epoch               bigint NOT NULL,
    state               text NOT NULL,
    node                text,
    since               timestamptz NOT NULL,
    restarts            integer NOT NULL DEFAULT 0,
    last_error          text,
    remedy              text,
    slot                text,
    received_lsn        pg_lsn,
    confirmed_lsn       pg_lsn,
    wal_retained_bytes  bigint,
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE pipeline_metadata (
    pipeline_id        bigint NOT NULL,
    destination_id     bigint NOT NULL,
    health_status      text NOT NULL,
    lane               text NOT NULL,
    wal_size           bigint,
    lag_bytes          bigint,
    lag_seconds        double precision,
    applied_lsn        pg_lsn,
    last_success_time  timestamptz,
    last_error         text,
    remedy             text,
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline_id, destination_id),
    FOREIGN KEY (pipeline_id, destination_id) REFERENCES pipeline_destinations (pipeline_id, destination_id) ON DELETE CASCADE
) WITH (fillfactor = 50);

CREATE TABLE table_states (
    pipeline_id              bigint NOT NULL,
    destination_id           bigint NOT NULL,
    table_name               text NOT NULL,
    target                   text,
    state                    text NOT NULL,
    snapshot_rows            bigint NOT NULL DEFAULT 0,
    snapshot_rows_estimated  bigint,
    rows_inserted            bigint NOT NULL DEFAULT 0,
    rows_updated             bigint NOT NULL DEFAULT 0,
    rows_deleted             bigint NOT NULL DEFAULT 0,
    error                    text,
    remedy                   text,
    updated_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline_id, destination_id, table_name),
    FOREIGN KEY (pipeline_id, destination_id) REFERENCES pipeline_destinations (pipeline_id, destination_id) ON DELETE CASCADE
) WITH (fillfactor = 70);

-- What was acknowledged to the source, and on what it rested. Written before each feedback; without it no acknowledgement is sent.
CREATE TABLE slot_records (
    pipeline_id        bigint PRIMARY KEY REFERENCES pipelines (id) ON DELETE CASCADE,
    epoch              bigint NOT NULL,
    slot_name          text NOT NULL,
    system_identifier  text NOT NULL,
    timeline           integer NOT NULL,
    consistent_point   pg_lsn NOT NULL,
    catalog            jsonb NOT NULL DEFAULT '{}',
    publication        jsonb NOT NULL DEFAULT '{}',
    acknowledged_lsn   pg_lsn,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

CREATE TABLE slot_rested_on (
    pipeline_id     bigint NOT NULL REFERENCES slot_records (pipeline_id) ON DELETE CASCADE,
    destination_id  bigint NOT NULL,
    generation      uuid NOT NULL,
    rested_on       pg_lsn NOT NULL,
    PRIMARY KEY (pipeline_id, destination_id),
    FOREIGN KEY (pipeline_id, destination_id) REFERENCES pipeline_destinations (pipeline_id, destination_id) ON DELETE CASCADE
) WITH (fillfactor = 50);
