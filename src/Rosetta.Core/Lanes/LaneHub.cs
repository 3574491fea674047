using Rosetta.Core.Changes;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>
/// Where the main stream meets the lanes: it gives each batch to every attached lane, detaches one that stays full, and lets lanes join at
/// a transaction boundary. The main stream runs only while a lane is attached. Thread-safe; one main stream at a time.
/// </summary>
public sealed partial class LaneHub : IChangeConsumer, IDisposable
{
    readonly Lock _gate = new();
    readonly Dictionary<long, Lane> _lanes = [];
    readonly List<Joining> _joining = [];
    readonly LaneHubOptions _options;
    readonly TimeProvider _time;
    readonly Action _wanted;
    bool _running;
    bool _restart;
    bool _openAtEnd;
    bool _broken;
    ChangeBatch? _inHand;
    Lsn _deliveredUpTo;
    Lsn _acknowledging;

    /// <param name="wanted">Called when a lane waits and no main stream runs, and when no lane is left for the running one. Must not block.</param>
    public LaneHub(LaneHubOptions options, TimeProvider time, Action wanted)
    {
        _options = options;
        _time = time;
        _wanted = wanted;
    }

    /// <summary>Everything with a commit LSN below was handed to the attached lanes.</summary>
    public Lsn DeliveredUpTo
    {
        get
        {
            lock (_gate)
                return _deliveredUpTo;
        }
    }

    public IReadOnlyList<Lane> Lanes
    {
        get
        {
            lock (_gate)
                return [.. _lanes.Values];
        }
    }

    /// <summary>
    /// Adds a lane, detached, as a hold on the slot: at <paramref name="holdsAt"/>, but not below what is already being acknowledged.
    /// </summary>
    /// <param name="spilled">How far its spill log goes; null: it has none.</param>
    public Lane Register(long destinationId, Lsn holdsAt, Lsn? spilled = null)
    {
        lock (_gate)
        {
            if (_lanes.TryGetValue(destinationId, out var known))
                return known;
            var lane = new Lane(destinationId, spilled is null ? Lsn.MaxOf(holdsAt, _acknowledging) : holdsAt, _time);
            if (spilled is not null)
                lane.Spill(spilled);
            _lanes.Add(destinationId, lane);
            return lane;
        }
    }

    /// <summary>
    /// Where the slot stands when the source has been taken over. Lanes that have not said where they are hold it there: their positions
    /// are not below, or a gap is found when they are opened.
    /// </summary>
    public void SlotStandsAt(Lsn confirmed)
    {
        lock (_gate)
        {
            _acknowledging = Lsn.MaxOf(_acknowledging, confirmed);
            // What a spill log has is still to be applied, whatever the slot has let go.
            foreach (var lane in _lanes.Values)
            {
                if (lane.Spilled is null && !lane.IsGivenUp)
                    lane.Pass(confirmed);
            }
        }
    }

    /// <summary>Removes a lane; the slot no longer waits for it, and an attachment it waits for is cancelled.</summary>
    public void Unregister(Lane lane)
    {
        lock (_gate)
        {
            if (_lanes.GetValueOrDefault(lane.DestinationId) == lane)
                _lanes.Remove(lane.DestinationId);
            foreach (var joining in _joining.FindAll(j => j.Lane == lane))
                Abandon(joining, default);
        }

        Detach(lane);
    }

    /// <summary>
    /// The position the slot may be acknowledged at: the lowest that a lane holds, detached ones included. Null when none holds any. The answer
    /// counts as given: a lane registered later holds no lower.
    /// </summary>
    public Lsn? TakeAcknowledgeable()
    {
        lock (_gate)
        {
            var lowest = Lsn.Max;
            foreach (var lane in _lanes.Values)
                lowest = Lsn.Min(lowest, lane.Holds ?? Lsn.Max);
            if (lowest == Lsn.Max)
                return null;
            _acknowledging = Lsn.MaxOf(_acknowledging, lowest);
            return lowest;
        }
    }

    /// <summary>
    /// Asks for a log that begins at a transaction boundary J: the main stream's next one, or, when none runs, the start of the one that
    /// begins for this lane, which is at or below the lane's position. Everything below J the lane has to get elsewhere.
    /// </summary>
    /// <exception cref="InvalidOperationException">The lane has a log, waits for one already, or is not registered.</exception>
    public Task<LaneAttachment> AttachAsync(Lane lane, CancellationToken cancellationToken)
    {
        Joining joining;
        bool running;
        lock (_gate)
        {
            if (lane.Log is not null || _joining.Exists(j => j.Lane == lane))
                throw new InvalidOperationException($"The lane of destination {lane.DestinationId} has a log or waits for one already.");
            if (_lanes.GetValueOrDefault(lane.DestinationId) != lane)
                throw new InvalidOperationException($"The lane of destination {lane.DestinationId} is not registered.");
            if (cancellationToken.IsCancellationRequested)
                return Task.FromCanceled<LaneAttachment>(cancellationToken);
            joining = new Joining(lane);
            _joining.Add(joining);
            running = _running && !_restart;
            if (running && !_openAtEnd && !_broken)
                JoinAll();
            else
                joining.Cancellation = cancellationToken.Register(() => Abandon(joining, cancellationToken));
        }

        if (!running)
            _wanted();
        return joining.Done.Task;
    }

