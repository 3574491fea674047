CREATE TABLE wal_metrics (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id       bigint NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    wal_size_bytes  bigint NOT NULL,
    -- [{"slot": text, "retained_bytes": number, "active": boolean}]
    slots           jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX wal_metrics_by_source_and_time ON wal_metrics (source_id, recorded_at);
CREATE INDEX wal_metrics_by_time ON wal_metrics (recorded_at);

CREATE TABLE schema_history (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id    bigint NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    pipeline_id  bigint REFERENCES pipelines (id) ON DELETE SET NULL,
    table_name   text NOT NULL,
    lsn          pg_lsn,
    change       text NOT NULL,
    columns      jsonb NOT NULL DEFAULT '[]',
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX schema_history_by_source ON schema_history (source_id, id);

CREATE TABLE notifications (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    severity         text NOT NULL,
    -- Two notifications with one key say the same thing; while it is unread it is counted, not repeated.
    key              text NOT NULL,
    pipeline_id      bigint,
    destination_id   bigint,
    message          text NOT NULL,
    remedy           text,
    occurrences      bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at          timestamptz,
    CONSTRAINT notifications_severity_known CHECK (severity IN ('info', 'warning', 'error'))
);
CREATE UNIQUE INDEX notifications_unread_once ON notifications (key) WHERE read_at IS NULL;

CREATE TABLE data_flow_record_monitoring (
    bucket          timestamptz NOT NULL,
    pipeline_id     bigint NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    destination_id  bigint NOT NULL,
    table_name      text NOT NULL,
    inserted        bigint NOT NULL DEFAULT 0,
    updated         bigint NOT NULL DEFAULT 0,
    deleted         bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline_id, bucket, destination_id, table_name),
    CONSTRAINT data_flow_bucket_is_a_minute CHECK (bucket = date_trunc('minute', bucket, 'UTC'))
);
CREATE INDEX data_flow_by_time ON data_flow_record_monitoring (bucket);
