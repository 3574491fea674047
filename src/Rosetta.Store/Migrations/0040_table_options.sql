-- What is wanted of a table beyond its rows: {"delete_mode": "soft", "deleted_column": text, "ignore": [...], "metadata": [...], "metadata_names": {...}}.
ALTER TABLE table_syncs ADD COLUMN options jsonb NOT NULL DEFAULT '{}' CONSTRAINT table_syncs_options_are_an_object CHECK (jsonb_typeof(options) = 'object');
