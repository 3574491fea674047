using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Backfills;
using Rosetta.Actors.Destinations;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>
/// One order about parked changes, child of its pipeline's entity: given to the destination's lane, which carries it out in its turn, and written to its row. Nothing of
/// it is kept over a node's death: it is begun anew, and what was done is found done.
/// </summary>
public sealed class RecoveryActor : ReceiveActor, IWithTimers
{
    sealed record Reported(RecoveryReport Report) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    sealed record Saved(RecoveryReport Report, bool IsLast, bool Accepted, Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    enum Tick
    {
        Save,
        SaveEnd,
    }

    static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(1);
    static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);

    readonly RecoveryOrder _order;
    readonly JobHost _host;
    readonly RecoveryOrderRepository _orders;
    readonly ILoggingAdapter _log = Context.GetLogger();
    readonly CancellationTokenSource _enough = new();
    readonly LaneOrder _given;
    IActorRef? _lane;
    RecoveryReport _last;
    RecoveryReport? _saved;
    bool _saving;
    bool _ending;

    public RecoveryActor(RecoveryOrder order, JobHost host, RecoveryOrderRepository orders)
    {
        (_order, _host, _orders) = (order, host, orders);
        _last = new RecoveryReport(order.Status, order.Counts);
        var self = Self;
        _given = new LaneOrder(order, r => self.Tell(new Reported(r)), _enough.Token);
        Receive<JobMessages.Lanes>(OnLanes);
        Receive<JobMessages.Cancel>(_ =>
        {
            _enough.Cancel();
            // Nobody has it in hand: it ends here.
            if (_given.TryCallOff())
                End(_last with { Status = "CANCELLED", Waiting = null });
        });
        Receive<Reported>(reported =>
        {
            if (_ending)
                return;
            _last = reported.Report;
            if (_last.HasEnded)
                End(_last);
        });
        Receive<Saved>(OnSaved);
        Receive<Tick>(tick => Save(isLast: tick == Tick.SaveEnd));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(RecoveryOrder order, JobHost host, RecoveryOrderRepository orders) => Akka.Actor.Props.Create(() => new RecoveryActor(order, host, orders));

    protected override void PreStart()
    {
        Context.Parent.Tell(JobMessages.WhichLanes.Instance);
        Timers.StartPeriodicTimer(Tick.Save, Tick.Save, SaveInterval);
    }

    protected override void PostStop()
    {
        // Whoever has it in hand ends after the transaction: its lane ends as well, or another actor goes on with it.
        _enough.Cancel();
        _enough.Dispose();
    }

    void OnLanes(JobMessages.Lanes lanes)
    {
        if (_ending)
            return;
        if (!lanes.Destinations.TryGetValue(_order.DestinationId, out var lane))
        {
            if (_given.TryCallOff())
                End(_last with { Status = "FAILED", Waiting = null, Error = $"The pipeline has no destination {_order.DestinationId}." });
            return;
        }

        if (lane is null)
            _given.Wait("The destination is not attached at the moment; the order is carried out when it is.");
        else if (!lane.Equals(_lane))
            lane.Tell(new DestinationActor.Recover(_given));
        _lane = lane;
    }

    void End(RecoveryReport last)
    {
        _last = last;
        _ending = true;
        Timers.CancelAll();
        _log.Info(
            "Recovery {Order} ({Kind}, by {By}) is {Status}: {Done} changes recovered or discarded, {Failed} failed",
            _order.Id, _order.Request.Kind, _order.RequestedBy ?? "", last.Status, last.Counts.Recovered + last.Counts.Discarded, last.Counts.Failed);
        Save(isLast: true);
    }

    void Save(bool isLast)
    {
        if (!isLast && (_saving || _ending || _last == _saved))
            return;
        _saving = true;
        var last = _last;
        var row = _order with { Status = last.Status, Counts = last.Counts, Waiting = last.Waiting, Error = last.Error, Result = last.Result };
        SendAsync().PipeTo(Self, failure: e => new Saved(last, isLast, true, e));

        async Task<Saved> SendAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            return new Saved(last, isLast, await _orders.SaveAsync(row, _host.Epoch, limit.Token).ConfigureAwait(false), null);
        }
    }

    void OnSaved(Saved saved)
    {
        _saving = false;
        if (saved.Error is null)
            _saved = saved.Report;
        if (saved.Error is not null && saved.IsLast)
            Timers.StartSingleTimer(Tick.SaveEnd, Tick.SaveEnd, RetryInterval);
        else if (saved.Error is null && (saved.IsLast || !saved.Accepted))
            Context.Stop(Self);
    }
}
