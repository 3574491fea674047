using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>
/// A lane's program reduced to its way through the hub: attach, or catch up on a stream of its own and join; apply; after a failure open the
/// destination again and go on from the log when that still reaches back. Its destination is slow and fails at random.
/// </summary>
sealed class ModelLane(LaneHub hub, ModelSource source, Lane lane, Random random)
{
    CancellationTokenSource _interrupt = new();

    public Lane Lane => lane;

    public MemoryDestination Destination { get; } = new();

    public int Failures { get; private set; }

    public int CatchUps { get; private set; }

    public int Rewinds { get; private set; }

    /// <summary>What it is doing, for the account of a run that comes to no end.</summary>
    public string Step { get; private set; } = "";

    /// <summary>Runs until the lane has everything, whatever happens.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Destination.Before = SometimesAsync;
        Destination.AfterCommit = () => Fail(40);
        while (lane.Passed < source.End)
        {
            try
            {
                await using var session = Destination.Open();
                if (lane.Log is null)
                    lane.Pass(session.Position);
                lane.Failing = false;
                var pump = new LanePump(lane, new DestinationSink(lane, session), new GroupBounds(random.Next(1, 40), random.Next(1, 20_000)), static (_, _, _) => { }, new LandingGate());
                while (lane.Passed < source.End)
                    await StreamAsync(pump, cancellationToken);
            }
            catch (ModelFailureException)
            {
                Failures++;
                // Down for a while, for all the hub knows.
                lane.Failing = random.Next(2) == 0;
                await Task.Yield();
            }
        }
    }

    /// <summary>From any thread.</summary>
    public void Interrupt() => Volatile.Read(ref _interrupt).Cancel();

    async Task StreamAsync(LanePump pump, CancellationToken cancellationToken)
    {
        var interrupt = RenewInterrupt();
        if (lane.Log is { } kept)
        {
            if (lane.State == LaneState.Attached && kept.TryRewind())
            {
                Rewinds++;
                Step = "pump after rewind";
                await PumpAsync(pump, kept, null, interrupt, cancellationToken);
                return;
            }

            hub.Detach(lane);
        }

        if (!hub.IsRunning || random.Next(6) == 0)
        {
            Step = "attach";
            if (await AttachAsync(interrupt, cancellationToken) is not { } attachment)
                return;
            if (lane.Passed >= attachment.Boundary)
            {
                hub.Joined(lane);
                Step = "pump";
                await PumpAsync(pump, attachment.Log, null, interrupt, cancellationToken);
                return;
            }

            hub.Detach(lane);
        }

        if (random.Next(10) == 0)
            hub.RestartMain();
        else if (await CatchUpAsync(pump, interrupt, cancellationToken) is { } log)
        {
            Step = "pump after catching up";
            await PumpAsync(pump, log, null, interrupt, cancellationToken);
        }
    }

    async Task<LaneLog?> CatchUpAsync(LanePump pump, CancellationToken interrupt, CancellationToken cancellationToken)
    {
        CatchUps++;
        hub.CatchingUp(lane);
        using var own = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var log = new LaneLog(random.Next(1, 60_000));
        var stream = Task.Run(() => FeedAsync(log, lane.Passed, new Random(random.Next()), own.Token), CancellationToken.None);
        try
        {
            Step = "catch up";
            var near = new Lsn((ulong)(hub.DeliveredUpTo.Value * random.NextDouble()));
            if (await PumpAsync(pump, log, near, interrupt, cancellationToken) != PumpEnd.Reached || !hub.IsRunning)
                return null;
            Step = "join";
            if (await AttachAsync(interrupt, cancellationToken) is not { } attachment)
                return null;
            Step = "catch up to the boundary";
            var end = await PumpAsync(pump, log, attachment.Boundary, interrupt, cancellationToken);
            if (end != PumpEnd.Reached || !ReferenceEquals(lane.Log, attachment.Log))
                return null;
            hub.Joined(lane);
            return attachment.Log;
        }
        finally
        {
            if (lane.State != LaneState.Attached)
                hub.Detach(lane);
            Step = "end own stream";
            await own.CancelAsync();
            log.Close();
            await stream;
        }
    }

    async Task FeedAsync(LaneLog log, Lsn from, Random cuts, CancellationToken cancellationToken)
    {
        foreach (var batch in source.Read(from, cuts))
        {
            while (!cancellationToken.IsCancellationRequested && !log.IsClosed && !log.TryAppend(batch))
                await log.WhenRoom().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            batch.Release();
            if (cancellationToken.IsCancellationRequested || log.IsClosed)
                break;
        }

        log.Close();
    }

    async Task<LaneAttachment?> AttachAsync(CancellationToken interrupt, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellationToken);
        try
        {
            return await hub.AttachAsync(lane, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Stops, too, when the lane has everything: nothing more comes then.</summary>
    async Task<PumpEnd> PumpAsync(LanePump pump, LaneLog log, Lsn? until, CancellationToken interrupt, CancellationToken cancellationToken) =>
        await pump.RunAsync(log, until is { } goal ? Lsn.Min(goal, source.End) : source.End, interrupt, cancellationToken);

    CancellationToken RenewInterrupt()
    {
        if (_interrupt.IsCancellationRequested)
            Volatile.Write(ref _interrupt, new CancellationTokenSource());
        return _interrupt.Token;
    }

    async ValueTask SometimesAsync(ApplyGroup group, CancellationToken cancellationToken)
    {
        if (random.Next(4) == 0)
            await Task.Yield();
        if (random.Next(60) == 0)
            await Task.Delay(random.Next(1, 10), cancellationToken);
        Fail(25);
    }

    void Fail(int oneIn)
    {
        if (random.Next(oneIn) == 0)
            throw new ModelFailureException();
    }

    sealed class ModelFailureException : Exception;
}
