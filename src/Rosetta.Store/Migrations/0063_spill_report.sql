-- What a destination's spill log has, as its node reports it; null while nothing is spilled.
ALTER TABLE pipeline_metadata ADD COLUMN spill jsonb;
