using Akka.Actor;
using Akka.Event;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Replication;
using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Actors.Tests.Destinations;

/// <summary>The actor's timers run on a clock that only these tests move.</summary>
public sealed class DestinationActorTests : TestKit
{
    const string Clock = """akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """;
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    readonly ScriptedDestination _destination = new();
    readonly LaneHub _hub = new(LaneHubOptions.Default, TimeProvider.System, static () => { });
    readonly PlanBoard _plans = new();
    readonly DestinationStatus _status = new(TimeProvider.System);
    readonly TestProbe _parent;
    readonly Lane _lane;
    readonly ChangeBatchBuilder _builder = new();
    IActorRef _actor = ActorRefs.Nobody;
    ulong _transactions;
    TimeSpan _drain = TimeSpan.FromSeconds(60);

    public DestinationActorTests()
        : base(Clock)
    {
        _lane = _hub.Register(5, Lsn.Zero);
        _parent = CreateTestProbe();
        Publish();
    }

    [Fact]
    public async Task Should_open_its_destination_and_wait_for_the_main_stream()
    {
        Start();
        await WaitForAsync(() => _hub.StartPosition() is not null, "the lane waits");
        Assert.Equal(1, _destination.Opens);
        Assert.Null(_status.Fault);
    }

    [Fact]
    public async Task Should_try_again_soon_and_ever_later_after_transient_failures()
    {
        _destination.FailWith([.. Enumerable.Range(0, 8).Select(static i => new IOException($"reset {i}"))]);
        Start();
        for (var failure = 0; failure < 8; failure++)
        {
            await FailedAsync($"reset {failure}");
            Assert.True(_lane.Failing);
            Assert.Equal(DestinationHealth.Retrying, _status.Health(_lane.State, TimeSpan.Zero));
            Assert.Contains("by itself", _status.Fault!.Remedy, StringComparison.Ordinal);
            // Jitter shortens a wait by a half at most.
            var full = TimeSpan.FromSeconds(Math.Min(10, 0.2 * Math.Pow(2, failure)));
            Advance((full / 2) - TimeSpan.FromMilliseconds(1));
            Assert.Equal(failure + 1, _destination.Opens);
            Advance(full / 2 + TimeSpan.FromMilliseconds(1));
        }

        await WaitForAsync(() => _hub.StartPosition() is not null, "the lane waits");
        Assert.Equal(9, _destination.Opens);
        Assert.Null(_status.Fault);
        Assert.False(_lane.Failing);
    }

    [Fact]
    public async Task Should_try_every_30_s_what_an_operator_must_mend()
    {
        _destination.FailWith(new WrongPassword(), new FaultException(new Fault(ErrorClass.Operator, "a gap", "resync it", IsGap: true)));
        Start();
        await FailedAsync("wrong password");
        Assert.Equal(DestinationHealth.Error, _status.Health(_lane.State, TimeSpan.Zero));
        Assert.Contains("/destinations/5/test-connection", _status.Fault!.Remedy, StringComparison.Ordinal);
        Advance(TimeSpan.FromSeconds(29.9));
        Assert.Equal(1, _destination.Opens);
        Advance(TimeSpan.FromSeconds(0.2));
        await FailedAsync("a gap");
        Assert.True(_status.Fault.IsGap);
        Assert.Equal("resync it", _status.Fault.Remedy);
        Advance(TimeSpan.FromSeconds(30));
        await WaitForAsync(() => _status.Fault is null, "the destination is open");
    }

    [Fact]
    public async Task Should_show_what_the_server_said_and_log_no_value_of_a_row()
    {
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log.Ref, typeof(LogEvent));
        _destination.FailWith(
            new PgServerException(new PgServerMessage { SqlState = "22P02", Text = "invalid input syntax for type integer: \"top secret\"", TableName = "t", SchemaName = "public" }),
            new FaultException(new Fault(ErrorClass.Transient, "top secret", null) { ForLog = "SQLSTATE 22P02" }));
        Start();
        await FailedAsync("top secret");
        Advance(TimeSpan.FromSeconds(30));
        await WaitForAsync(() => _destination.Opens == 2, "the second try");
        await FailedAsync("top secret");
        var texts = new List<string>();
        while (texts.Count(static t => t.Contains("22P02", StringComparison.Ordinal)) < 2)
            texts.Add((await log.ExpectMsgAsync<LogEvent>(Limit)).ToString()!);
        Assert.Contains(texts, static t => t.Contains("table public.t", StringComparison.Ordinal));
        Assert.DoesNotContain(texts, static t => t.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Should_tell_its_parent_and_never_try_again_when_it_is_fenced()
    {
        _destination.FailWith(new FencedException("destination 5", 3));
        Start();
        await _parent.ExpectMsgAsync(new DestinationActor.Fenced(5), Limit);
        Advance(TimeSpan.FromHours(1));
        await _parent.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(200));
        Assert.Equal(1, _destination.Opens);
    }

