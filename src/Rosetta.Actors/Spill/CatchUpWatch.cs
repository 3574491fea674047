using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Spill;

/// <summary>
/// Which lanes get their chance to catch up by themselves: those whose destination was just opened, or is about to be, and those that hold less of the source's WAL at each
/// look. After a node was away for long every lane holds more than its budget, and reads it to apply it as fast as it would to spill it.
/// </summary>
sealed class CatchUpWatch(TimeProvider time)
{
    /// <summary>So long a lane may take to open its destination and to apply the first of what it lacks.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    readonly Dictionary<Lane, Seen> _seen = [];

    /// <summary>A look at the lanes, about once a second.</summary>
    /// <param name="current">Where the source's WAL ends.</param>
    public List<SpillCandidate> Look(IReadOnlyCollection<Lane> lanes, Lsn current)
    {
        foreach (var gone in _seen.Keys.Except(lanes).ToList())
            _seen.Remove(gone);
        return [.. lanes.Select(lane => Look(lane, current))];
    }

    SpillCandidate Look(Lane lane, Lsn current)
    {
        var (holds, failing) = (lane.Holds, lane.Failing);
        var isFed = lane.IsSpilling || (lane.State == LaneState.Attached && !failing);
        var held = SpillPolicy.Held(holds, current);
        var isKnown = _seen.TryGetValue(lane, out var before);
        var began = isKnown && !failing && !before.Failing ? before.Began : time.GetTimestamp();
        var gains = isKnown && held < before.Held;
        _seen[lane] = new Seen(began, held, failing);
        return new SpillCandidate(lane.DestinationId, holds, isFed, failing, !failing && (gains || time.GetElapsedTime(began) < Grace));
    }

    readonly record struct Seen(long Began, long Held, bool Failing);
}
