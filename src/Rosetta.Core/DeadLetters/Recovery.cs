using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.DeadLetters;

/// <summary>Parked changes of one table that have to be applied together and in this order: they are of one key, or of keys that an update has joined.</summary>
/// <param name="At">Ascending.</param>
/// <param name="IsWhole">The table is parked whole: what follows these is left out here.</param>
public sealed record ParkedGroup(TableName Table, IReadOnlyList<Position> At, bool IsWhole);

/// <summary>How much is parked at a destination.</summary>
/// <param name="Oldest">When the change that has been parked longest was parked, by the destination's clock; null: none is.</param>
public sealed record ParkedCount(long Changes, DateTimeOffset? Oldest);

/// <summary>What became of a try to apply parked changes.</summary>
/// <param name="Failure">Null: they are applied and no longer parked.</param>
/// <param name="FailedAt">Which of them failed; null when that is not known.</param>
/// <param name="Gone">Those of them that were not parked any more.</param>
public sealed record RecoveryOutcome(DeadLetterFailure? Failure, Position? FailedAt, IReadOnlyList<Position> Gone)
{
    public bool IsRecovered => Failure is null;
}
