using Npgsql;
using Rosetta.Postgres.Source;

namespace Rosetta.Api.Pipelines;

/// <summary>Drops a slot that the config database records as ours, at the server it was made on.</summary>
static class SlotRemoval
{
    const string Terminate = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL";
    const string Drop = "SELECT pg_drop_replication_slot($1)";

    /// <summary>A walsender ends at its next message; one whose client is frozen when it next writes to the socket.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <returns>Null when there is no such slot any more, otherwise why it could not be dropped.</returns>
    public static async Task<string?> RemoveAsync(
        SourceDatabase database, string slot, string systemIdentifier, TimeProvider time, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var identify = new NpgsqlCommand("SELECT system_identifier::text FROM pg_control_system()", connection);
        // Another server than the one it was made on: a slot of that name there is somebody else's.
        if ((string?)await identify.ExecuteScalarAsync(cancellationToken) != systemIdentifier) return null;

        var started = time.GetTimestamp();
        using var timer = new PeriodicTimer(LookInterval, time);
        do
        {
            if (await FindAsync(connection, slot, cancellationToken) is not { } pid) return null;
            try
            {
                await ExecuteAsync(connection, pid == 0 ? Drop : Terminate, slot, cancellationToken);
                if (pid == 0) return null;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.ObjectInUse or PostgresErrorCodes.UndefinedObject)
            {
                // Taken, or dropped, between the two statements: look again.
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
            {
                return $"The source's user may not drop the slot: {e.MessageText}.";
            }
        }
        while (time.GetElapsedTime(started) < Patience && await timer.WaitForNextTickAsync(cancellationToken));

        return await FindAsync(connection, slot, cancellationToken) is null ? null : "The slot stays in use at the source.";
    }

    /// <summary>Null: no such slot; 0: nobody uses it; otherwise the process that does.</summary>
    static async Task<int?> FindAsync(NpgsqlConnection connection, string slot, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slot });
        return (int?)await command.ExecuteScalarAsync(cancellationToken);
    }

    static async Task ExecuteAsync(NpgsqlConnection connection, string sql, string slot, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slot });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
