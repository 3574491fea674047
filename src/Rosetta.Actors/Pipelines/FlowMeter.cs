using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Store.Monitoring;

namespace Rosetta.Actors.Pipelines;

/// <summary>Tells how many rows have flowed since they were recorded last, from counters that only grow and begin anew with each attachment. Pure.</summary>
sealed class FlowMeter
{
    readonly Dictionary<(long Destination, TableName Table), RowCounts> _recorded = [];

    /// <summary>What is to be added to the records, and the counts that are recorded when it has been: <see cref="Recorded"/>.</summary>
    public IReadOnlyList<(DataFlow Flow, TableName Table, RowCounts Counted)> Since(IEnumerable<(long Destination, TableName Table, RowCounts Rows)> counted, DateTime now)
    {
        var flows = new List<(DataFlow, TableName, RowCounts)>();
        foreach (var (destination, table, rows) in counted)
        {
            var before = _recorded.GetValueOrDefault((destination, table));
            // A counter that is behind has begun anew.
            if (rows.Inserted < before.Inserted || rows.Updated < before.Updated || rows.Deleted < before.Deleted)
                before = default;
            var flow = new DataFlow(now, destination, table.ToString(), rows.Inserted - before.Inserted, rows.Updated - before.Updated, rows.Deleted - before.Deleted);
            if (flow.Inserted + flow.Updated + flow.Deleted > 0)
                flows.Add((flow, table, rows));
        }

        return flows;
    }

    /// <summary>They have been added.</summary>
    public void Recorded(IEnumerable<(DataFlow Flow, TableName Table, RowCounts Counted)> flows)
    {
        foreach (var (flow, table, counted) in flows)
            _recorded[(flow.DestinationId, table)] = counted;
    }
}
