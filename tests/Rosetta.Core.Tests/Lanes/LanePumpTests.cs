using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Core.Tests.Lanes;

public sealed class LanePumpTests : IDisposable
{
    static readonly GroupBounds Bounds = new(4, 1 << 20);
    readonly TestStream _stream = new();
    readonly MemoryDestination _destination = new();
    readonly LaneHub _hub = new(LaneHubOptions.Default, TimeProvider.System, static () => { });
    readonly LaneLog _log = new(1 << 20);
    readonly Lane _lane;
    readonly MemoryDestination.MemorySession _session;
    readonly List<(ApplyResult Result, long Bytes)> _applied = [];
    readonly CancellationTokenSource _interrupt = new();
    readonly CancellationTokenSource _cancel = new();
    readonly LandingGate _gate = new();

    public LanePumpTests()
    {
        _lane = _hub.Register(1, Lsn.Zero);
        _session = _destination.Open();
    }

    public void Dispose()
    {
        _log.Dispose();
        _hub.Dispose();
        _interrupt.Dispose();
        _cancel.Dispose();
    }

    [Fact]
    public async Task Should_apply_what_is_there_and_end_with_the_log()
    {
        Append(_stream.Transaction(), _stream.Transaction(2));
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync());
        Assert.Equal([new(new Lsn(100), 1), new(new Lsn(200), 2)], _destination.Durable);
        Assert.Equal(new Lsn(210), _lane.Passed);
        Assert.Equal(2, _lane.LastCommitTime);
        Assert.Equal(0, _log.HeldBytes);
        var (result, bytes) = Assert.Single(_applied);
        Assert.Equal(new Lsn(210), result.Position);
        Assert.NotEqual(0, bytes);
    }

    [Fact]
    public async Task Should_gather_more_while_a_group_is_applied_up_to_its_bounds()
    {
        var (entered, proceed) = HoldApplies();
        Append(_stream.Transaction());
        var running = RunAsync();
        await entered.WaitAsync(Wait.DefaultDeadline);
        Append(Enumerable.Range(0, 6).Select(_ => _stream.Transaction()).ToArray());
        _log.Close();
        proceed();
        Assert.Equal(PumpEnd.LogEnded, await running);
        // At once with what there was, then four rows, then the rest.
        Assert.Equal([(1, false), (4, false), (2, false)], _session.Groups);
    }

    [Fact]
    public async Task Should_end_a_group_by_its_bytes()
    {
        var first = _stream.Transaction();
        Append(first, _stream.Transaction(), _stream.Transaction());
        _log.Close();
        await RunAsync(bounds: new GroupBounds(1000, first.Size * 2));
        Assert.Equal([(2, false), (1, false)], _session.Groups);
    }

    [Fact]
    public async Task Should_wait_for_the_end_of_a_transaction_that_fits_into_a_group()
    {
        Append(_stream.Transaction(), _stream.First());
        var running = RunAsync();
        await Wait.UntilAsync(() => _log.UnreadBytes == 0, "the pump has read the first piece");
        Assert.Empty(_session.Groups);
        Append(_stream.Last());
        await Wait.UntilAsync(() => _destination.Durable.Count == 2, "both transactions are applied");
        Assert.Equal([(3, false)], _session.Groups);
        _log.Close();
        await running;
    }

    [Fact]
    public async Task Should_apply_a_large_transaction_in_pieces_and_pass_it_when_it_is_whole()
    {
        Append(_stream.Transaction(), _stream.First(3));
        var running = RunAsync();
        await Wait.UntilAsync(() => _session.Groups.Count == 1, "the first piece is applied");
        Append(_stream.More(4));
        await Wait.UntilAsync(() => _session.Groups.Count == 2, "the second piece is applied");
        Assert.Equal(Lsn.Zero, _lane.Passed);
        Assert.Empty(_destination.Durable);
        Append(_stream.Last(2));
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await running);
        Assert.Equal([(2, true), (1, true), (1, false)], _session.Groups);
        Assert.Equal([new(new Lsn(100), 1), new(new Lsn(200), 9)], _destination.Durable);
        Assert.Equal(new Lsn(210), _lane.Passed);
        Assert.Equal([null, null, new Lsn(210)], _applied.Select(static a => a.Result.Position));
    }

    [Fact]
    public async Task Should_go_on_to_the_end_of_a_transaction_that_a_full_group_would_cut()
    {
        Append(_stream.Transaction(), _stream.First(2), _stream.Last(2), _stream.Transaction());
        _log.Close();
        await RunAsync(bounds: new GroupBounds(3, 1 << 20));
        Assert.Equal([(3, false), (1, false)], _session.Groups);
    }

    [Fact]
    public async Task Should_commit_at_the_end_of_each_of_many_large_transactions()
    {
        for (var i = 0; i < 3; i++)
            Append(_stream.First(10), _stream.More(10), _stream.Last(1));
        _log.Close();
        await RunAsync(bounds: new GroupBounds(4, 1 << 20));
        Assert.Equal(3, _session.Groups.Count(static g => !g.Item2));
    }

    [Fact]
    public async Task Should_roll_back_when_the_log_ends_inside_a_large_transaction()
    {
        Append(_stream.First(5));
        var running = RunAsync();
        await Wait.UntilAsync(() => _session.Groups.Count == 1, "the first piece is applied");
        Append(_stream.More(5));
        await Wait.UntilAsync(() => _session.Groups.Count == 2, "two pieces are applied");
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await running);
        Assert.Equal(1, _session.Rollbacks);
        Assert.Empty(_destination.Durable);
        Assert.Equal(Lsn.Zero, _lane.Passed);
    }

    [Fact]
    public async Task Should_apply_what_is_whole_when_the_log_ends_inside_a_transaction()
    {
        Append(_stream.Transaction(), _stream.First());
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync());
        Assert.Equal([new(new Lsn(100), 1)], _destination.Durable);
        Assert.Equal(new Lsn(110), _lane.Passed);
    }

    [Fact]
    public async Task Should_finish_a_large_transaction_whose_end_came_before_the_log_ended_inside_the_next()
    {
        Append(_stream.First(4), _stream.Last(), _stream.First());
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync());
        Assert.Equal([new(new Lsn(100), 5)], _destination.Durable);
        Assert.Equal(0, _session.Rollbacks);
    }

    [Fact]
    public async Task Should_drop_batches_that_end_inside_a_transaction_whose_rest_never_came()
    {
        Append(_stream.First(), _stream.LastAndFirst());
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync());
        Assert.Empty(_destination.Durable);
        Assert.Equal(Lsn.Zero, _lane.Passed);
    }

    [Fact]
    public async Task Should_only_move_on_when_there_are_no_changes()
    {
        _stream.Transaction().Release();
        Append(_stream.Keepalive());
        _log.Close();
        await RunAsync();
        Assert.Empty(_session.Groups);
        Assert.Empty(_applied);
        Assert.Equal(new Lsn(150), _lane.Passed);
        Assert.Equal(0, _lane.LastCommitTime);
        Assert.Equal(0, _log.HeldBytes);
    }

    [Fact]
    public async Task Should_pass_progress_that_follows_changes_in_the_same_group()
    {
        Append(_stream.Transaction(), _stream.Keepalive());
        _log.Close();
        await RunAsync();
        Assert.Equal([(2, false)], _session.Groups);
        Assert.Equal(new Lsn(150), _lane.Passed);
    }

    [Fact]
    public async Task Should_stop_once_a_position_is_passed()
    {
        Append(Enumerable.Range(0, 12).Select(_ => _stream.Transaction()).ToArray());
        Assert.Equal(PumpEnd.Reached, await RunAsync(until: new Lsn(510)));
        Assert.Equal(8, _destination.Durable.Count);
        Assert.Equal(PumpEnd.Reached, await RunAsync(until: new Lsn(510)));
        Assert.Equal(8, _destination.Durable.Count);
        _log.Close();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync(until: Lsn.Max));
        Assert.Equal(12, _destination.Durable.Count);
    }

    [Fact]
    public async Task Should_not_stop_at_a_position_inside_a_large_transaction()
    {
        Append(_stream.First(5));
        var running = RunAsync(until: new Lsn(100));
        await Wait.UntilAsync(() => _session.Groups.Count == 1, "the first piece is applied");
        Assert.False(running.IsCompleted);
        Append(_stream.Last());
        Assert.Equal(PumpEnd.Reached, await running);
        Assert.Equal(new Lsn(110), _lane.Passed);
    }

    [Fact]
    public async Task Should_be_interrupted_while_it_waits_and_go_on_later()
    {
        Append(_stream.Transaction());
        var running = RunAsync();
        await Wait.UntilAsync(() => _lane.Passed == new Lsn(110), "the first transaction is applied");
        await _interrupt.CancelAsync();
        Assert.Equal(PumpEnd.Interrupted, await running);
        Append(_stream.Transaction());
        _log.Close();
        await RunAsync(interrupt: CancellationToken.None);
        Assert.Equal(2, _destination.Durable.Count);
    }

    [Fact]
    public async Task Should_finish_the_group_at_hand_when_it_is_interrupted()
    {
        var (entered, proceed) = HoldApplies();
        Append(_stream.Transaction());
        var running = RunAsync();
        await entered.WaitAsync(Wait.DefaultDeadline);
        await _interrupt.CancelAsync();
        Append(_stream.Transaction());
        proceed();
        Assert.Equal(PumpEnd.Interrupted, await running);
        Assert.Equal(new Lsn(110), _lane.Passed);
        Assert.NotEqual(0, _log.UnreadBytes);
    }

    [Fact]
    public async Task Should_be_interrupted_only_after_a_transaction_that_is_open_at_the_destination()
    {
        Append(_stream.First(5));
        var running = RunAsync();
        await Wait.UntilAsync(() => _session.Groups.Count == 1, "the first piece is applied");
        await _interrupt.CancelAsync();
        Append(_stream.More(5));
        await Wait.UntilAsync(() => _session.Groups.Count == 2, "the second piece is applied");
        Assert.False(running.IsCompleted);
        Append(_stream.Last());
        Assert.Equal(PumpEnd.Interrupted, await running);
        Assert.Equal(new Lsn(110), _lane.Passed);
        Assert.Equal(0, _session.Rollbacks);
    }

    [Fact]
    public async Task Should_not_take_a_destinations_own_timeout_for_an_interrupt()
    {
        _destination.Before = (_, _) =>
        {
            _interrupt.Cancel();
            throw new TaskCanceledException("the destination's own limit");
        };
        Append(_stream.Transaction());
        // Taken for an interrupt, the group at hand would be passed over by the next one.
        await Assert.ThrowsAsync<TaskCanceledException>(() => RunAsync());
        Assert.Equal(Lsn.Zero, _lane.Passed);
    }

    [Fact]
    public async Task Should_stop_at_once_when_it_is_cancelled()
    {
        Append(_stream.First());
        var running = RunAsync();
        await Wait.UntilAsync(() => _log.UnreadBytes == 0, "the pump has read the first piece");
        await _cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Empty(_session.Groups);
    }

    [Fact]
    public async Task Should_read_exactly_what_is_not_durable_again_after_a_failure()
    {
        var fail = false;
        _destination.Before = (_, _) => fail ? throw new IOException("gone") : ValueTask.CompletedTask;
        Append(Enumerable.Range(0, 4).Select(_ => _stream.Transaction()).ToArray());
        Assert.Equal(PumpEnd.Reached, await RunAsync(until: new Lsn(410)));
        fail = true;
        Append(Enumerable.Range(0, 7).Select(_ => _stream.Transaction()).ToArray());
        await Assert.ThrowsAsync<IOException>(() => RunAsync());
        Assert.Equal(new Lsn(410), _lane.Passed);
        fail = false;

        Assert.True(_log.TryRewind());
        _log.Close();
        var session = _destination.Open();
        Assert.Equal(PumpEnd.LogEnded, await RunAsync(session: session));
        Assert.Equal([(4, false), (3, false)], session.Groups);
        AssertEach(11);
    }

    [Fact]
    public async Task Should_apply_nothing_twice_when_the_answer_to_a_commit_was_lost()
    {
        _destination.AfterCommit = static () => throw new IOException("the answer was lost");
        Append(Enumerable.Range(0, 3).Select(_ => _stream.Transaction()).ToArray());
        await Assert.ThrowsAsync<IOException>(() => RunAsync());
        Assert.Equal(Lsn.Zero, _lane.Passed);
        _destination.AfterCommit = null;
        Append(_stream.Transaction());
        Assert.True(_log.TryRewind());
        _log.Close();
        await RunAsync(session: _destination.Open());
        AssertEach(4);
        Assert.Equal(new Lsn(410), _lane.Passed);
    }

    [Fact]
    public async Task Should_read_a_large_transaction_from_its_beginning_after_a_failure_inside_it()
    {
        var pieces = 0;
        _destination.Before = (_, _) => ++pieces == 2 ? throw new IOException("gone") : ValueTask.CompletedTask;
        Append(_stream.First(5), _stream.More(5), _stream.Last());
        await Assert.ThrowsAsync<IOException>(() => RunAsync());
        Assert.True(_log.TryRewind());
        _log.Close();
        await RunAsync(session: _destination.Open());
        Assert.Equal([new(new Lsn(100), 11)], _destination.Durable);
    }

    [Fact]
    public async Task Should_let_every_batch_go_whatever_happens()
    {
        var batches = new[] { _stream.Transaction(), _stream.Transaction(), _stream.First(2) };
        Append(batches);
        _destination.Before = static (_, _) => throw new IOException("gone");
        await Assert.ThrowsAsync<IOException>(() => RunAsync());
        Assert.True(_log.TryRewind());
        _destination.Before = null;
        _log.Close();
        await RunAsync(session: _destination.Open());
        _log.Dispose();
        Assert.All(batches, static b => Assert.Throws<InvalidOperationException>(b.Release));
    }

    [Fact]
    public async Task Should_have_nothing_outstanding_once_it_runs_on_an_empty_log()
    {
        var lane = _hub.Register(2, Lsn.Zero);
        _hub.MainStarted(Lsn.Zero);
        var log = (await _hub.AttachAsync(lane, default)).Log;
        // Nothing may ever come from a source that is idle: the lane is not behind for that.
        var running = new LanePump(lane, new DestinationSink(lane, _session), Bounds, static (_, _, _) => { }, new LandingGate()).RunAsync(log, null, _interrupt.Token, _cancel.Token);
        await Wait.UntilAsync(() => lane.Behind == TimeSpan.Zero, "the lane is not behind");
        await _interrupt.CancelAsync();
        await running;
        _hub.Detach(lane);
        Assert.Equal(LaneState.Detached, lane.State);
        await Wait.UntilAsync(() => lane.Behind > TimeSpan.Zero, "a detached lane is behind");
    }

    [Fact]
    public async Task Should_tell_that_it_waits_for_more_when_everything_that_has_come_is_applied_and_not_before()
    {
        var idle = new TaskCompletionSource<int>();
        var pump = new LanePump(_lane, new DestinationSink(_lane, _session), Bounds, (result, bytes, _) => _applied.Add((result, bytes)), _gate) { Idle = () => idle.TrySetResult(_applied.Count) };
        Append(_stream.Transaction(), _stream.Transaction());
        var running = pump.RunAsync(_log, null, _interrupt.Token, _cancel.Token);
        Assert.True(await idle.Task.WaitAsync(Wait.DefaultDeadline) > 0);
        Assert.Equal(new Lsn(210), _lane.Passed);
        await _interrupt.CancelAsync();
        await running;
    }

    void Append(params ChangeBatch[] batches)
    {
        foreach (var batch in batches)
        {
            Assert.True(_log.TryAppend(batch));
            batch.Release();
        }
    }

    Task<PumpEnd> RunAsync(
        Lsn? until = null, GroupBounds? bounds = null, CancellationToken? interrupt = null, IDestinationSession? session = null) =>
        new LanePump(_lane, new DestinationSink(_lane, session ?? _session), bounds ?? Bounds, (result, bytes, _) => _applied.Add((result, bytes)), _gate)
            .RunAsync(_log, until, interrupt ?? _interrupt.Token, _cancel.Token).WaitAsync(Wait.DefaultDeadline);

    /// <summary>Holds the first apply until told; the ones after it pass.</summary>
    (Task Entered, Action Proceed) HoldApplies()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var proceed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _destination.Before = async (_, _) =>
        {
            entered.TrySetResult();
            await proceed.Task;
        };
        return (entered.Task, proceed.SetResult);
    }

    void AssertEach(int count) =>
        Assert.Equal(Enumerable.Range(1, count).Select(static n => new MemoryDestination.Applied(new Lsn((ulong)n * 100), 1)), _destination.Durable);
}
