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
    readonly Lock _gate = new();
    ulong _passed;
    ulong _spilled;
    long _lastCommitTime;
    long _behindSince;
    volatile LaneState _state = LaneState.Detached;
    volatile bool _failing;
    volatile bool _awaitsMore;
    volatile bool _isSpilling;
    volatile bool _isDraining;
    volatile bool _isGivenUp;
    TimeSpan _heldOthers;
    long _heldOthersAt;

    internal Lane(long destinationId, Lsn holdsAt, TimeProvider time)
    {
        DestinationId = destinationId;
        _passed = holdsAt.Value;
        _time = time;
        _behindSince = Math.Max(1, time.GetTimestamp());
        _heldOthersAt = time.GetTimestamp();
    }

    public long DestinationId { get; }

    public LaneState State
    {
        get => _state;
        internal set
        {
            lock (_gate)
            {
                _state = value;
                if (value != LaneState.Attached)
                    Outstanding(true);
            }
        }
    }

    /// <summary>Where the destination gets its changes from, as it is shown.</summary>
    public LaneState Shown => _isDraining ? LaneState.Draining : _isSpilling ? LaneState.Spilling : _state;

    /// <summary>Everything with a commit LSN below is durable at the destination or does not concern it. Never goes back.</summary>
    public Lsn Passed => new(Volatile.Read(ref _passed));

    /// <summary>Everything with a commit LSN below is durable at the destination or in its spill log; null: there is none.</summary>
    public Lsn? Spilled => Volatile.Read(ref _spilled) is var end and not 0 ? new Lsn(end) : null;

    /// <summary>The slot is not acknowledged past it, and a stream for this lane begins there. Null: the lane was given up and holds nothing.</summary>
    public Lsn? Holds => _isGivenUp ? null : Feeds;

    /// <summary>Where a stream for this lane begins: behind what its destination or its spill log has.</summary>
    public Lsn Feeds => Lsn.MaxOf(Passed, Spilled ?? Lsn.Zero);

    /// <summary>What comes for it is written to its spill log.</summary>
    public bool IsSpilling
    {
        get => _isSpilling;
        set => _isSpilling = value;
    }

    /// <summary>Its destination gets what the spill log has.</summary>
    public bool IsDraining
    {
        get => _isDraining;
        set => _isDraining = value;
    }

    /// <summary>What it lacked was let go; only a copy of its tables brings the destination back.</summary>
    public bool IsGivenUp
    {
        get => _isGivenUp;
        set => _isGivenUp = value;
    }

    /// <summary>Commit time at the source of the last applied transaction, microseconds since 2000-01-01 UTC; 0 before the first.</summary>
    public long LastCommitTime => Volatile.Read(ref _lastCommitTime);

    /// <summary>The destination does not answer, and nothing takes its changes instead: no grace is given when its log is full.</summary>
    public bool Failing
    {
        get => _failing && !_isSpilling;
        set => _failing = value;
    }

    /// <summary>
    /// The pump has read its log to the end and waits for more: also inside a transaction of which it has a piece, when the lane is behind all the same.
    /// </summary>
    public bool AwaitsMore
    {
        get => _awaitsMore;
        set => _awaitsMore = value;
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
        // The pump writes, and whoever takes over the source or the destination: the highest stays.
        var known = Volatile.Read(ref _passed);
        while (position.Value > known)
        {
            var before = Interlocked.CompareExchange(ref _passed, position.Value, known);
            if (before == known)
                return;
            known = before;
        }
    }

    /// <summary>Told by whoever writes the spill log, or empties it: how far it goes; null: it is empty.</summary>
    public void Spill(Lsn? end)
    {
        Volatile.Write(ref _spilled, end?.Value ?? 0);
        Outstanding(end is not null);
    }

    /// <summary>Told by the pump: something is waiting to be applied, or nothing is.</summary>
    public void Outstanding(bool any)
    {
        lock (_gate)
        {
            // A lane on its own stream, or with a spill log, is behind whatever its log holds.
            if (!any && _state == LaneState.Attached && Spilled is null)
                Volatile.Write(ref _behindSince, 0);
            else if (any && _behindSince == 0)
                Volatile.Write(ref _behindSince, Math.Max(1, _time.GetTimestamp()));
        }
    }

    /// <summary>
    /// How long others may still be kept waiting for this lane now: <paramref name="grace"/>, less what it took of it lately. A tenth of the time that
    /// passes is given back, so in the long run a lane slows the others by no more than that.
    /// </summary>
    internal TimeSpan Patience(TimeSpan grace)
    {
        var now = _time.GetTimestamp();
        var left = _heldOthers - (_time.GetElapsedTime(_heldOthersAt, now) / 10);
        _heldOthers = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        _heldOthersAt = now;
        return grace - _heldOthers;
    }

    /// <summary>Others were kept waiting for this lane.</summary>
    internal void HeldOthers(TimeSpan time) => _heldOthers += time;
}
