using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>
/// One destination's way through the pipeline: its position, its hold on the slot, and where its changes come from. Owned by the
/// <see cref="LaneHub"/>, which guards its state; the figures may be read from any thread.
/// </summary>
public sealed class Lane
{
    readonly TimeProvider _time;
    ulong _passed;
    long _lastCommitTime;
    long _behindSince;
    volatile LaneState _state = LaneState.Detached;
    volatile bool _failing;

    internal Lane(long destinationId, Lsn holdsAt, TimeProvider time)
    {
        DestinationId = destinationId;
        _passed = holdsAt.Value;
        _time = time;
        _behindSince = time.GetTimestamp();
    }

    public long DestinationId { get; }

    public LaneState State
    {
        get => _state;
        internal set
        {
            _state = value;
            if (value != LaneState.Attached)
                Outstanding(true);
        }
    }

    /// <summary>
    /// Everything with a commit LSN below is durable at the destination or does not concern it; the slot is not acknowledged past it.
    /// Never goes back.
    /// </summary>
    public Lsn Passed => new(Volatile.Read(ref _passed));

    /// <summary>Commit time at the source of the last applied transaction, microseconds since 2000-01-01 UTC; 0 before the first.</summary>
    public long LastCommitTime => Volatile.Read(ref _lastCommitTime);

    /// <summary>The destination does not answer: no grace is given when its log is full.</summary>
    public bool Failing
    {
        get => _failing;
        set => _failing = value;
    }

    /// <summary>The log of an attached lane, or the one it will read once it has caught up with it.</summary>
    public LaneLog? Log { get; internal set; }

    /// <summary>How long this lane has had changes outstanding; zero when it has none.</summary>
    public TimeSpan Behind
    {
        get
        {
            var since = Volatile.Read(ref _behindSince);
            return since == 0 ? TimeSpan.Zero : _time.GetElapsedTime(since);
        }
    }

    /// <summary>Told by the pump after each group.</summary>
    public void Pass(Lsn position, long lastCommitTime = 0)
    {
        if (lastCommitTime != 0)
            Volatile.Write(ref _lastCommitTime, lastCommitTime);
        // Only the pump and, before it runs, the opener write.
        if (position.Value > Volatile.Read(ref _passed))
            Volatile.Write(ref _passed, position.Value);
    }

    /// <summary>Told by the pump: something is waiting to be applied, or nothing is.</summary>
    public void Outstanding(bool any)
    {
        // A lane on its own stream is behind whatever its log holds.
        if (!any && _state == LaneState.Attached)
            Volatile.Write(ref _behindSince, 0);
        else if (any && Volatile.Read(ref _behindSince) == 0)
            Volatile.Write(ref _behindSince, Math.Max(1, _time.GetTimestamp()));
    }
}
