using System.Runtime.ExceptionServices;
using Rosetta.Actors.Recovery;
using Rosetta.Actors.Spill;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Options;
using Rosetta.Core.Pipelines;
using Rosetta.Transforms.Rewriting;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// What one lane does, in order: open the destination, copy what it lacks, catch up, join, apply; again from the copy whenever its tables
/// change, and from catching up whenever it was detached. Runs until stopped; any failure ends it and its actor decides what follows.
/// </summary>
/// <param name="before">How the program before it failed.</param>
public sealed class LaneProgram(LaneContext context, TimeProvider time, LaneFailure before = default)
{
    readonly LaneTransforms _transforms = context.MakeTransforms();
    readonly LandingGate _landing = new();
    readonly Lock _gate = new();
    readonly List<ChunkJob> _jobs = [];
    readonly List<LaneOrder> _orders = [];
    ChunkedCopies? _chunks;
    ParkedRecovery? _recovery;
    CancellationTokenSource _interrupt = new();
    LaneFeed? _feed;
    volatile bool _stopping;
    volatile bool _hasOpened;

    Lane Lane => context.Lane;

    DestinationStatus Status => context.Status;

    /// <summary>Its destination was opened, and there was a place to go on from.</summary>
    public bool HasOpened => _hasOpened;

    /// <summary>The tables changed: look at the plan again after the group at hand.</summary>
    public void Replan()
    {
        lock (_gate)
            _interrupt.Cancel();
    }

    /// <summary>Has a job done beside the stream, once the destination is open.</summary>
    public void Do(ChunkJob job)
    {
        lock (_gate)
        {
            if (_chunks is { } open)
                open.Add(job);
            else
                _jobs.Add(job);
        }
    }

    /// <summary>Has an order about parked changes carried out, once the destination is open.</summary>
    public void Recover(LaneOrder order)
    {
        lock (_gate)
        {
            if (_recovery is { } open)
                open.Take(order);
            else
                _orders.Add(order);
        }
    }

    /// <summary>Come to an end: a lane that is fed by the main stream when its log is read to the end, any other after the group at hand.</summary>
    public void Stop()
    {
        _stopping = true;
        // Not by the lane's state: the main stream may have ended already, and what it left in the log is still to be applied.
        if (_feed is not { IsReading: true })
            Replan();
    }

    /// <exception cref="FencedException">A newer incarnation has this destination.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var transforms = _transforms;
        var options = new LaneOptions(transforms, transforms.Schema);
        await using var session = await new LaneOpening(context, time).OpenAsync(options.Schema, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.DestinationFenced);
        var spilled = context.Spill is { } spill && await spill.CoversAsync(session.Position, cancellationToken).ConfigureAwait(false);
        var resumeAt = spilled ? session.Position : await context.Source.ResumeAtAsync(context.DestinationId, session.Position, cancellationToken).ConfigureAwait(false);
        if (Lane.Log is null || spilled)
            Lane.Pass(resumeAt);
        _hasOpened = true;
        var mending = new LaneMending(context, before, _landing, time);
        mending.Opened();
        context.Stored(session.Position);
        var pump = new LanePump(Lane, new DestinationSink(Lane, session, options), context.Bounds, (result, bytes, took) =>
        {
            context.Stored(session.Position);
            Applied(result, bytes, took);
            // Not a piece of a transaction, of which something may have to be parked at its end; nor what the destination had already.
            if (result is { Position: not null, LastCommitTime: not 0 })
                mending.Over();
            if (session.Pending.Count > 0)
                ReadPending(session);
        }, _landing)
        {
            Idle = mending.Idle,
        };
        await using var tables = new LaneTables(context, session, _landing, transforms, options, Replan, time);
        var feed = _feed = new LaneFeed(context, pump, () => ShowStreaming(tables));
        var parked = context.MeasureParked(time);
        await using var gauge = new ParkedGauge(context, session, parked, time);
        gauge.Start();
        await using var recovery = new ParkedRecovery(context, session, _landing, parked, Replan, time);
        recovery.Start();
        lock (_gate)
        {
            _chunks = tables.Chunks;
            _jobs.ForEach(tables.Chunks.Add);
            _recovery = recovery;
            _orders.ForEach(recovery.Take);
        }

        ReadPending(session);

        while (!_stopping || (Lane.Log is not null && context.Spill is not { IsWanted: true }))
        {
            var interrupt = RenewInterrupt();
            context.Spill?.RequireWhole();
            if ((tables.Chunks.Failure ?? recovery.Failure) is { } failure)
                ExceptionDispatchInfo.Throw(failure);
            if (context.Plans[context.DestinationId] is not { } plan)
            {
                mending.Over();
                return;
            }

            if (!await tables.FollowAsync(plan, _stopping, mending.Over, cancellationToken).ConfigureAwait(false))
                continue;
            if (_stopping && Lane.Log is null)
                return;
            // Every table has its copy: the destination has a position.
            Status.AppliedUpTo(Lane.Passed);
            await mending.MakeRoomAsync(recovery, interrupt, cancellationToken).ConfigureAwait(false);
            await StreamAsync(pump, feed, interrupt, cancellationToken).ConfigureAwait(false);
        }
    }

    CancellationToken RenewInterrupt()
    {
        lock (_gate)
        {
            if (_interrupt.IsCancellationRequested && !(_stopping && Lane.State != LaneState.Attached))
            {
                _interrupt.Dispose();
                _interrupt = new CancellationTokenSource();
            }

            return _interrupt.Token;
        }
    }

    // Of a table that is being copied its copy reads them.
    void ReadPending(IDestinationSession session)
    {
        var pending = session.Pending.Where(t => session.Tables.GetValueOrDefault(t) is { Streams: true, Copying: null }).ToHashSet();
        if (pending.Count > 0)
            _chunks?.Read(pending);
    }

    /// <summary>From the spill log as long as it has something, then from the source's stream.</summary>
    async Task StreamAsync(LanePump pump, LaneFeed feed, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        if (context.Spill is not { } spill)
        {
            await feed.RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (spill.IsWanted)
        {
            await new SpillDrain(context, spill, pump, time).RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
            return;
        }

        using var hold = await spill.EnterAsync(interrupt, cancellationToken).ConfigureAwait(false);
        if (hold is not null && !spill.IsWanted)
            await feed.RunAsync(interrupt, cancellationToken).ConfigureAwait(false);
    }

    void Applied(ApplyResult result, long bytes, TimeSpan took)
    {
        Status.Count(result);
        Status.AppliedUpTo(Lane.Passed);
        context.Metrics.Applied(result, bytes, took);
    }

    void ShowStreaming(LaneTables tables)
    {
        if (context.Plans[context.DestinationId] is { } plan)
            tables.Show(plan);
        Status.AppliedUpTo(Lane.Passed);
        Status.Succeeded();
    }
}
