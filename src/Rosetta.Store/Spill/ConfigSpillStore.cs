using System.Buffers;
using System.Collections.Concurrent;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Spill;

/// <summary>
/// Spill logs in the config database, which every node reaches: a fail-over needs nothing else. The newest epoch is the one in <c>pipeline_epochs</c>, and its row is
/// locked by the transaction that writes. What cannot be read to its end yet is not read: a part is given when every transaction in it has ended in the log.
/// Compressing and its contrary are done by the caller's thread.
/// </summary>
/// <param name="compression">Of what is written from now on; null: Zstandard.</param>
public sealed partial class ConfigSpillStore(ConfigDatabase database, IPartCompression? compression = null) : ISpillStore
{
    /// <summary>A payload that would not get smaller.</summary>
    internal const string AsItIs = "NONE";

    /// <summary>PostgreSQL takes a gigabyte with everything around it; both sides hold it in memory.</summary>
    internal const long LargestPart = 1_000_000_000;

    /// <summary>Seconds; many megabytes may have to be written, to a disk that others use.</summary>
    const int Patience = 60;

    readonly IPartCompression _compression = compression ?? new ZstdCompression();
    readonly ConcurrentDictionary<SpillLog, Opening> _openings = new();

    /// <summary>A log as this store opened it.</summary>
    /// <param name="Bytes">What it had last.</param>
    sealed record Opening(long Epoch, long Number, long Bytes);

    public async Task<SpillExtent?> OpenAsync(SpillLog log, long epoch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(log);
        _openings.TryRemove(log, out _);
        var (opening, row) = await GuardAsync(log, () => BeginOpeningAsync(log, epoch, cancellationToken)).ConfigureAwait(false);
        var last = await GuardAsync(log, () => FindEndAsync(log, row, cancellationToken)).ConfigureAwait(false);
        if (last < row.LastPart) row = await GuardAsync(log, () => CutAsync(log, epoch, opening, last, cancellationToken)).ConfigureAwait(false);
        // Also those that whoever cut it last did not come to. What was let go, which may be much, keeps nobody from adding: it is removed with the leftovers.
        await GuardAsync(log, () => SweepAsync(SweepEndSql, log, epoch, cancellationToken)).ConfigureAwait(false);
        _openings[log] = new Opening(epoch, opening, row.Bytes);
        return row.ToExtent(log);
    }

    public async Task<SpillExtent> AppendAsync(SpillLog log, long epoch, Lsn from, SpillPart part, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(log);
        ArgumentNullException.ThrowIfNull(part);
        // After a failure it is not known how far the log goes.
        if (!_openings.TryRemove(log, out var opening) || opening.Epoch != epoch)
            throw new InvalidOperationException($"The spill log of destination {log.DestinationId} is to be opened before something is added, also after a failure.");
        var (method, stored, rented) = Compress(part.Payload);
        try
        {
            if (stored.Length > LargestPart) throw new SpillStoreException(SpillFaults.TooLarge(stored.Length, LargestPart));
            var row = await SpillFaults.GuardAsync(
                database.Where, opening.Bytes,
                () => database.WriteAsync(
                    async connection =>
                    {
                        await using var command = Command(
                            connection, AppendSql, log,
                            [
                                new NpgsqlParameter<long>("Epoch", epoch), new NpgsqlParameter<long>("Opening", opening.Number), Place("From", from), Place("Through", part.Through),
                                new NpgsqlParameter<int>("Transactions", part.Transactions), .. Payload(method, stored, part.Payload.Length),
                            ]);
                        command.CommandTimeout += (int)(stored.Length >> 20);
                        await using var answer = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                        await answer.ReadAsync(cancellationToken).ConfigureAwait(false);
                        if (!answer.GetBoolean(LogRow.ColumnCount)) throw new FencedException("the config database", epoch);
                        return answer.IsDBNull(0)
                            ? throw new SpillStoreException(SpillFaults.NotOpen(answer.IsDBNull(LogRow.ColumnCount + 1) ? null : answer.GetString(LogRow.ColumnCount + 1)))
                            : LogRow.Read(answer);
                    },
                    cancellationToken)).ConfigureAwait(false);
            _openings[log] = opening with { Bytes = row.Bytes };
            return row.ToExtent(log)!;
        }
        finally
        {
            if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        }
    }

