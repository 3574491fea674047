using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>What is known of one table at one destination: the mirror that API and log show. Written by the lane, read by the reporter.</summary>
public sealed record TableProgress(
    TableName Table, TableName? Target, TableState State, long SnapshotRows, long SnapshotRowsEstimated, RowCounts Rows, string? Error, string? Remedy)
{
    public static TableProgress Of(PlannedTable planned, TableState state) => new(
        planned.Source, planned.Route?.Target, state, 0, Math.Max(0, planned.Description?.EstimatedRows ?? 0), default, planned.Error, planned.Remedy);
}
