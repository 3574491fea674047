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
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (installation, pipeline_id, generation, source_schema, source_table));
        COMMIT
        """;

    /// <exception cref="FaultException">We may not create it; the remedy says what to grant.</exception>
    public static async ValueTask EnsureAsync(PgConnection connection, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            "SELECT to_regclass('rosetta.position') IS NOT NULL AND to_regclass('rosetta.tables') IS NOT NULL", cancellationToken);
        if (found.Text(0, 0) == "t")
            return;
        try
        {
            await connection.QueryAsync(CreateSql, cancellationToken);
        }
        catch (PgServerException e) when (e.SqlState == "42501")
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            var endpoint = connection.Endpoint;
            throw new FaultException(
                new Fault(
                    ErrorClass.Operator,
                    $"User {endpoint.User} may not create the schema rosetta in database {endpoint.Database}, where positions are kept ({e.Error.Text}).",
                    $"GRANT CREATE ON DATABASE {SqlIdentifier.Quote(endpoint.Database)} TO {SqlIdentifier.Quote(endpoint.User)};",
                    e.SqlState),
                e);
        }
    }
}
