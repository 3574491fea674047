using Npgsql;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Source;

/// <summary>Where the source's WAL ends and how much of it one slot makes it keep.</summary>
/// <param name="Current">pg_current_wal_lsn().</param>
/// <param name="RetainedBytes">From the slot's restart_lsn to there; null when the slot is gone or has lost its WAL.</param>
/// <param name="ActiveBackends">Sessions of others that are at work, as far as we may see them.</param>
public readonly record struct SlotMeasure(Lsn Current, long? RetainedBytes, int ActiveBackends)
{
    const string Sql = """
        SELECT pg_current_wal_lsn()::text,
          (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots WHERE slot_name = $1),
          (SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND application_name NOT LIKE 'rosetta/%')
        """;

    /// <summary>max_slot_wal_keep_size in bytes: a slot that needs more is invalidated. Null: there is no bound.</summary>
    public static async Task<long?> ReadKeepSizeAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'", connection);
        return await command.ExecuteScalarAsync(cancellationToken) is long and >= 0 and var megabytes ? megabytes << 20 : null;
    }

    /// <summary>Moves a slot that nobody reads.</summary>
    /// <returns>Where it stands now.</returns>
    public static async Task<Lsn> AdvanceAsync(NpgsqlConnection connection, string slot, Lsn to, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT end_lsn::text FROM pg_replication_slot_advance($1, $2::pg_lsn)", connection)
        {
            Parameters = { new() { Value = slot }, new() { Value = to.ToString() } },
        };
        return Lsn.Parse((string)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    /// <summary>One round trip on a connection that is kept.</summary>
    public static async Task<SlotMeasure> ReadAsync(NpgsqlConnection connection, string slot, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Sql, connection) { Parameters = { new() { Value = slot } } };
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new SlotMeasure(Lsn.Parse(reader.GetString(0)), await reader.IsDBNullAsync(1, cancellationToken) ? null : reader.GetInt64(1), reader.GetInt32(2));
    }
}
