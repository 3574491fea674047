using Npgsql;

namespace Rosetta.Postgres.Replication;

/// <summary>A transaction that the creation of a slot waits for.</summary>
/// <param name="ProcessId">For pg_terminate_backend; 0 is a prepared transaction.</param>
/// <param name="Age">Since the transaction began.</param>
/// <param name="Query">The backend's current or last statement, cut off; null without the privilege to see it (pg_read_all_stats).</param>
public sealed record SlotCreationBlocker(int ProcessId, string? User, string? ApplicationName, string? State, TimeSpan? Age, string? Query);

/// <summary>Tells what a hanging CREATE_REPLICATION_SLOT waits for.</summary>
public static class SlotCreationBlockers
{
    const string Sql = """
        SELECT b.pid, a.usename::text, a.application_name, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8, left(a.query, 500)
        FROM (SELECT DISTINCT unnest(pg_catalog.pg_blocking_pids($1)) AS pid) b
        LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
        ORDER BY a.xact_start
        """;

    /// <param name="connection">An open ordinary connection to the source.</param>
    /// <param name="walsender">Process id of the connection that makes the slot.</param>
    public static async Task<IReadOnlyList<SlotCreationBlocker>> FindAsync(NpgsqlConnection connection, int walsender, CancellationToken cancellationToken = default)
    {
        await using var command = new NpgsqlCommand(Sql, connection) { Parameters = { new() { Value = walsender } } };
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
        var blockers = new List<SlotCreationBlocker>();
        while (await reader.ReadAsync(cancellationToken))
        {
            blockers.Add(new SlotCreationBlocker(
                reader.GetInt32(0),
                Text(reader, 1),
                Text(reader, 2),
                Text(reader, 3),
                reader.IsDBNull(4) ? null : TimeSpan.FromSeconds(reader.GetDouble(4)),
                Text(reader, 5)));
        }

        return blockers;
    }

    static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
