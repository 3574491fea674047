using Rosetta.Actors.Replication;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// The first copy of a large table from an exported snapshot, in ranges of its key, each in a destination transaction of its own: what has landed stays when
/// the snapshot is lost, and the rest comes by chunks beside the stream, from the next range on.
/// </summary>
sealed class RangedCopy(LaneContext context, IDestinationSession session, ITableReader reader, PlannedTable planned, Lsn since, IProgress<CopyProgress> progress)
{
    const int FewestRows = 10_000;
    const int MostRows = 2_000_000;

    /// <returns>False: this table cannot be copied like that.</returns>
    public async Task<bool> RunAsync(TableDescription description, CancellationToken cancellationToken)
    {
        var table = reader.InRanges(description, planned.Route!.Columns);
        await using var chunks = await session.OpenChunksAsync(
            new ChunkedCopy(planned.Route, table, Replace: false, Restart: true, since) { Transform = planned.Route.Fingerprint }, cancellationToken).ConfigureAwait(false);
        if (chunks is null)
            return false;
        // The first range is small: it tells the size of a row.
        var rows = FewestRows;
        while (!chunks.RangesAreFinished)
        {
            var range = new ChunkRange(null, null);
            var bytes = new LastReport(progress);
            var loaded = await chunks.LoadAsync(
                reader.ReadRange(table, chunks.FinishedUpTo, rows, found => range = found), () => range, bytes, cancellationToken).ConfigureAwait(false);
            context.Metrics.Copied(loaded);
            if (loaded > 0)
                rows = (int)Math.Clamp(context.RangedFrom / Math.Max(1, bytes.Bytes / loaded), FewestRows, MostRows);
        }

        await chunks.FinishAsync(cancellationToken).ConfigureAwait(false);
        context.Status.Change(planned.Source, t => t with
        {
            State = TableState.CatchingUp, SnapshotRows = chunks.Rows, SnapshotRowsEstimated = chunks.Rows, Error = null, Remedy = planned.Remedy, Since = since,
        });
        return true;
    }

    sealed class LastReport(IProgress<CopyProgress> next) : IProgress<CopyProgress>
    {
        public long Bytes { get; private set; }

        public void Report(CopyProgress value)
        {
            Bytes = value.Bytes;
            next.Report(value);
        }
    }
}
