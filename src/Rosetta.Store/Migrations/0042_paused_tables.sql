-- Tables that an operator has stopped at a destination. What was lost meanwhile comes with the copy that resuming asks for.
CREATE TABLE paused_tables (
    pipeline_id     bigint NOT NULL,
    destination_id  bigint NOT NULL,
    table_name      text NOT NULL,
    paused_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paused_tables_once PRIMARY KEY (pipeline_id, destination_id, table_name),
    CONSTRAINT paused_tables_destination_is_attached FOREIGN KEY (pipeline_id, destination_id)
        REFERENCES pipeline_destinations (pipeline_id, destination_id) ON DELETE CASCADE
);

CREATE TRIGGER paused_tables_bump AFTER INSERT OR UPDATE OR DELETE ON paused_tables
    FOR EACH ROW EXECUTE FUNCTION rosetta_bump_pipelines();
CREATE TRIGGER paused_tables_announce AFTER INSERT OR UPDATE OR DELETE ON paused_tables
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
