-- Parked changes of a destination, as the node that runs the pipeline counts them there.
ALTER TABLE pipeline_metadata ADD COLUMN dlq_count bigint NOT NULL DEFAULT 0;
