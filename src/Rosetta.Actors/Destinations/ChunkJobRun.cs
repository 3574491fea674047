using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>One job at one table of one destination.</summary>
sealed class ChunkJobRun(
    LaneContext context, IDestinationSession session, LandingGate gate, IChunkSource chunkSource, LaneTransforms transforms, ChunkJob job, TimeProvider time)
{
    /// <summary>The batch at hand has so long to land when its job is called off; then it is called off as well, as a whole.</summary>
    static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(750);

    /// <summary>Batches of a backfill that are read and landed together; a cancelled one still ends well within its time.</summary>
    const int BatchesAtOnce = 5;
    const int MostRowsAtOnce = 50_000;

    ChunkJobReport _last = new(job.Id, ChunkJobState.Running, 0, null, 0, 0, 0, null, null);

    /// <summary>A failure that is the table's or the job's own is reported; any other is the lane's, and the job goes on with the next session.</summary>
    /// <returns>False: reading was broken off, which may have taken the reader's connection along.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        using var callOff = new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, callOff.Token);
        await using var asked = job.Enough.Register(() => callOff.CancelAfter(Grace)).ConfigureAwait(false);
        try
        {
            var isWhole = !job.Enough.IsCancellationRequested && await WorkAsync(callOff.Token, either.Token).ConfigureAwait(false);
            Report(_last with { State = isWhole ? ChunkJobState.Completed : ChunkJobState.Cancelled });
        }
        catch (OperationCanceledException) when (callOff.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            Report(_last with { State = ChunkJobState.Cancelled });
            return false;
        }
        catch (Exception e) when (e is TableRewrittenException || ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
        {
            var fault = ErrorPolicy.ToFault(e);
            Report(_last with { State = ChunkJobState.Failed, Error = fault.Remedy is { } remedy ? $"{fault.Reason} {remedy}" : fault.Reason });
        }

        return true;
    }

    /// <summary>It has ended because the table's choice was changed.</summary>
    public void CallOff() => Report(_last with
    {
        State = ChunkJobState.Failed, Error = $"The choice of table {job.Table} (table_syncs) was changed meanwhile. Ask for it again when the table streams.",
    });

    /// <summary>False: it was called off before the end.</summary>
    async Task<bool> WorkAsync(CancellationToken callOff, CancellationToken cancellationToken)
    {
        var plan = context.Plans[context.DestinationId]?.Tables.FirstOrDefault(t => t.Source == job.Table);
        if (plan?.Route is not { } route)
            throw Unfit($"Table {job.Table} is not replicated to this destination.", "Choose another table or destination.");
        var source = TransformedChunkSource.For(chunkSource, transforms, route);
        if (await source.DescribeAsync(job.Table, route.Columns, cancellationToken).ConfigureAwait(false) is not { } table)
            throw Unfit($"Table {job.Table} is no longer there at the source.", "Create it, then refresh the pipeline.");
        table = LaneOptions.Describe(route, table) with { Condition = job.Condition };
        var copy = new ChunkedCopy(LaneOptions.WithColumns(LaneTransforms.Plain(route)), table, true, false, session.Position)
        {
            Purpose = job.Purpose, Job = job.Purpose == ChunkPurpose.Backfill ? job.Id : null,
        };
        await using var chunks = await session.OpenChunksAsync(copy, cancellationToken).ConfigureAwait(false);
        if (chunks is null && job.Purpose is ChunkPurpose.Compare or ChunkPurpose.Repair)
            return await CompareWholeAsync(source, copy, cancellationToken).ConfigureAwait(false);
        if (chunks is null)
        {
            throw Unfit(
                $"Table {job.Table} has no primary key, or foreign keys or triggers act at the destination: it cannot be taken in chunks.",
                "Resync the table instead.");
        }

        Report(_last with { Rows = chunks.Rows, Total = await CountAsync(source, table, cancellationToken).ConfigureAwait(false) });
        var paced = context.Pace is { } pace ? new PacedChunkSource(source, pace, context.Lane, static _ => { }) : source;
        await new ChunkRun(paced, chunks, table, gate, context.Lane, RowsAtOnce, Landed, time) { Digested = Digested, Waits = Waits, CallOff = callOff }.RunAsync(cancellationToken, job.Enough).ConfigureAwait(false);
        if (chunks is not { RangesAreFinished: true, IsSwept: true })
            return false;
        // What was estimated is known now.
        if (job.Purpose == ChunkPurpose.Backfill)
            Report(_last with { Total = chunks.Rows });
        return true;

        void Waits(string? reason) => context.Status.Change(job.Table, t => t.State == TableState.Error ? t : t with { Error = reason });

        void Digested(DigestedRange range)
        {
            context.Metrics.Compared(range.Rows);
            Report(_last with { Rows = chunks.Rows, Ranges = _last.Ranges + 1, AsOf = context.Lane.Passed });
        }

        void Landed(ReadChunk chunk, ChunkLanding landing) => Report(_last with
        {
            Rows = chunks.Rows, Carried = _last.Carried + chunk.Rows, Keys = [.. _last.Keys, .. landing.Keys], Inserted = _last.Inserted + landing.Inserted, Updated = _last.Updated + landing.Updated, Deleted = _last.Deleted + landing.Deleted,
            AsOf = context.Lane.Passed,
        });
    }

    int RowsAtOnce => job.Purpose == ChunkPurpose.Backfill ? (int)Math.Max(job.ChunkRows, Math.Min((long)job.ChunkRows * BatchesAtOnce, MostRowsAtOnce)) : job.ChunkRows;

    /// <summary>A table without a key, or on which triggers or foreign keys act: whether it is equal, and how many rows there are, but not which rows differ.</summary>
    /// <returns>False: it was called off.</returns>
    async Task<bool> CompareWholeAsync(IChunkSource source, ChunkedCopy copy, CancellationToken cancellationToken)
    {
        if (copy.Route.Options is { Ignore: not IgnoredChanges.None } or { SoftDeletes: true })
            throw Unfit($"Table {job.Table} cannot be taken in chunks, and the destination has, or lacks, rows by its options.", "Compare it by hand, or resync it.");
        if (await source.DescribeDigestAsync(copy.Table, cancellationToken).ConfigureAwait(false) is not { } form
            || await session.OpenWholeAsync(copy, form, cancellationToken).ConfigureAwait(false) is not { } here)
        {
            throw Unfit(
                $"Table {job.Table} cannot be taken in chunks, and its rows cannot be compared by digests: a transform makes them, or a column has a type that both servers do not hash alike.",
                "Resync the table instead.");
        }

        await using (here)
        {
            var place = new LanePlace(source, gate, context.Lane, time);
            if (await new WholeTableRun(source, here, copy.Table, place, time).RunAsync(cancellationToken, job.Enough).ConfigureAwait(false) is not var (there, mine))
            {
                return job.Enough.IsCancellationRequested
                    ? false
                    : throw Unfit($"Table {job.Table} is compared as a whole, and was changed in every moment of the last minute.", "Compare it when less is written to it.");
            }

            context.Metrics.Compared(there.Rows);
            var difference = there == mine
                ? null
                : string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"It differs: {there.Rows} rows at the source, {mine.Rows} at the destination. It is compared as a whole (no primary key, or triggers or foreign keys act), so rows are not told apart.");
            Report(_last with
            {
                Rows = there.Rows, Total = there.Rows, Ranges = 1, AsOf = context.Lane.Passed, Inserted = Math.Max(0, there.Rows - mine.Rows), Deleted = Math.Max(0, mine.Rows - there.Rows),
                Difference = difference,
            });
            return true;
        }
    }

    async Task<long> CountAsync(IChunkSource source, ChunkTable table, CancellationToken cancellationToken)
    {
        try
        {
            return await source.CountAsync(table, job.Purpose == ChunkPurpose.Backfill, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (job.Condition is not null && ErrorPolicy.Classify(e) == ErrorClass.Operator)
        {
            // The source does not know how to do what the condition asks for (0A000): the job's fault, not the source's.
            throw new FaultException(new Fault(ErrorClass.Data, ErrorPolicy.ToFault(e).Reason, null) { ForLog = e.Message }, e);
        }
    }

    static FaultException Unfit(string reason, string remedy) => new(new Fault(ErrorClass.Table, reason, remedy));

    void Report(ChunkJobReport report)
    {
        _last = report;
        job.Report(report);
    }
}
