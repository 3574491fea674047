using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// A failure that is one table's. With <see cref="At"/> the guilty change is known; without, the table's changes are applied again in source
/// order to find it, unless <see cref="IsFinal"/> says that this would tell nothing.
/// </summary>
/// <param name="reason">For the operator; may hold the server's words, so the message, which gets logged, does not have it.</param>
sealed class ApplyFailure(TablePlan plan, string reason, Exception? cause = null)
    : Exception($"Table {plan.Source} cannot be applied to: {cause?.Message ?? reason}", cause)
{
    public string Reason { get; } = reason;

    public TablePlan Plan { get; } = plan;

    public Position? At { get; init; }

    /// <summary>The guilty change's row (or old row), to name its key; a zero length when it is not known.</summary>
    public RowRef Row { get; init; }

    public string? Remedy { get; init; }

    /// <summary>The number of the run that it was met in; 0 when that is not known.</summary>
    public int Run { get; init; }

    /// <summary>See <see cref="Step.Part"/>.</summary>
    public int Part { get; init; }

    public bool IsFinal { get; init; }

    /// <summary>It was met when deferred constraints were checked.</summary>
    public bool IsDeferred { get; init; }
}
