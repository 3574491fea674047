using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// Lands a chunk that is held in memory by COPY straight into its table: each row is written once. The rows that the statements for a staged chunk would leave
/// out are left out here, by the bytes of their keys; where bytes do not tell keys apart, or the table has a row in the way, the chunk is staged after all.
/// </summary>
/// <param name="isOurs">Rows that are there may be of an earlier shape, so that they are made equal.</param>
/// <param name="byBytes">By column of the key: both sides tell its texts apart by their bytes.</param>
sealed class DirectLanding(ChunkedCopy copy, CopyTarget target, ChunkStatements sql, PositionRow row, bool isOurs, IReadOnlyList<bool> byBytes)
{
    const string UniqueViolation = "23505";
    const int FewestStaged = 4;
    const int MostStaged = 64;
    const int MostExisting = 4;

    readonly bool _fits = sql.AddsNothing && !copy.DeletesExtra && (copy.Purpose == ChunkPurpose.Copy ? !copy.Replace : copy.Purpose == ChunkPurpose.Backfill)
        && copy.Table.Format == CopyFormat.Binary && target.Casts.Count == 0;

    // Of a backfill most rows may be there, and its range may hold many more than it brings: it goes by what has landed before.
    readonly bool _knowsExisting = copy.Purpose == ChunkPurpose.Copy && KeyOrder.IsSame(copy.Table.Table) && copy.Table.Key.All(k => IsOneForm(copy, target, k));
    readonly bool _knowsChanged = copy.Table.Key.Select((k, i) => IsOneForm(copy, target, k) || (byBytes[i] && IsText(copy, target, k))).All(k => k);
    // Null before anything has landed.
    bool? _isWorthTrying = copy.Purpose == ChunkPurpose.Copy ? true : null;
    int _backoff = FewestStaged / 2;
    int _stagedFirst;

    /// <summary>A chunk that is read now may be held in memory.</summary>
    public bool Holds => _fits && (_knowsExisting || _isWorthTrying != false);

    /// <summary>Told of each chunk that has landed by way of the stage: when all of its rows were missing, those of the next may be too.</summary>
    /// <param name="changed">Keys that the lane had changed since.</param>
    public void Staged(ReadChunk chunk, ChunkLanding landing, int changed)
    {
        _stagedFirst = Math.Max(0, _stagedFirst - 1);
        _isWorthTrying = _stagedFirst == 0 && landing is { Updated: 0, Inserted: > 0 } && landing.Inserted >= chunk.Rows - changed;
    }

    /// <param name="changed">From <see cref="KeyWindow.RowOf"/>.</param>
    /// <param name="plan">Knows the types of the keys that were changed.</param>
    /// <param name="landedSql">Records that it has landed.</param>
    /// <param name="beforeCommit">Cancelled: it is undone.</param>
    /// <returns>Null: nothing was done, and the chunk has to be staged.</returns>
    public async Task<ChunkLanding?> TryAsync(ChunkStage stage, ReadChunk chunk, IReadOnlyList<byte[]> changed, Func<TablePlan> plan, string? landedSql, CancellationToken beforeCommit, CancellationToken cancellationToken)
    {
        if (!_fits || !(_knowsExisting || _isWorthTrying == true) || (changed.Count > 0 && !_knowsChanged) || ChunkSplit.Of(copy, changed, plan) is not { } split)
            return null;
        using var keys = split;
        var connection = stage.Connection;
        if (_knowsExisting && !await split.FindExistingAsync(connection, target, chunk.Range, chunk.Rows * MostExisting, beforeCommit))
            return null;
        var bytes = stage.Held!.Bytes;
        var parts = split.Divide(bytes.Span, takesExisting: isOurs);
        try
        {
            if (parts.Existing.Count > 0)
                await stage.ClearAsync(beforeCommit);
            var inserted = await CopyAsync(connection, $"{TableChunks.BeginSql}; {sql.CopyTable}", bytes, parts.Missing, beforeCommit);
            var updated = 0L;
            if (parts.Existing.Count > 0)
            {
                await CopyAsync(connection, sql.CopyStage, bytes, parts.Existing, beforeCommit);
                updated = (await connection.QueryAsync($"SET LOCAL enable_hashjoin = off; {sql.UpdateDiffering(chunk.High)}", beforeCommit)).RowCount;
            }

            if (parts.Partial.Count > 0)
                await connection.QueryAsync(sql.PendAll(row, await stage.FillWindowAsync(plan(), parts.Partial, beforeCommit)), beforeCommit);
            Failpoint.Hit(FailpointNames.ChunkBeforeCommit);
            await row.CommitAsync(connection, cancellationToken, first: landedSql);
            Failpoint.Hit(FailpointNames.ChunkAfterCommit);
            return new ChunkLanding(inserted, updated, 0, null);
        }
        catch (PgServerException e) when (e.SqlState == UniqueViolation && !e.IsFatal)
        {
            await stage.RollbackAsync();
            _isWorthTrying = false;
            _stagedFirst = _backoff = Math.Min(_backoff * 2, MostStaged);
            return null;
        }
        catch
        {
            await stage.RollbackAsync();
            throw;
        }
    }

    static async ValueTask<long> CopyAsync(PgConnection connection, string copySql, ReadOnlyMemory<byte> bytes, IReadOnlyList<Range> runs, CancellationToken cancellationToken)
    {
        await using var into = await connection.CopyInAsync(copySql, cancellationToken);
        foreach (var run in runs)
            await into.WriteAsync(bytes[run], cancellationToken);
        return (await into.CompleteAsync(cancellationToken)).RowCount;
    }

    // One value has one form, here and there.
    static bool IsOneForm(ChunkedCopy copy, CopyTarget target, string key) =>
        TypeOf(copy, key) is var type && KeyOrder.HasOneForm(type) && target.Table.Find(key)?.TypeOid == type;

    static bool IsText(ChunkedCopy copy, CopyTarget target, string key) => TypeOf(copy, key) is (25 or 1043) and var type && target.Table.Find(key)?.TypeOid == type;

    static uint TypeOf(ChunkedCopy copy, string key) => copy.Table.Table.Columns.First(c => c.Name == key).TypeOid;
}
