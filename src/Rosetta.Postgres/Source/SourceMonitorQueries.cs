using Npgsql;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

/// <summary>How much WAL a source holds, and for whom.</summary>
/// <param name="WalSizeBytes">Size of pg_wal on disk; null without the right to see it (pg_monitor).</param>
/// <param name="WalSizeSql">SQL that gives our role that right; null when it has it.</param>
public sealed record WalFacts(Lsn CurrentLsn, long? WalSizeBytes, string? WalSizeSql, IReadOnlyList<SlotFacts> Slots);

/// <summary>What the source monitor looks at from time to time. Plain questions: short sessions, nothing changed at the source.</summary>
public sealed class SourceMonitorQueries(SourceDatabase database)
{
    const string WalSql = """
        SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
          has_function_privilege('pg_ls_waldir()', 'EXECUTE'), current_user::text
        """;

    readonly Slots _slots = new(database);

    /// <summary>Every user table with its columns, keys and types: for new tables, for the catalog shown, for <see cref="SchemaChanges"/>.</summary>
    public Task<IReadOnlyList<SourceTable>> TablesAsync(string publicationName, CancellationToken cancellationToken) =>
        new SourceCatalog(database).ListAsync(SourceNames.PublicationPattern(publicationName), cancellationToken);

    /// <summary>The WAL on disk and what each slot keeps of it.</summary>
    public async Task<WalFacts> WalAsync(CancellationToken cancellationToken)
    {
        Lsn current;
        long? size = null;
        string user;
        bool maySeeSize;
        await using (var connection = await database.OpenAsync(cancellationToken))
        {
            await using (var command = new NpgsqlCommand(WalSql, connection))
            {
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                await reader.ReadAsync(cancellationToken);
                current = Lsn.Parse(reader.GetString(0));
                maySeeSize = reader.GetBoolean(1);
                user = reader.GetString(2);
            }

            // The privilege is checked when a statement starts, whether or not the call is reached: hence two of them.
            if (maySeeSize)
            {
                await using var command = new NpgsqlCommand("SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()", connection);
                size = (long?)await command.ExecuteScalarAsync(cancellationToken);
            }
        }

        return new WalFacts(
            current, size, size is null ? $"GRANT pg_monitor TO {SqlIdentifier.Quote(user)};" : null, await _slots.ListAsync(cancellationToken));
    }
}
