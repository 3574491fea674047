using Rosetta.Core.Positions;

namespace Rosetta.Actors.Spill;

/// <summary>A lane as the policy sees it.</summary>
/// <param name="Holds">Where it holds the slot; null: it does not.</param>
/// <param name="IsFed">It follows the main stream, and its destination, or the writer of its spill log, answers.</param>
/// <param name="IsFailing">Its destination does not answer.</param>
/// <param name="IsGaining">It has its chance to catch up by itself: see <see cref="CatchUpWatch"/>.</param>
public readonly record struct SpillCandidate(long DestinationId, Lsn? Holds, bool IsFed, bool IsFailing, bool IsGaining = false);

/// <summary>Which lanes have to be spilled so that the slot stays within its budget: pure.</summary>
public static class SpillPolicy
{
    /// <param name="current">Where the source's WAL ends.</param>
    /// <param name="budget">In bytes; 0: there is none.</param>
    /// <returns>
    /// From half of the budget on (a lane has to be read and written before the slot moves, and the source keeps WAL a little longer than the slot
    /// needs it): those that hold more than a quarter of it and do not follow the main stream. One whose destination answers may still catch up by itself: until three
    /// quarters are spent, and longer while it gains on the source.
    /// </returns>
    public static IReadOnlyList<long> Choose(IReadOnlyCollection<SpillCandidate> lanes, Lsn current, long budget)
    {
        var most = lanes.Count == 0 ? 0 : lanes.Max(l => Held(l.Holds, current));
        if (budget <= 0 || most < budget / 2)
            return [];
        return [.. lanes.Where(l => l is { IsFed: false, IsGaining: false } && Held(l.Holds, current) >= budget / 4 && (l.IsFailing || most >= budget / 4 * 3)).Select(l => l.DestinationId)];
    }

    /// <summary>How much WAL, in bytes, is kept by what is held.</summary>
    internal static long Held(Lsn? holds, Lsn current) => holds is { } at && at < current ? (long)(current.Value - at.Value) : 0;
}