    public Task<StoredPart?> ReadAsync(SpillLog log, long after, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(log);
        return GuardAsync(log, () => ReadPartAsync(log, after, cancellationToken));
    }

    public async Task<SpillExtent?> RemoveAsync(SpillLog log, long epoch, Lsn position, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(log);
        var row = await GuardAsync(log, () => LetGoAsync(log, epoch, position, cancellationToken)).ConfigureAwait(false);
        await GuardAsync(log, () => SweepAsync(SweepSql, log, epoch, cancellationToken)).ConfigureAwait(false);
        return row?.ToExtent(log);
    }

    public async Task AbandonAsync(SpillLog log, long epoch, string reason, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(log);
        _openings.TryRemove(log, out _);
        var (isNewest, isAttached) = await GuardAsync(log, () => database.WriteAsync(
            async connection =>
            {
                await using var command = Command(
                    connection, AbandonSql, log, [new NpgsqlParameter<long>("Epoch", epoch), new NpgsqlParameter<string>("Reason", StoreTypes.Storable(reason)!)]);
                await using var answer = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await answer.ReadAsync(cancellationToken).ConfigureAwait(false);
                return (answer.GetBoolean(0), answer.GetBoolean(1));
            },
            cancellationToken)).ConfigureAwait(false);
        if (!isNewest) throw new FencedException("the config database", epoch);
        if (!isAttached) throw new SpillStoreException(SpillFaults.NotAttached(log));
        await GuardAsync(log, () => SweepAsync(SweepSql, log, epoch, cancellationToken)).ConfigureAwait(false);
    }

    public Task<IReadOnlyList<SpillExtent>> ListAsync(long pipelineId, CancellationToken cancellationToken) =>
        SpillFaults.GuardAsync(database.Where, 0, () => database.ReadAsync(
            async connection =>
            {
                await using var command = Command(connection, ListSql, pipelineId);
                await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                var found = new List<SpillExtent>();
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    var log = new SpillLog(pipelineId, rows.GetInt64(LogRow.ColumnCount), rows.GetGuid(LogRow.ColumnCount + 1));
                    var row = LogRow.Read(rows);
                    if (!rows.IsDBNull(LogRow.ColumnCount + 2)) row = row with { Through = LogRow.Lsn(rows, LogRow.ColumnCount + 2) };
                    found.Add(row.ToExtent(log)!);
                }

                return (IReadOnlyList<SpillExtent>)found;
            },
            cancellationToken));

    /// <summary>The database is its owner's.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    static NpgsqlParameter Place(string name, Lsn? lsn) =>
        new(name, NpgsqlDbType.PgLsn) { Value = lsn is { } value ? new NpgsqlLogSequenceNumber(value.Value) : DBNull.Value };

    static NpgsqlCommand Command(NpgsqlConnection connection, string sql, SpillLog log, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = Command(connection, sql, log.PipelineId, parameters);
        command.Parameters.Add(new NpgsqlParameter<long>("DestinationId", log.DestinationId));
        command.Parameters.Add(new NpgsqlParameter<Guid>("Generation", log.Generation));
        return command;
    }

    static NpgsqlCommand Command(NpgsqlConnection connection, string sql, long pipelineId, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = Patience };
        command.Parameters.Add(new NpgsqlParameter<long>("PipelineId", pipelineId));
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        return command;
    }

    Task<T> GuardAsync<T>(SpillLog log, Func<Task<T>> work) => SpillFaults.GuardAsync(database.Where, _openings.GetValueOrDefault(log)?.Bytes ?? 0, work);
}
