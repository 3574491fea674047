using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>A run that was sent, and what there was before it.</summary>
/// <param name="Number">Of its steps and staged rows.</param>
/// <param name="Until">The place of the first change after it; null for the group's end.</param>
/// <param name="Changes">How many it has, parked ones too.</param>
sealed record QueuedRun(int Number, GroupPlace Start, GroupPlace? Until, int Changes, ParkingLot.Mark Parked, IReadOnlyDictionary<TablePlan, RowCounts> Counts);