    [Fact]
    public async Task Should_look_again_later_when_there_is_no_plan_yet()
    {
        _plans.Publish(new Dictionary<long, DestinationPlan>());
        Start();
        await WaitForAsync(() => _destination is { Opens: 1, OpenSessions: 0 }, "the first look is over");
        Publish();
        await WaitForAsync(
            () =>
            {
                Advance(TimeSpan.FromSeconds(1));
                return _hub.StartPosition() is not null;
            },
            "the lane waits");
        Assert.Null(_status.Fault);
    }

    [Fact]
    public async Task Should_go_on_from_its_log_after_a_failure_without_losing_or_doubling_anything()
    {
        var fail = true;
        _destination.Before = () => fail ? throw new IOException("reset") : Task.CompletedTask;
        Start();
        await AttachAsync();
        await DeliverAsync(3);
        await FailedAsync("reset");
        Assert.Equal(LaneState.Attached, _lane.State);
        await DeliverAsync(2);
        fail = false;
        Advance(TimeSpan.FromSeconds(1));
        await WaitForAsync(() => _destination.Applied.Count == 5, "all is applied");
        Assert.Equal([100UL, 200, 300, 400, 500], _destination.Applied.Select(static l => l.Value));
        await WaitForAsync(() => _status.Applied == new Lsn(510), "the status shows it");
        Assert.Equal(new Lsn(510), _hub.TakeAcknowledgeable());
    }

    [Fact]
    public async Task Should_show_what_is_wrong_until_it_gets_by_not_whenever_it_tries_again()
    {
        var entered = new TaskCompletionSource();
        var proceed = new TaskCompletionSource();
        var calls = 0;
        _destination.Before = async () =>
        {
            if (Interlocked.Increment(ref calls) == 1)
                throw new FaultException(new Fault(ErrorClass.Operator, "the disk is full", "make room"));
            entered.TrySetResult();
            await proceed.Task;
        };
        Start();
        await AttachAsync();
        await DeliverAsync(1);
        await FailedAsync("the disk is full");
        Advance(TimeSpan.FromSeconds(30));
        await entered.Task.WaitAsync(Limit);
        Assert.Equal("the disk is full", _status.Fault?.Reason);
        Assert.True(_lane.Failing);
        proceed.SetResult();
        await WaitForAsync(() => _status.Fault is null && !_lane.Failing, "it is over");
        Assert.Single(_destination.Applied);
    }

