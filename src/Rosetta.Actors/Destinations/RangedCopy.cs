using Rosetta.Actors.Replication;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// The first copy of a large table from an exported snapshot, in ranges that each land in a destination transaction of their own: what has landed stays when
/// the snapshot is lost, and the rest comes by chunks beside the stream. In the order of the table's pages where that is possible, which costs the source the
/// least, else in that of its key.
/// </summary>
sealed class RangedCopy(LaneContext context, IDestinationSession session, ITableReader reader, PlannedTable planned, Lsn since, IProgress<CopyProgress> progress)
{
    const int FewestRows = 10_000;
    const int MostRows = 2_000_000;
    const int PageBytes = 8192;
    const long FewestPages = 64;

    /// <returns>False: this table cannot be copied like that.</returns>
    public async Task<bool> RunAsync(TableDescription description, CancellationToken cancellationToken)
    {
        var table = LaneOptions.Describe(planned.Route!, reader.InRanges(description, planned.Route!.Columns));
        await using var chunks = await session.OpenChunksAsync(
            new ChunkedCopy(LaneOptions.WithColumns(planned.Route), table, Replace: false, Restart: true, since) { Transform = planned.Route.Fingerprint }, cancellationToken).ConfigureAwait(false);
        if (chunks is null)
            return false;
        if (await reader.FindPagesAsync(description, cancellationToken).ConfigureAwait(false) is { } pages)
            await ByPagesAsync(chunks, table, pages, cancellationToken).ConfigureAwait(false);
        else
            await ByKeyAsync(chunks, table, cancellationToken).ConfigureAwait(false);
        await chunks.LandedAsync().ConfigureAwait(false);
        await chunks.FinishAsync(cancellationToken).ConfigureAwait(false);
        await chunks.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
        context.Status.Change(planned.Source, t => t with
        {
            State = TableState.CatchingUp, SnapshotRows = chunks.Rows, SnapshotRowsEstimated = chunks.Rows, Error = null, Remedy = planned.Remedy, Since = since,
        });
        return true;
    }

    async Task ByPagesAsync(ITableChunks chunks, ChunkTable table, PageMark pages, CancellationToken cancellationToken)
    {
        var step = Math.Max(FewestPages, context.RangedFrom / PageBytes);
        for (var from = 0L; ; from += step)
        {
            // The last one has no end, whatever has become of the table's size.
            var to = from + step < pages.Pages ? from + step : (long?)null;
            await LoadAsync(
                chunks, table, reader.ReadPages(table, from, to), () => new LoadedRange(null, to is { } end ? pages with { Pages = end } : null, to is null), cancellationToken).ConfigureAwait(false);
            if (to is null)
                return;
        }
    }

    async Task ByKeyAsync(ITableChunks chunks, ChunkTable table, CancellationToken cancellationToken)
    {
        // The first range is small: it tells the size of a row.
        var rows = FewestRows;
        var reports = new LastReport(progress);
        for (var range = new ChunkRange(null, null); ;)
        {
            var before = reports.Bytes;
            var source = reader.ReadRange(table, range.UpTo, rows, found => range = found);
            await LoadAsync(chunks, table, source, () => LoadedRange.Of(range), cancellationToken, reports).ConfigureAwait(false);
            if (range.IsLast)
                return;
            if (source.Rows is > 0 and var loaded)
                rows = (int)Math.Clamp(context.RangedFrom / Math.Max(1, (reports.Bytes - before) / loaded), FewestRows, MostRows);
        }
    }

    async Task LoadAsync(ITableChunks chunks, ChunkTable table, ICopySource source, Func<LoadedRange> range, CancellationToken cancellationToken, IProgress<CopyProgress>? reports = null)
    {
        await chunks.LoadAsync(context.Paced(planned.Source, CopiedRows.Of(source, planned.Route!.Options, table.Format, since)), range, reports ?? progress, cancellationToken).ConfigureAwait(false);
        context.Metrics.Copied(source.Rows ?? 0);
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
