using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Rows of a table that streams which an update without all of their values did not find: their keys are read again at the source, as chunks of their own. A
/// table whose rows cannot be read like that stops.
/// </summary>
sealed class PendingKeysRun(
    LaneContext context, IDestinationSession session, LandingGate gate, IChunkSource chunkSource, LaneTransforms transforms, TableName name, TimeProvider time)
{
    const int MostShapes = 10;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (context.Plans[context.DestinationId]?.Tables.FirstOrDefault(t => t.Source == name)?.Route is not { } route
            || session.Tables.GetValueOrDefault(name) is not { Streams: true, Copying: null })
            return;
        try
        {
            for (var shapes = 1; ; shapes++)
            {
                try
                {
                    await ReadAsync(route, cancellationToken).ConfigureAwait(false);
                    return;
                }
                catch (TableRewrittenException) when (shapes < MostShapes)
                {
                    // It was altered meanwhile.
                }
            }
        }
        catch (Exception e) when (e is TableRewrittenException || ErrorPolicy.Classify(e) is ErrorClass.Table or ErrorClass.Data)
        {
            // It is being copied anew by now, or has stopped.
            if (session.Tables.GetValueOrDefault(name) is not { Streams: true, Copying: null })
                return;
            var remedy = $"POST /api/v1/pipelines/{context.PipelineId}/destinations/{context.DestinationId}/tables/{Uri.EscapeDataString(name.ToString())}/resync (copies the table again)";
            var stop = new TableStop(
                new Position(context.Lane.Passed, 0), null, null,
                $"An update that leaves out unchanged values (TOAST) found no row at the destination, and the row could not be read again: {ErrorPolicy.ToFault(e).Reason}", remedy);
            await session.StopTableAsync(name, stop, cancellationToken).ConfigureAwait(false);
            context.Status.Change(name, t => t with { State = TableState.Error, Error = stop.Describe(), Remedy = stop.Remedy });
        }
    }

    async Task ReadAsync(TableRoute route, CancellationToken cancellationToken)
    {
        var source = TransformedChunkSource.For(chunkSource, transforms, route);
        var table = await source.DescribeAsync(name, route.Columns, cancellationToken).ConfigureAwait(false)
            ?? throw Unfit($"Table {name} is no longer there at the source.");
        var copy = new ChunkedCopy(LaneOptions.WithColumns(LaneTransforms.Plain(route)), LaneOptions.Describe(route, table), true, false, session.Position) { Purpose = ChunkPurpose.Keys };
        await using var chunks = await session.OpenChunksAsync(copy, cancellationToken).ConfigureAwait(false)
            ?? throw Unfit("it has no primary key that is the source's, or foreign keys or triggers act at the destination.");
        await new ChunkRun(source, chunks, table, gate, context.Lane, context.ChunkRows, static (_, _) => { }, time).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    static FaultException Unfit(string reason) => new(new Fault(ErrorClass.Table, reason, null));
}