    [Fact]
    public async Task Should_stop_while_it_waits_to_try_again_and_stay_a_hold_on_the_slot()
    {
        _destination.FailWith(new IOException("reset"));
        var actor = await StartWatchedAsync();
        await FailedAsync("reset");
        actor.Tell(new DestinationActor.Stop(false));
        await _parent.ExpectTerminatedAsync(actor, Limit);
        Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, _destination.Opens);
        Assert.Equal([_lane], _hub.Lanes);
    }

    [Fact]
    public async Task Should_stop_while_it_waits_for_the_main_stream()
    {
        var actor = await StartWatchedAsync();
        await WaitForAsync(() => _hub.StartPosition() is not null, "the lane waits");
        actor.Tell(new DestinationActor.Stop(false));
        await _parent.ExpectTerminatedAsync(actor, Limit);
        Assert.Equal(0, _destination.OpenSessions);
        Assert.Null(_hub.StartPosition());
        Assert.False(_destination.Removed);
    }

    [Fact]
    public async Task Should_apply_what_the_main_stream_left_in_its_log_before_it_stops()
    {
        var proceed = new TaskCompletionSource();
        var entered = new TaskCompletionSource();
        _destination.Before = () =>
        {
            entered.TrySetResult();
            return proceed.Task;
        };
        var actor = await StartWatchedAsync();
        await AttachAsync();
        await DeliverAsync(1);
        await entered.Task.WaitAsync(Limit);
        await DeliverAsync(4);
        // As a pipeline does it: the stream ends first.
        _hub.MainEnded();
        actor.Tell(new DestinationActor.Stop(false));
        // The actor has taken it before the destination goes on.
        await actor.Ask<ActorIdentity>(new Identify(1), Limit);
        proceed.SetResult();
        await _parent.ExpectTerminatedAsync(actor, Limit);
        Assert.Equal(5, _destination.Applied.Count);
        Assert.Equal(new Lsn(510), _lane.Passed);
    }

    [Fact]
    public async Task Should_be_cut_off_when_the_drain_takes_too_long()
    {
        _drain = TimeSpan.FromMilliseconds(50);
        _destination.Reachable = new TaskCompletionSource().Task;
        var actor = await StartWatchedAsync();
        await WaitForAsync(() => _destination.Opens == 1, "the destination is being opened");
        actor.Tell(new DestinationActor.Stop(false));
        await _parent.ExpectTerminatedAsync(actor, Limit);
    }

    [Fact]
    public async Task Should_leave_no_trace_when_it_is_removed()
    {
        var actor = await StartWatchedAsync();
        await WaitForAsync(() => _hub.StartPosition() is not null, "the lane waits");
        actor.Tell(new DestinationActor.Stop(true));
        await _parent.ExpectTerminatedAsync(actor, Limit);
        Assert.True(_destination.Removed);
        Assert.Empty(_hub.Lanes);
        Assert.Null(_hub.TakeAcknowledgeable());
        Assert.Equal(0, _destination.OpenSessions);
    }

    [Fact]
    public async Task Should_hold_the_slot_no_longer_when_it_is_removed_but_cannot_be_reached()
    {
        _destination.FailWith(new IOException("gone"), new IOException("gone for good"));
        var actor = await StartWatchedAsync();
        await FailedAsync("gone");
        actor.Tell(new DestinationActor.Stop(true));
        await _parent.ExpectTerminatedAsync(actor, Limit);
        Assert.False(_destination.Removed);
        Assert.Empty(_hub.Lanes);
    }

    IActorRef Start()
    {
        var opening = new DestinationOpening(Guid.NewGuid(), 7, Guid.NewGuid(), 3, Lsn.Zero, new ScriptedSource());
        var context = new LaneContext(
            7, 5, "target", _destination, opening, _hub, _lane, _plans, new ScriptedSource(), _status, new LaneMetrics("p", "d"),
            new GroupBounds(1, 1), 1, _drain, static (_, _, _) => { }, static _ => { }, static _ => { });
        return _actor = _parent.ChildActorOf(DestinationActor.Props(context, TimeProvider.System));
    }

    async Task<IActorRef> StartWatchedAsync()
    {
        var actor = Start();
        await _parent.WatchAsync(actor);
        return actor;
    }

    void Publish() => _plans.Publish(new Dictionary<long, DestinationPlan> { [5] = Planned.Plan() });

    async Task AttachAsync()
    {
        await WaitForAsync(() => _hub.StartPosition() is not null, "the lane waits");
        _hub.MainStarted(Lsn.Zero);
    }

    async Task DeliverAsync(int transactions)
    {
        var relation = new Relation(1, "public", "orders", ReplicaIdentity.Default, [new RelationColumn("id", 20, -1, true)]);
        for (var i = 0; i < transactions; i++)
        {
            var commit = ++_transactions * 100;
            _builder.Begin(1, new Lsn(commit), 1);
            _builder.AddInsert(relation, [0, 1, (byte)'n']);
            _builder.Commit(new Lsn(commit + 10));
            var batch = _builder.Build();
            await _hub.ConsumeAsync(batch, CancellationToken.None);
            batch.Release();
        }
    }

    /// <summary>The actor has dealt with a failure. It sets its timer after the status: one more message has to go through its mailbox.</summary>
    async Task FailedAsync(string reason)
    {
        await WaitForAsync(() => _status.Fault?.Reason.Contains(reason, StringComparison.Ordinal) == true, reason);
        await _actor.Ask<ActorIdentity>(new Identify(0), Limit);
    }

    void Advance(TimeSpan time) => ((TestScheduler)Sys.Scheduler).Advance(time);

    static Task WaitForAsync(Func<bool> condition, string what) => Wait.UntilAsync(condition, what, Limit);

    protected override void AfterAll()
    {
        _hub.Dispose();
        base.AfterAll();
    }

    sealed class WrongPassword() : Exception("wrong password"), ISqlStateError
    {
        public string? SqlState => "28P01";

        public string Words => Message;
    }
}
