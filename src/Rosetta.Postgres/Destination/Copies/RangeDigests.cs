using Rosetta.Core.Chunks;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Snapshot;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// Digests of a table's ranges at the destination. Each is read in a REPEATABLE READ transaction that begins between two groups of the lane, so the lane need
/// not wait for it.
/// </summary>
/// <param name="stages">Connections, by the stage of what is compared.</param>
/// <param name="plan">Knows the types of the keys that were changed.</param>
/// <param name="landed">Told what has been stored as finished.</param>
sealed class RangeDigests(
    IReadOnlyList<ChunkStage> stages, PositionRow row, ChunkedCopy copy, CopyTarget target, DigestSql sql, KeyWatch watch, StreamedTransactions streamed, Superseding superseding,
    Func<TablePlan> plan, Func<ChunkRange, long, string?> landedSql, Action<ChunkRange, long> landed) : IRangeDigests
{
    readonly List<byte[]>[] _keys = [.. stages.Select(_ => new List<byte[]>())];
    readonly bool[] _hasParked = new bool[stages.Count];

    public async Task<string?> PlaceAsync(ReadDigest digest, CancellationToken cancellationToken)
    {
        if (!streamed.AreShownBy(digest.Snapshot, digest.Watched.Transactions))
            return "a transaction that is not visible yet was applied before";
        var keys = _keys[digest.Watched.Stage];
        keys.Clear();
        if (!watch.TryRead(digest.Snapshot, digest.Watched.Keys, (key, isPartial) => keys.Add(KeyWindow.RowOf(key, isPartial))))
            return "the table was truncated or changed meanwhile";
        _hasParked[digest.Watched.Stage] = superseding.IsNeeded;
        var stage = stages[digest.Watched.Stage];
        await stage.RollbackAsync();
        // The first query takes the snapshot.
        await stage.Connection.QueryAsync($"BEGIN ISOLATION LEVEL REPEATABLE READ; {DigestSql.Settings}; SELECT 1", cancellationToken);
        return null;
    }

    public async Task<DigestVerdict> CompareAsync(ReadDigest digest, CancellationToken cancellationToken)
    {
        var stage = stages[digest.Watched.Stage];
        try
        {
            var disturbed = await FindDisturbedAsync(stage, digest, cancellationToken);
            var table = copy.Table.Table;
            var here = DigestSql.Parse(await stage.Connection.QueryAsync(
                sql.Read(table, target.Table.OnlySql, ChunkSql.Range(table, digest.Range, "t.") + new ChunkStatements(copy, target).Living("t.")), cancellationToken));
            var differing = digest.Source.DifferingFrom(here).ToHashSet();
            return new DigestVerdict([.. differing.Union(disturbed).Order()], differing.Except(disturbed).Count());
        }
        finally
        {
            // With the window, which is made anew.
            await stage.RollbackAsync();
        }
    }

    /// <summary>The buckets in which keys were changed by transactions that the source's digest does not have, or are parked.</summary>
    async ValueTask<HashSet<int>> FindDisturbedAsync(ChunkStage stage, ReadDigest digest, CancellationToken cancellationToken)
    {
        var keys = _keys[digest.Watched.Stage];
        var disturbed = new HashSet<int>();
        if (keys.Count > 0)
        {
            var window = await stage.FillWindowAsync(plan(), keys, cancellationToken);
            disturbed.UnionWith(await FindBucketsAsync(stage, digest, $"(SELECT {window.KeyColumns} FROM pg_temp.rosetta_window w) k", cancellationToken));
        }

        // Rows of which something is parked are read, so that it is superseded.
        if (_hasParked[digest.Watched.Stage])
            disturbed.UnionWith(await FindBucketsAsync(stage, digest, superseding.Keys, cancellationToken));
        return disturbed;
    }

    async ValueTask<IEnumerable<int>> FindBucketsAsync(ChunkStage stage, ReadDigest digest, string keys, CancellationToken cancellationToken)
    {
        var table = copy.Table.Table;
        var found = await stage.Connection.QueryAsync($"SELECT DISTINCT {DigestSql.Bucket(table, "k.")} FROM {keys} WHERE {ChunkSql.Range(table, digest.Range, "k.")}", cancellationToken);
        return Enumerable.Range(0, found.Rows.Count).Select(i => (int)found.Int64(i, 0));
    }

    public async Task PassedAsync(ChunkRange range, long rows, CancellationToken cancellationToken)
    {
        if (landedSql(range, rows) is { } stored)
        {
            var connection = stages[0].Connection;
            await connection.QueryAsync($"BEGIN; {stored}", cancellationToken);
            await row.CommitAsync(connection, cancellationToken);
        }

        landed(range, rows);
    }
}
