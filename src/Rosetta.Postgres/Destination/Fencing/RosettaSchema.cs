using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>The schema <c>rosetta</c> at a destination: what decides whether a change is applied. Made when missing.</summary>
static class RosettaSchema
{
    // Two pipelines may open a new destination at once, and IF NOT EXISTS alone does not keep them apart.
    const long LockKey = 0x726F7365747461;

    // Room for new versions on the same page keeps the updates of the position off its index.
    static readonly string CreateSql =
        $"""
        BEGIN;
        SELECT pg_catalog.pg_advisory_xact_lock({LockKey});
        CREATE SCHEMA IF NOT EXISTS rosetta;
        CREATE TABLE IF NOT EXISTS rosetta.position (
            installation uuid NOT NULL, pipeline_id bigint NOT NULL, generation uuid NOT NULL,
            epoch bigint NOT NULL, position pg_lsn NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (installation, pipeline_id, generation)) WITH (fillfactor = 30);
        CREATE TABLE IF NOT EXISTS rosetta.tables (
            installation uuid NOT NULL, pipeline_id bigint NOT NULL, generation uuid NOT NULL,
            source_schema text NOT NULL, source_table text NOT NULL, target_schema text NOT NULL, target_table text NOT NULL,
            since pg_lsn, copied_rows bigint NOT NULL DEFAULT 0, columns text[], source_oid oid,
            stop_commit pg_lsn, stop_ordinal bigint, stop_key text, stop_sqlstate text, stop_reason text, stop_remedy text,
            copying text, copied_to text[], copied_pages bigint, copied_file oid, transform text,
            lacks_extras boolean NOT NULL DEFAULT false, missing_extras text, missing_remedy text, updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (installation, pipeline_id, generation, source_schema, source_table));
        ALTER TABLE rosetta.tables ADD COLUMN IF NOT EXISTS copying text, ADD COLUMN IF NOT EXISTS copied_to text[], ADD COLUMN IF NOT EXISTS transform text,
            ADD COLUMN IF NOT EXISTS copied_pages bigint, ADD COLUMN IF NOT EXISTS copied_file oid,
            ADD COLUMN IF NOT EXISTS lacks_extras boolean NOT NULL DEFAULT false, ADD COLUMN IF NOT EXISTS missing_extras text, ADD COLUMN IF NOT EXISTS missing_remedy text;
        CREATE TABLE IF NOT EXISTS rosetta.pending_keys (
            installation uuid NOT NULL, pipeline_id bigint NOT NULL, generation uuid NOT NULL, source_schema text NOT NULL, source_table text NOT NULL,
            key text[] NOT NULL, PRIMARY KEY (installation, pipeline_id, generation, source_schema, source_table, key));
        CREATE TABLE IF NOT EXISTS rosetta.backfills (
            installation uuid NOT NULL, pipeline_id bigint NOT NULL, generation uuid NOT NULL, job text NOT NULL,
            finished_to text[], is_finished boolean NOT NULL, rows bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (installation, pipeline_id, generation, job));
        CREATE TABLE IF NOT EXISTS rosetta.parked (
            installation uuid NOT NULL, pipeline_id bigint NOT NULL, generation uuid NOT NULL, source_schema text NOT NULL, source_table text NOT NULL,
            commit_lsn pg_lsn NOT NULL, ordinal bigint NOT NULL, key text[], moved_to text[], key_bytes bytea, moved_to_bytes bytea, failed boolean NOT NULL,
            parked_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (installation, pipeline_id, generation, source_schema, source_table, commit_lsn, ordinal));
        CREATE TABLE IF NOT EXISTS rosetta.claims (
            target_schema text NOT NULL, target_table text NOT NULL, installation uuid NOT NULL, pipeline_id bigint NOT NULL, destination_id bigint NOT NULL,
            generation uuid NOT NULL, source_schema text NOT NULL, source_table text NOT NULL, claimed_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (target_schema, target_table));
        COMMIT
        """;

    // By the catalog, as names cannot be looked up in a schema that we may not use.
    const string LookSql =
        """
        SELECT n.oid IS NOT NULL,
               (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname IN ('position', 'tables', 'claims', 'pending_keys', 'backfills', 'parked')) = 6
                 AND (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
                       WHERE c.relnamespace = n.oid AND c.relname = 'tables' AND a.attname IN ('transform', 'copied_file', 'missing_remedy') AND NOT a.attisdropped) = 3,
               coalesce(has_schema_privilege(n.oid, 'USAGE'), false)
                 AND (SELECT coalesce(bool_and(has_table_privilege(c.oid, p)), true) FROM pg_catalog.pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                       WHERE c.relnamespace = n.oid AND c.relname IN ('position', 'tables', 'claims', 'pending_keys', 'backfills', 'parked'))
          FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'rosetta'
        """;

    /// <exception cref="FaultException">We may not create it or write to it; the remedy says what to grant.</exception>
    public static async ValueTask EnsureAsync(PgConnection connection, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(LookSql, cancellationToken);
        var (exists, isWhole, mayWrite) = (found.Text(0, 0) == "t", found.Text(0, 1) == "t", found.Text(0, 2) == "t");
        var user = SqlIdentifier.Quote(connection.Endpoint.User);
        if (exists && !mayWrite)
        {
            throw new FaultException(new Fault(
                ErrorClass.Operator,
                $"User {connection.Endpoint.User} may not write to the schema rosetta of database {connection.Endpoint.Database}, where positions are kept and which another user has made.",
                $"GRANT USAGE ON SCHEMA rosetta TO {user}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rosetta TO {user};", "42501"));
        }

        if (isWhole)
            return;
        try
        {
            await connection.QueryAsync(CreateSql, cancellationToken);
        }
        catch (PgServerException e) when (e.SqlState == "42501")
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            throw new FaultException(
                new Fault(
                    ErrorClass.Operator,
                    $"User {connection.Endpoint.User} may not create the schema rosetta, or its tables, in database {connection.Endpoint.Database}, where positions are kept ({e.Error.Text}).",
                    exists ? $"GRANT USAGE, CREATE ON SCHEMA rosetta TO {user};" : $"GRANT CREATE ON DATABASE {SqlIdentifier.Quote(connection.Endpoint.Database)} TO {user};",
                    e.SqlState),
                e);
        }
    }
}
