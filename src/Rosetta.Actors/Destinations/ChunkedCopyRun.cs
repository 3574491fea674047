using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Rosetta.Store.Runtime;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>The copy of one table by chunks, from its first or next range to the moment it streams.</summary>
sealed class ChunkedCopyRun(
    LaneContext context, IDestinationSession session, LandingGate gate, IChunkSource chunkSource, LaneTransforms transforms, WantedCopy copy, TimeProvider time)
{
    const int MostShapes = 10;

    // Not disposed of: the reader is its owner's.
    readonly IChunkSource _source = TransformedChunkSource.For(chunkSource, transforms, copy.Table.Route!);

    TableName Name => copy.Table.Source;

    /// <summary>Stores that the copy has begun, and makes the target ready for its rows.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public async Task<bool> BeginAsync(CancellationToken cancellationToken)
    {
        var table = await DescribeAsync(cancellationToken).ConfigureAwait(false);
        await using var chunks = await OpenAsync(table, copy.Restart, cancellationToken).ConfigureAwait(false);
        return chunks is not null;
    }

    async Task<ChunkTable> DescribeAsync(CancellationToken cancellationToken) =>
        await _source.DescribeAsync(Name, copy.Table.Route!.Columns, cancellationToken).ConfigureAwait(false) is { } table
            ? LaneOptions.Describe(copy.Table.Route, table)
            : throw new FaultException(new Fault(
                ErrorClass.Table, $"Table {Name} is no longer there at the source.", "Remove it from the pipeline's tables or create it, then refresh."));

    Task<ITableChunks?> OpenAsync(ChunkTable table, bool restart, CancellationToken cancellationToken) => session.OpenChunksAsync(
        new ChunkedCopy(LaneOptions.WithColumns(LaneTransforms.Plain(copy.Table.Route!)), table, copy.Replace, restart, session.Position) { Transform = copy.Table.Route!.Fingerprint }, cancellationToken);

    /// <returns>False: the table cannot be copied by chunks.</returns>
    /// <exception cref="FaultException">It cannot be copied at all as it is.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var restart = copy.Restart;
        for (var shapes = 1; ; shapes++)
        {
            var table = await DescribeAsync(cancellationToken).ConfigureAwait(false);
            await using var chunks = await OpenAsync(table, restart, cancellationToken).ConfigureAwait(false);
            if (chunks is null)
                return false;
            try
            {
                Show(copy.Replace ? TableState.Resyncing : TableState.Snapshotting, chunks.Rows);
                await new ChunkRun(Paced(), chunks, table with { From = chunks.FinishedPages }, gate, context.Lane, context.ChunkRows, Landed, time) { Digested = Digested, Waits = Waits }
                    .RunAsync(cancellationToken).ConfigureAwait(false);
                await chunks.AnalyzeAsync(cancellationToken).ConfigureAwait(false);
                context.Status.Change(Name, t => t with
                {
                    State = t.InsertOnly ? TableState.InsertOnly : TableState.Streaming, SnapshotRows = chunks.Rows, SnapshotRowsEstimated = chunks.Rows,
                });
                return true;

                void Waits(string? reason) => context.Status.Change(Name, t => t with
                {
                    Error = reason, Remedy = reason is null ? copy.Table.Remedy : "It goes on by itself once that has ended; if it does not, end that transaction at the source.",
                });

                void Landed(ReadChunk chunk, ChunkLanding landing)
                {
                    context.Metrics.Copied(chunk.Rows);
                    context.Status.Change(Name, t => t with { SnapshotRows = chunks.Rows, SnapshotBytes = t.SnapshotBytes + chunk.Bytes, LastResync = Add(t.LastResync, 0, chunk.Rows, landing) });
                }

                void Digested(DigestedRange range)
                {
                    context.Metrics.Compared(range.Rows);
                    context.Status.Change(Name, t => t with { SnapshotRows = chunks.Rows, LastResync = Add(t.LastResync, range.Rows, 0, Nothing) });
                }
            }
            catch (TableRewrittenException) when (shapes < MostShapes)
            {
                restart = true;
            }
        }
    }

    static readonly ChunkLanding Nothing = new(0, 0, 0, null);

    static ResyncReport? Add(ResyncReport? report, long compared, long carried, ChunkLanding landing) => report is null ? null : report with
    {
        RowsCompared = report.RowsCompared + compared, RowsCarried = report.RowsCarried + carried,
        Inserted = report.Inserted + landing.Inserted, Updated = report.Updated + landing.Updated, Deleted = report.Deleted + landing.Deleted,
    };

    IChunkSource Paced() => context.Pace is { } pace ? new PacedChunkSource(_source, pace, context.Lane, reason => context.Waits(Name, reason)) : _source;

    void Show(TableState state, long rows) =>
        context.Status.Change(Name, t => t with
        {
            State = state, SnapshotRows = rows, SnapshotBytes = 0, CopyBegan = (time.GetUtcNow(), rows), Error = null, Remedy = copy.Table.Remedy,
            LastResync = copy.Order is { } order ? new ResyncReport(order.RequestId, 0, 0, 0, 0, 0) : null,
        });
}
