-- A log outlives its attachment: taking a destination or a pipeline away must not delete gigabytes in one transaction. Logs without an attachment of their generation are
-- emptied some parts at a time by the nodes that run pipelines, and go when they are empty.
ALTER TABLE spill_logs DROP CONSTRAINT spill_logs_destination_is_attached;
