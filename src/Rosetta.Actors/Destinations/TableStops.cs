using Rosetta.Actors.Replication;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>Tables that must not go on with what comes are stored as stopped at their destination, with the reason and the remedy.</summary>
sealed class TableStops(LaneContext context, IDestinationSession session)
{
    /// <summary>A table that left its publication for a while lost changes: it stops, stored at the destination, until it is copied again.</summary>
    public async Task StopDriftedAsync(DestinationPlan plan, CancellationToken cancellationToken)
    {
        foreach (var (table, reason) in plan.Drifts)
        {
            if (!context.DriftsHandled.Add((table, reason)) || !session.Tables.TryGetValue(table, out var known) || !known.Streams)
                continue;
            var stop = new TableStop(
                new Position(context.Lane.Passed, 0), null, null, $"Changes of this table were lost at the source: {reason}", ResyncRemedy(table));
            await session.StopTableAsync(table, stop, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What comes while a table is paused passes it by, so that it is stored as stopped: only a copy makes it stream again.</summary>
    public async Task StopPausedAsync(DestinationPlan plan, CancellationToken cancellationToken)
    {
        foreach (var table in plan.Tables.Where(t => t.Paused && session.Tables.GetValueOrDefault(t.Source) is { Stop: null }))
        {
            var stop = new TableStop(new Position(context.Lane.Passed, 0), null, null, "It was paused by an operator.", ResumeRemedy(table.Source));
            await session.StopTableAsync(table.Source, stop, cancellationToken).ConfigureAwait(false);
        }
    }

    public string ResumeRemedy(TableName table) => $"POST {Path(table)}/resume copies it again and goes on.";

    string ResyncRemedy(TableName table) => $"POST {Path(table)}/resync copies it again.";

    string Path(TableName table) => $"/pipelines/{context.PipelineId}/destinations/{context.DestinationId}/tables/{table}";

    /// <summary>A table whose rows were made by another transform than is asked for now does not go on with them when it could not be copied again.</summary>
    public async Task StopOutdatedAsync(DestinationPlan plan, TableName table, string error, CancellationToken cancellationToken)
    {
        var route = plan.Tables.FirstOrDefault(t => t.Source == table)?.Route;
        if (route is null || !session.Tables.TryGetValue(table, out var known) || !known.Streams || known.Transform == route.Fingerprint)
            return;
        var remedy = context.Status.Of(table)?.Remedy ?? ResyncRemedy(table);
        await session.StopTableAsync(table, new TableStop(new Position(context.Lane.Passed, 0), null, null, error, remedy), cancellationToken).ConfigureAwait(false);
    }
}
