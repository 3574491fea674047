using System.Buffers;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Spill;

/// <content>What the calls are made of.</content>
public sealed partial class ConfigSpillStore
{
    /// <summary>Parts that are deleted at once.</summary>
    const int Slice = 64;

    /// <summary>Waits for what is being written, after which the log's row says how far it goes.</summary>
    Task<(long Opening, LogRow Row)> BeginOpeningAsync(SpillLog log, long epoch, CancellationToken cancellationToken) => database.TransactAsync(
        async (connection, _) =>
        {
            await ShutOutAsync(connection, log.PipelineId, epoch, cancellationToken).ConfigureAwait(false);
            await using var open = Command(connection, OpenSql, log);
            await using var rows = await open.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            if (!await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) throw new SpillStoreException(SpillFaults.NotAttached(log));
            Failpoint.Hit(FailpointNames.SpillOpening);
            return (rows.GetInt64(LogRow.ColumnCount), LogRow.Read(rows));
        },
        cancellationToken);

    /// <summary>Waits for the pipeline's other writes, and lets none begin until the transaction ends.</summary>
    static async Task ShutOutAsync(NpgsqlConnection connection, long pipelineId, long epoch, CancellationToken cancellationToken)
    {
        await using var fence = Command(connection, $"WITH {EpochRepository.FenceAlone} SELECT EXISTS (SELECT FROM fence)", pipelineId, new NpgsqlParameter<long>("Epoch", epoch));
        if (!(bool)(await fence.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!) throw new FencedException("the config database", epoch);
    }

    /// <summary>Checks that the log has all of its parts up to its last end of a transaction.</summary>
    /// <returns>The last part that does not end inside a transaction; the one before the first when there is none.</returns>
    Task<long> FindEndAsync(SpillLog log, LogRow row, CancellationToken cancellationToken) => database.ReadAsync(
        async connection =>
        {
            var (last, through) = (row.FirstPart - 1, row.From);
            await using (var command = Command(connection, EndSql, log, new NpgsqlParameter<long>("First", row.FirstPart), new NpgsqlParameter<long>("Last", row.LastPart)))
            {
                await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                if (await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) (last, through) = (rows.GetInt64(0), LogRow.Lsn(rows, 1));
            }

            // A part that was taken away from the end; or one from between.
            if (through != row.Through) throw new SpillStoreException(SpillFaults.Hole(database.Where, log, last + 1));
            await using var missing = Command(connection, MissingSql, log, new NpgsqlParameter<long>("First", row.FirstPart), new NpgsqlParameter<long>("Last", last));
            return await missing.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is long sequence
                ? throw new SpillStoreException(SpillFaults.Hole(database.Where, log, sequence))
                : last;
        },
        cancellationToken);

    /// <summary>The log ends with the last end of a transaction.</summary>
    Task<LogRow> CutAsync(SpillLog log, long epoch, long opening, long last, CancellationToken cancellationToken) => database.WriteAsync(
        async connection =>
        {
            await using var command = Command(
                connection, CutLogSql, log, new NpgsqlParameter<long>("Epoch", epoch), new NpgsqlParameter<long>("Opening", opening), new NpgsqlParameter<long>("Last", last));
            await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            return await rows.ReadAsync(cancellationToken).ConfigureAwait(false) ? LogRow.Read(rows) : throw new FencedException("the config database", epoch);
        },
        cancellationToken);

    /// <summary>The payload as it is stored. The array is rented, null when the payload stays as it is.</summary>
    (string Method, ReadOnlyMemory<byte> Stored, byte[]? Rented) Compress(ReadOnlyMemory<byte> payload)
    {
        var rented = ArrayPool<byte>.Shared.Rent(_compression.Bound(payload.Length));
        var length = _compression.Compress(payload.Span, rented);
        if (length < payload.Length) return (_compression.Method, rented.AsMemory(0, length), rented);
        ArrayPool<byte>.Shared.Return(rented);
        return (AsItIs, payload, null);
    }

    byte[] Decompress(SpillLog log, PartRow row)
    {
        if (row.Method == _compression.Method) return _compression.Decompress(row.Stored.Span, row.RawBytes);
        if (row.Method != AsItIs) throw new SpillStoreException(SpillFaults.Newer(log, row.Sequence, $"its compression is {row.Method}"));
        return row.Stored.Length == row.RawBytes ? row.Stored.ToArray() : throw new FormatException("it is of another length");
    }

    static NpgsqlParameter[] Payload(string method, ReadOnlyMemory<byte> stored, int rawBytes) =>
    [
        new NpgsqlParameter<string>("Compression", method), new NpgsqlParameter<long>("Checksum", Crc32C.Of(stored.Span)), new NpgsqlParameter<int>("Bytes", stored.Length),
        new NpgsqlParameter<int>("RawBytes", rawBytes), new NpgsqlParameter<ReadOnlyMemory<byte>>("Payload", stored) { NpgsqlDbType = NpgsqlDbType.Bytea },
    ];

    /// <summary>Parts of which the position has everything are outside of the log from here on.</summary>
    Task<LogRow?> LetGoAsync(SpillLog log, long epoch, Lsn position, CancellationToken cancellationToken) => database.TransactAsync(
        async (connection, _) =>
        {
            LogRow? row;
            await using (var command = Command(connection, LockSql, log, new NpgsqlParameter<long>("Epoch", epoch)))
            {
                await using var answer = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await answer.ReadAsync(cancellationToken).ConfigureAwait(false);
                if (!answer.GetBoolean(LogRow.ColumnCount)) throw new FencedException("the config database", epoch);
                row = answer.IsDBNull(0) ? null : LogRow.Read(answer);
            }

            if (row is null || await FindPassedAsync(connection, log, row, position, cancellationToken).ConfigureAwait(false) is not { } passed) return row;
            await using (var command = Command(
                connection, LetGoSql, log, new NpgsqlParameter<long>("First", row.FirstPart), new NpgsqlParameter<long>("Last", passed.Last), Place("From", passed.From)))
            {
                await using var answer = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await answer.ReadAsync(cancellationToken).ConfigureAwait(false);
                row = LogRow.Read(answer);
            }

            // The first of them here, where a commit is not waited for.
            await SweepSliceAsync(connection, SweepSql, log, epoch, cancellationToken).ConfigureAwait(false);
            Failpoint.Hit(FailpointNames.SpillLettingGo);
            return row;
        },
        cancellationToken);

    /// <summary>The last part to be let go, and from where on the rest serves; null: none.</summary>
    static async Task<(long Last, Lsn From)?> FindPassedAsync(NpgsqlConnection connection, SpillLog log, LogRow row, Lsn position, CancellationToken cancellationToken)
    {
        await using var command = Command(
            connection, PassedSql, log, new NpgsqlParameter<long>("First", row.FirstPart), new NpgsqlParameter<long>("Last", row.LastPart), Place("Position", position));
        await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        if (!await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) return null;
        return (rows.GetInt64(0), LogRow.Lsn(rows, 1));
    }

    async Task<int> SweepAsync(string sql, SpillLog log, long epoch, CancellationToken cancellationToken)
    {
        var all = 0;
        while (await database.WriteAsync(connection => SweepSliceAsync(connection, sql, log, epoch, cancellationToken), cancellationToken).ConfigureAwait(false) is var some and > 0)
            all += some;
        return all;
    }

    static async Task<int> SweepSliceAsync(NpgsqlConnection connection, string sql, SpillLog log, long epoch, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, sql, log, new NpgsqlParameter<long>("Epoch", epoch), new NpgsqlParameter<int>("Limit", Slice));
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="SpillStoreException">It is missing or damaged.</exception>
    async Task<StoredPart?> ReadPartAsync(SpillLog log, long number, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync(connection => ReadRowAsync(connection, log, number, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (row is null) return null;
        try
        {
            if (row.Stored.Length != row.Bytes || row.Checksum != Crc32C.Of(row.Stored.Span)) throw new FormatException("its checksum is another one");
            var payload = Decompress(log, row);
            // Damage is told from this by the checksum; left to whoever decodes it would look like it.
            if (BatchCodec.VersionOf(payload) > BatchCodec.Version)
                throw new SpillStoreException(SpillFaults.Newer(log, row.Sequence, $"its batches are of version {BatchCodec.VersionOf(payload)}"));
            return new StoredPart(row.Sequence, new SpillPart(row.Through, row.Transactions, payload));
        }
        catch (FormatException e)
        {
            throw new SpillStoreException(SpillFaults.Damaged(database.Where, log, row.Sequence, e.Message), e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(row.Rented);
        }
    }

    async Task<PartRow?> ReadRowAsync(NpgsqlConnection connection, SpillLog log, long number, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, ReadSql, log, new NpgsqlParameter<long>("Number", number));
        await using var rows = await command.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, cancellationToken).ConfigureAwait(false);
        if (!await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) return null;
        var (expected, whole) = (rows.GetInt64(0), rows.GetInt64(1));
        if (whole < expected) return null;
        if (rows.IsDBNull(2) || rows.GetInt64(2) != expected) throw new SpillStoreException(SpillFaults.Hole(database.Where, log, expected));
        Lsn? through = rows.IsDBNull(3) ? null : LogRow.Lsn(rows, 3);
        var (transactions, method, checksum, bytes, rawBytes) = (rows.GetInt32(4), rows.GetString(5), rows.GetInt64(6), rows.GetInt32(7), rows.GetInt32(8));
        await using var payload = await rows.GetStreamAsync(9, cancellationToken).ConfigureAwait(false);
        var length = (int)payload.Length;
        var rented = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            await payload.ReadExactlyAsync(rented.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            return new PartRow(expected, through, transactions, method, (uint)checksum, bytes, rawBytes, rented.AsMemory(0, length), rented);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
    }
}
