using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Configuration;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.DeadLetters;

/// <summary>Dead letters in the config database: the store of an installation without a Redis. The newest epoch is the one in <c>pipeline_epochs</c>.</summary>
/// <param name="record">Says which store is in use.</param>
public sealed partial class ConfigDeadLetterStore(ConfigDatabase database, StoreRecord record) : IDeadLetterStore
{
    /// <summary>Payloads of one statement: PostgreSQL takes a gigabyte, both sides hold it in memory.</summary>
    internal const int StatementBytes = 32 << 20;

    /// <summary>Seconds; many megabytes may have to be written, to a disk that others use.</summary>
    const int Patience = 60;

    const string Queue = "d.pipeline_id = @PipelineId AND d.destination_id = @DestinationId AND d.generation = @Generation";

    /// <summary>Ends a write: whether the epoch was the newest; and the commit is flushed, whatever the server does with others.</summary>
    internal const string Ending =
        """
        SELECT EXISTS (SELECT FROM fence), CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
        """;

    public async Task OpenAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        await ClaimAsync(cancellationToken).ConfigureAwait(false);
        await WriteAsync(queue, epoch, "", [], cancellationToken).ConfigureAwait(false);
    }

    public async Task AppendAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetter> entries, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(entries);
        foreach (var part in EntryParts.Of(entries, int.MaxValue, StatementBytes))
        {
            await WriteAsync(
                queue, epoch,
                """
                , saved AS (
                    INSERT INTO dead_letters (pipeline_id, destination_id, generation, table_name, commit_lsn, ordinal, xid, commit_time, kind, key, payload, error_class,
                        error, sqlstate, parked_at, tries, last_tried_at)
                    SELECT @PipelineId, @DestinationId, @Generation, u.table_name, u.commit_lsn, u.ordinal, u.xid, u.commit_time, u.kind, u.key::jsonb, u.payload,
                        u.error_class, u.error, u.sqlstate, u.parked_at, u.tries, u.last_tried_at
                    FROM fence, unnest(@tables, @commits::pg_lsn[], @ordinals, @xids, @times, @kinds, @keys, @payloads, @classes, @errors, @states, @parked, @tries, @tried)
                        AS u (table_name, commit_lsn, ordinal, xid, commit_time, kind, key, payload, error_class, error, sqlstate, parked_at, tries, last_tried_at)
                    ON CONFLICT DO NOTHING)
                """,
                [
                    Array("tables", NpgsqlDbType.Text, part, e => e.Table.ToString()),
                    .. Places([.. part.Select(e => e.At)]),
                    Array("xids", NpgsqlDbType.Bigint, part, e => (long)e.Xid),
                    Array("times", NpgsqlDbType.Bigint, part, e => e.CommitTime),
                    Array("kinds", NpgsqlDbType.Text, part, e => DeadLetterText.Of(e.Kind)),
                    Array("keys", NpgsqlDbType.Text, part, e => JsonSerializer.Serialize(e.Key)),
                    Array("payloads", NpgsqlDbType.Bytea, part, e => e.Payload.ToArray()),
                    .. Failures([.. part.Select(e => e.Failure)]),
                    Array("parked", NpgsqlDbType.TimestampTz, part, e => e.ParkedAt.UtcDateTime),
                    Array("tries", NpgsqlDbType.Integer, part, e => e.Tries),
                    Array("tried", NpgsqlDbType.TimestampTz, part, e => e.LastTriedAt?.UtcDateTime),
                ],
                cancellationToken).ConfigureAwait(false);
        }
    }

    public Task<IReadOnlyList<DeadLetter>> ReadAsync(
        DeadLetterQueue queue, TableName? table, Position? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return QueryAsync(
            $"""
            SELECT {Columns} FROM dead_letters d
            WHERE {Queue}{(table is null ? "" : " AND d.table_name = @table")}{(after is null ? "" : " AND (d.commit_lsn, d.ordinal) > (@commit, @ordinal)")}
            ORDER BY d.commit_lsn, d.ordinal, d.table_name LIMIT @limit
            """,
            queue,
            [
                new NpgsqlParameter<int>("limit", limit),
                .. table is { } name ? (NpgsqlParameter[])[new NpgsqlParameter<string>("table", name.ToString())] : [],
                .. after is { } position ? (NpgsqlParameter[])[Place("commit", position.Commit), new NpgsqlParameter<long>("ordinal", position.Ordinal)] : [],
            ],
            ReadEntryAsync, cancellationToken);
    }

    public Task<IReadOnlyList<DeadLetter>> ReadAsync(
        DeadLetterQueue queue, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return QueryAsync(
            $"""
            SELECT {Columns} FROM dead_letters d
            WHERE {Queue} AND d.table_name = @table AND (d.commit_lsn, d.ordinal) IN (SELECT * FROM unnest(@commits::pg_lsn[], @ordinals))
            ORDER BY d.commit_lsn, d.ordinal
            """,
            queue, [new NpgsqlParameter<string>("table", table.ToString()), .. Places(at)], ReadEntryAsync, cancellationToken);
    }

    public Task RecordTriesAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetterTry> tries, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var last = TriedEntry.Of(tries);
        return last.Count == 0 ? Task.CompletedTask : WriteAsync(
            queue, epoch,
            $"""
            , saved AS (
                UPDATE dead_letters d SET tries = d.tries + u.tries, last_tried_at = u.tried, error_class = u.error_class, error = u.error, sqlstate = u.sqlstate
                FROM fence, unnest(@tables, @commits::pg_lsn[], @ordinals, @classes, @errors, @states, @tried, @tries)
                    AS u (table_name, commit_lsn, ordinal, error_class, error, sqlstate, tried, tries)
                WHERE {Queue} AND d.table_name = u.table_name AND d.commit_lsn = u.commit_lsn AND d.ordinal = u.ordinal
                    AND (d.last_tried_at IS NULL OR d.last_tried_at < u.tried))
            """,
            [
                Array("tables", NpgsqlDbType.Text, last, t => t.Last.Table.ToString()),
                .. Places([.. last.Select(t => t.Last.At)]),
                .. Failures([.. last.Select(t => t.Last.Failure)]),
                Array("tried", NpgsqlDbType.TimestampTz, last, t => t.Last.TriedAt.UtcDateTime),
                Array("tries", NpgsqlDbType.Integer, last, t => t.Tries),
            ],
            cancellationToken);
    }

    public Task RemoveAsync(DeadLetterQueue queue, long epoch, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return WriteAsync(
            queue, epoch,
            $"""
            , gone AS (
                DELETE FROM dead_letters d USING fence, unnest(@commits::pg_lsn[], @ordinals) AS u (commit_lsn, ordinal)
                WHERE {Queue} AND d.table_name = @table AND d.commit_lsn = u.commit_lsn AND d.ordinal = u.ordinal)
            """,
            [new NpgsqlParameter<string>("table", table.ToString()), .. Places(at)], cancellationToken);
    }

    public Task ReplaceAsync(DeadLetterQueue queue, long epoch, TableName table, Position at, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return WriteAsync(
            queue, epoch,
            $"""
            , replaced AS (
                UPDATE dead_letters d SET payload = @payload FROM fence
                WHERE {Queue} AND d.table_name = @table AND d.commit_lsn = @commit AND d.ordinal = @ordinal)
            """,
            [
                new NpgsqlParameter<string>("table", table.ToString()), Place("commit", at.Commit), new NpgsqlParameter<long>("ordinal", at.Ordinal),
                new NpgsqlParameter<byte[]>("payload", payload.ToArray()),
            ],
            cancellationToken);
    }

    public Task<IReadOnlyList<DeadLetterGroup>> SummarizeAsync(DeadLetterQueue queue, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return QueryAsync(
            $"""
            SELECT d.table_name, d.error_class, d.sqlstate, count(*), sum(octet_length(d.payload))::bigint, min(d.parked_at), max(d.parked_at),
                (array_agg(d.error ORDER BY d.commit_lsn, d.ordinal) FILTER (WHERE d.error IS NOT NULL))[1]
            FROM dead_letters d WHERE {Queue}
            GROUP BY d.table_name, d.error_class, d.sqlstate ORDER BY d.table_name, d.error_class NULLS FIRST, d.sqlstate NULLS FIRST
            """,
            queue, [],
            row => Task.FromResult(new DeadLetterGroup(
                TableName.Parse(row.GetString(0)), row.IsDBNull(1) ? null : DeadLetterText.ReadClass(row.GetString(1)), Text(row, 2), row.GetInt64(3), row.GetInt64(4),
                Time(row, 5), Time(row, 6), Text(row, 7))),
            cancellationToken);
    }

    public async Task<Fault?> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ClaimAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (DeadLetterStoreException e)
        {
            return e.Fault;
        }
    }

    /// <summary>The database is its owner's.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    async Task WriteAsync(DeadLetterQueue queue, long epoch, string step, IReadOnlyList<NpgsqlParameter> parameters, CancellationToken cancellationToken)
    {
        var isNewest = await GuardAsync(() => database.WriteAsync(
            async connection =>
            {
                await using var command = Command(connection, $"WITH {EpochRepository.Fence}{step}\n{Ending}", queue, parameters);
                command.Parameters.Add(new NpgsqlParameter<long>("Epoch", epoch));
                return (bool)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
            },
            cancellationToken)).ConfigureAwait(false);
        if (!isNewest) throw new FencedException("the config database", epoch);
    }

    Task<IReadOnlyList<T>> QueryAsync<T>(
        string sql, DeadLetterQueue queue, IReadOnlyList<NpgsqlParameter> parameters, Func<NpgsqlDataReader, Task<T>> read, CancellationToken cancellationToken) =>
        GuardAsync(() => database.ReadAsync(
            async connection =>
            {
                // Copies, because a read may be done twice.
                await using var command = Command(connection, sql, queue, [.. parameters.Select(p => p.Clone())]);
                await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                var found = new List<T>();
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) found.Add(await read(rows).ConfigureAwait(false));
                return (IReadOnlyList<T>)found;
            },
            cancellationToken));

    internal static NpgsqlCommand Command(NpgsqlConnection connection, string sql, DeadLetterQueue queue, IReadOnlyList<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = Patience };
        command.Parameters.Add(new NpgsqlParameter<long>("PipelineId", queue.PipelineId));
        command.Parameters.Add(new NpgsqlParameter<long>("DestinationId", queue.DestinationId));
        command.Parameters.Add(new NpgsqlParameter<Guid>("Generation", queue.Generation));
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        return command;
    }

    Task<T> GuardAsync<T>(Func<Task<T>> work) => ConfigStoreFaults.GuardAsync(database.Where, work);

    Task ClaimAsync(CancellationToken cancellationToken) => record.ClaimAsync(StoreKind.ConfigDatabase, record.Installation, database.Where, cancellationToken);
}
