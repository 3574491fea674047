using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>The copy of one table by chunks, from its first or next range to the moment it streams.</summary>
sealed class ChunkedCopyRun(
    LaneContext context, IDestinationSession session, LandingGate gate, IChunkSource source, WantedCopy copy, TimeProvider time, TimeSpan nudgeAfter)
{
    const int KeysAtOnce = 500;
    const int FewestRows = 1_000;
    const long ChunkBytes = 8 << 20;
    const int MostShapes = 10;

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    TableName Name => copy.Table.Source;

    /// <returns>False: the table cannot be copied by chunks.</returns>
    /// <exception cref="FaultException">It cannot be copied at all as it is.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var restart = copy.Restart;
        for (var shapes = 1; ; shapes++)
        {
            var table = await source.DescribeAsync(Name, copy.Table.Route!.Columns, cancellationToken).ConfigureAwait(false)
                ?? throw new FaultException(new Fault(
                    ErrorClass.Table, $"Table {Name} is no longer there at the source.", "Remove it from the pipeline's tables or create it, then refresh."));
            await using var chunks = await session.OpenChunksAsync(
                new ChunkedCopy(copy.Table.Route, table, copy.Replace, restart, session.Position), cancellationToken).ConfigureAwait(false);
            if (chunks is null)
                return false;
            try
            {
                await CopyAsync(chunks, table, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (TableRewrittenException) when (shapes < MostShapes)
            {
                restart = true;
            }
        }
    }

    async Task CopyAsync(ITableChunks chunks, ChunkTable table, CancellationToken cancellationToken)
    {
        var state = copy.Replace ? TableState.Resyncing : TableState.Snapshotting;
        context.Status.Change(Name, t => t with { State = state, SnapshotRows = chunks.Rows, Error = null, Remedy = copy.Table.Remedy });
        var rows = Math.Min(FewestRows, context.ChunkRows);
        while (!chunks.RangesAreFinished)
        {
            var size = rows;
            var chunk = await PlaceAsync(
                chunks, mark => source.ReadAsync(table, chunks.FinishedUpTo, size, mark, chunks.StageAsync, cancellationToken), cancellationToken).ConfigureAwait(false);
            context.Metrics.Copied(chunk.Rows);
            context.Status.Change(Name, t => t with { SnapshotRows = chunks.Rows });
            if (chunk.Rows > 0)
                rows = (int)Math.Min(Math.Clamp(Math.Min(ChunkBytes / Math.Max(1, chunk.Bytes / chunk.Rows), rows * 4L), FewestRows, int.MaxValue), context.ChunkRows);
        }

        var finished = false;
        while (!finished)
        {
            var keys = await chunks.PendingAsync(KeysAtOnce, cancellationToken).ConfigureAwait(false);
            if (keys.Count > 0)
                await PlaceAsync(chunks, mark => source.ReadKeysAsync(table, keys, mark, chunks.StageAsync, cancellationToken), cancellationToken).ConfigureAwait(false);
            else
                await gate.PassAsync(context.Lane.Passed, async token => finished = await chunks.FinishAsync(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }

        context.Status.Change(Name, t => t with
        {
            State = t.InsertOnly ? TableState.InsertOnly : TableState.Streaming, SnapshotRows = chunks.Rows, SnapshotRowsEstimated = chunks.Rows, Error = null,
            Remedy = copy.Table.Remedy,
        });
    }

    /// <summary>Reads a chunk and brings it to its place, again and again until it has landed.</summary>
    async Task<ReadChunk> PlaceAsync(ITableChunks chunks, Func<WatchMark, Task<ReadChunk>> read, CancellationToken cancellationToken)
    {
        var pause = TimeSpan.FromMilliseconds(50);
        while (true)
        {
            var chunk = await read(chunks.Watch()).ConfigureAwait(false);
            var landing = default(ChunkLanding);
            var placing = gate.PassAsync(
                chunk.High, async token => landing = await chunks.LandAsync(chunk, token).ConfigureAwait(false), cancellationToken);
            if (await Task.WhenAny(placing, Task.Delay(nudgeAfter, time, cancellationToken)).ConfigureAwait(false) != placing && context.Lane.Passed < chunk.High)
                await source.NudgeAsync(cancellationToken).ConfigureAwait(false);
            await placing.ConfigureAwait(false);
            if (landing.HasLanded)
                return chunk;
            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