    /// <summary>The lane has caught up with its log: it is attached.</summary>
    public void Joined(Lane lane)
    {
        lock (_gate)
        {
            if (lane.Log is not null)
                lane.State = LaneState.Attached;
        }

        Failpoint.Hit(FailpointNames.LaneJoined);
    }

    /// <summary>Takes the lane's log away, whatever it does; the lane holds the slot where it stands.</summary>
    public void Detach(Lane lane)
    {
        bool nobody;
        lock (_gate)
        {
            TakeLog(lane);
            nobody = _running && NobodyListens();
        }

        if (nobody)
            _wanted();
    }

    /// <summary>True when the main stream that runs should go on: a lane listens and none asked for a restart.</summary>
    public bool IsWanted
    {
        get
        {
            lock (_gate)
                return !_restart && !NobodyListens();
        }
    }

    /// <summary>A main stream runs and is not about to be restarted.</summary>
    public bool IsRunning
    {
        get
        {
            lock (_gate)
                return _running && !_restart;
        }
    }

    /// <summary>The lane reads a stream of its own.</summary>
    public void CatchingUp(Lane lane)
    {
        lock (_gate)
            lane.State = LaneState.CatchingUp;
    }

    /// <summary>
    /// Asks for the main stream to end and begin again at the lowest position: the way of a lane that cannot have a stream of its own.
    /// </summary>
    public void RestartMain()
    {
        lock (_gate)
        {
            if (!_running)
                return;
            _restart = true;
        }

        _wanted();
    }

    /// <summary>Where a main stream has to start for the lanes that wait; null when none does.</summary>
    public Lsn? StartPosition()
    {
        lock (_gate)
        {
            if (_joining.Count == 0)
                return null;
            var lowest = Lsn.Max;
            foreach (var joining in _joining)
                lowest = Lsn.Min(lowest, joining.Lane.Feeds);
            return lowest;
        }
    }

    /// <summary>The main stream runs from <paramref name="position"/> on; waiting lanes get their logs from there.</summary>
    public void MainStarted(Lsn position)
    {
        lock (_gate)
        {
            if (_running)
                throw new InvalidOperationException("A main stream runs already.");
            _running = true;
            _openAtEnd = false;
            _broken = false;
            _inHand = null;
            _deliveredUpTo = position;
            JoinAll();
        }
    }

    /// <summary>The main stream ended: every lane loses its log and will ask again.</summary>
    public void MainEnded()
    {
        lock (_gate)
        {
            _running = false;
            _restart = false;
            _inHand = null;
            foreach (var lane in _lanes.Values)
            {
                // What it holds is still read; its reader has the log in hand.
                lane.Log?.Close();
                lane.Log = null;
                lane.State = LaneState.Detached;
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var lane in _lanes.Values)
            {
                lane.Log?.Dispose();
                lane.Log = null;
            }

            foreach (var joining in _joining)
                joining.Done.SetCanceled();
            _joining.Clear();
        }
    }

    static void TakeLog(Lane lane)
    {
        lane.Log?.Dispose();
        lane.Log = null;
        lane.State = LaneState.Detached;
    }

    void JoinAll()
    {
        foreach (var joining in _joining)
        {
            // Not Dispose: that would wait for a callback which in turn waits for the gate.
            joining.Cancellation.Unregister();
            var log = new LaneLog(_options.LogBytes);
            // A batch that is being handed out now lies behind the boundary.
            if (_inHand is { } batch)
                log.TryAppend(batch);
            joining.Lane.Log = log;
            if (joining.Lane.Feeds >= _deliveredUpTo)
                joining.Lane.State = LaneState.Attached;
            joining.Done.SetResult(new LaneAttachment(log, _deliveredUpTo));
        }

        _joining.Clear();
    }

    void Abandon(Joining joining, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // Whoever takes it off the list completes it.
            if (_joining.Remove(joining))
                joining.Done.SetCanceled(cancellationToken);
        }
    }

    bool NobodyListens()
    {
        if (_joining.Count > 0)
            return false;
        foreach (var lane in _lanes.Values)
        {
            if (lane.Log is not null)
                return false;
        }

        return true;
    }

    sealed class Joining(Lane lane)
    {
        public Lane Lane { get; } = lane;

        public TaskCompletionSource<LaneAttachment> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CancellationTokenRegistration Cancellation { get; set; }
    }
}

/// <param name="LogBytes">Bound of each lane's log.</param>
/// <param name="Grace">How long a full lane may keep others waiting before the main stream goes on without it. A tenth of the time that passes is
/// given back, so a lane that is slow for good uses it up. While nobody is kept waiting it is not counted.</param>
public sealed record LaneHubOptions(long LogBytes, TimeSpan Grace)
{
    public static readonly LaneHubOptions Default = new(16 << 20, TimeSpan.FromMilliseconds(300));
}

/// <param name="Boundary">J: the log has everything from here on; below it the lane must catch up.</param>
public readonly record struct LaneAttachment(LaneLog Log, Lsn Boundary);
