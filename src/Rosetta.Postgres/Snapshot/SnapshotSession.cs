using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>A session that holds a snapshot: nothing in the source's configuration may cut it, and nothing may change how values are written.</summary>
static class SnapshotSession
{
    /// <summary>transaction_timeout came with 17.</summary>
    public const int TransactionTimeoutVersion = 17;

    public static async Task<PgConnection> OpenAsync(PgEndpoint endpoint, CancellationToken cancellationToken)
    {
        var settings = endpoint
            .With("search_path", "pg_catalog")
            .With("statement_timeout", "0")
            .With("lock_timeout", "0")
            .With("idle_in_transaction_session_timeout", "0")
            .With("synchronous_commit", "local")
            // A policy that hides rows has to fail, not to filter.
            .With("row_security", "off")
            .With("DateStyle", "ISO, YMD")
            .With("IntervalStyle", "postgres")
            .With("TimeZone", "UTC")
            .With("extra_float_digits", "3")
            .With("bytea_output", "hex")
            .With("jit", "off");
        var connection = await PgConnection.OpenAsync(settings, cancellationToken: cancellationToken);
        try
        {
            if (connection.ServerVersion >= TransactionTimeoutVersion)
                await connection.QueryAsync("SET transaction_timeout = 0", cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
