-- Every change of the configuration, by the API or by plain SQL, is announced on channel rosetta_config as
-- {"table": ..., "op": ..., "id": ..., "pipeline_id": ...}. It is a wake-up only: who misses it finds the change by polling.

CREATE FUNCTION rosetta_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION rosetta_touch_pipeline() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.config_version := OLD.config_version + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER sources_touch BEFORE UPDATE ON sources
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION rosetta_touch();
CREATE TRIGGER destinations_touch BEFORE UPDATE ON destinations
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION rosetta_touch();
CREATE TRIGGER pipelines_touch BEFORE UPDATE ON pipelines
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION rosetta_touch_pipeline();

-- A change of a part is a change of the pipelines that use it.
CREATE FUNCTION rosetta_bump_pipelines() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_TABLE_NAME = 'sources' THEN
        UPDATE pipelines SET config_version = config_version + 1 WHERE source_id = NEW.id;
    ELSIF TG_TABLE_NAME = 'destinations' THEN
        UPDATE pipelines SET config_version = config_version + 1
        WHERE id IN (SELECT pipeline_id FROM pipeline_destinations WHERE destination_id = NEW.id);
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE pipelines SET config_version = config_version + 1 WHERE id = OLD.pipeline_id;
    ELSE
        UPDATE pipelines SET config_version = config_version + 1 WHERE id = NEW.pipeline_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER sources_bump AFTER UPDATE ON sources
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION rosetta_bump_pipelines();
CREATE TRIGGER destinations_bump AFTER UPDATE ON destinations
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION rosetta_bump_pipelines();
CREATE TRIGGER pipeline_destinations_bump AFTER INSERT OR UPDATE OR DELETE ON pipeline_destinations
    FOR EACH ROW EXECUTE FUNCTION rosetta_bump_pipelines();
CREATE TRIGGER table_syncs_bump AFTER INSERT OR UPDATE OR DELETE ON table_syncs
    FOR EACH ROW EXECUTE FUNCTION rosetta_bump_pipelines();

CREATE FUNCTION rosetta_announce() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    -- Equal payloads of one transaction are delivered once, so a large UPDATE does not flood the listeners.
    PERFORM pg_notify('rosetta_config', jsonb_build_object(
        'table', TG_TABLE_NAME,
        'op', TG_OP,
        'id', changed -> 'id',
        'pipeline_id', CASE WHEN TG_TABLE_NAME = 'pipelines' THEN changed -> 'id' ELSE changed -> 'pipeline_id' END)::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER sources_announce AFTER INSERT OR UPDATE OR DELETE ON sources
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
CREATE TRIGGER destinations_announce AFTER INSERT OR UPDATE OR DELETE ON destinations
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
CREATE TRIGGER pipelines_announce AFTER INSERT OR UPDATE OR DELETE ON pipelines
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
CREATE TRIGGER pipeline_destinations_announce AFTER INSERT OR UPDATE OR DELETE ON pipeline_destinations
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
CREATE TRIGGER table_syncs_announce AFTER INSERT OR UPDATE OR DELETE ON table_syncs
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
CREATE TRIGGER pipeline_requests_announce AFTER INSERT ON pipeline_requests
    FOR EACH ROW EXECUTE FUNCTION rosetta_announce();
