using Microsoft.Extensions.Time.Testing;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Core.Tests.Lanes;

public sealed class LaneHubTests : IDisposable
{
    static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(300);
    readonly FakeTimeProvider _time = new();
    readonly TestStream _stream = new();
    readonly long _batchSize;
    readonly LaneHub _hub;
    int _wanted;

    public LaneHubTests()
    {
        using var probe = new LaneLog(1);
        probe.TryAppend(new TestStream().Transaction());
        _batchSize = probe.HeldBytes;
        _hub = new LaneHub(new LaneHubOptions(_batchSize * 2, Grace), _time, () => Interlocked.Increment(ref _wanted));
    }

    public void Dispose() => _hub.Dispose();

    [Fact]
    public async Task Should_ask_for_a_main_stream_when_a_lane_waits_and_give_it_its_log_from_the_start()
    {
        var lane = _hub.Register(1, new Lsn(42));
        Assert.Equal(LaneState.Detached, lane.State);
        Assert.Null(_hub.StartPosition());
        var attaching = _hub.AttachAsync(lane, default);
        Assert.Equal(1, _wanted);
        Assert.False(attaching.IsCompleted);
        Assert.True(_hub.IsWanted);
        Assert.Equal(new Lsn(42), _hub.StartPosition());

        _hub.MainStarted(new Lsn(42));
        var attachment = await attaching.WaitAsync(Wait.DefaultDeadline);
        Assert.Equal(new Lsn(42), attachment.Boundary);
        Assert.Same(attachment.Log, lane.Log);
        Assert.Equal(LaneState.Attached, lane.State);
        Assert.Null(_hub.StartPosition());
        var batch = await DeliverAsync(_stream.Transaction());
        Assert.Equal(batch, Read(attachment.Log));
    }

    [Fact]
    public async Task Should_start_for_the_lowest_lane_that_waits()
    {
        var low = _hub.AttachAsync(_hub.Register(1, new Lsn(100)), default);
        var high = _hub.AttachAsync(_hub.Register(2, new Lsn(300)), default);
        _hub.Register(3, new Lsn(50));
        Assert.Equal(new Lsn(100), _hub.StartPosition());
        _hub.MainStarted(new Lsn(100));
        Assert.Equal(new Lsn(100), (await low).Boundary);
        Assert.Equal(new Lsn(100), (await high).Boundary);
        Assert.All(_hub.Lanes.Where(static l => l.DestinationId != 3), static l => Assert.Equal(LaneState.Attached, l.State));
    }

    [Fact]
    public async Task Should_not_call_a_lane_attached_that_is_below_the_boundary()
    {
        var lane = _hub.Register(1, new Lsn(10));
        await AttachedAsync(2);
        await DeliverAsync(_stream.Transaction());
        var attachment = await _hub.AttachAsync(lane, default);
        Assert.Equal(new Lsn(110), attachment.Boundary);
        Assert.Equal(LaneState.Detached, lane.State);
        _hub.CatchingUp(lane);
        lane.Pass(new Lsn(110));
        _hub.Joined(lane);
        Assert.Equal(LaneState.Attached, lane.State);
        var batch = await DeliverAsync(_stream.Transaction());
        Assert.Equal(batch, Read(attachment.Log));
    }

    [Fact]
    public async Task Should_join_at_the_next_boundary_and_never_inside_a_transaction()
    {
        var (lane, _) = await AttachedAsync(1);
        await DeliverAsync(_stream.First());
        var joining = _hub.AttachAsync(_hub.Register(2, Lsn.Zero), default);
        await DeliverAsync(_stream.More());
        Drain(lane);
        Assert.False(joining.IsCompleted);
        // Ends one transaction and begins the next: no boundary either.
        await DeliverAsync(_stream.LastAndFirst());
        Assert.False(joining.IsCompleted);
        await DeliverAsync(_stream.Last());
        Drain(lane);
        var attachment = await joining.WaitAsync(Wait.DefaultDeadline);
        Assert.Equal(_stream.End, attachment.Boundary);
        Assert.False(attachment.Log.TryRead(out _));
        var next = await DeliverAsync(_stream.Transaction());
        Assert.Equal(next, Read(attachment.Log));
        Assert.Equal(0, _wanted);
    }

    [Fact]
    public async Task Should_join_at_a_keepalives_progress()
    {
        await AttachedAsync(1);
        await DeliverAsync(_stream.Transaction());
        await DeliverAsync(_stream.Keepalive());
        Assert.Equal(new Lsn(150), (await _hub.AttachAsync(_hub.Register(2, Lsn.Zero), default)).Boundary);
        Assert.Equal(new Lsn(150), _hub.DeliveredUpTo);
    }

    [Fact]
    public async Task Should_give_a_lane_that_joins_while_a_batch_is_handed_out_that_batch_too()
    {
        var (slow, _) = await AttachedAsync(1);
        await FillAsync();
        var batch = _stream.Transaction();
        var delivering = _hub.ConsumeAsync(batch, default).AsTask();
        Assert.False(delivering.IsCompleted);
        var attachment = await _hub.AttachAsync(_hub.Register(2, Lsn.Zero), default);
        // The boundary is before the batch in hand.
        Assert.Equal(new Lsn(210), attachment.Boundary);
        Assert.Equal(batch, Read(attachment.Log));
        Read(slow.Log!);
        await delivering.WaitAsync(Wait.DefaultDeadline);
        Assert.False(attachment.Log.TryRead(out _));
        Drain(slow);
        var next = await DeliverAsync(_stream.Transaction());
        Assert.Equal(next, Read(attachment.Log));
    }

    [Fact]
    public async Task Should_give_a_lane_that_comes_back_while_it_is_waited_for_the_batch_once()
    {
        var (lane, _) = await AttachedAsync(1);
        await FillAsync();
        var batch = _stream.Transaction();
        var delivering = _hub.ConsumeAsync(batch, default).AsTask();
        _hub.Detach(lane);
        var again = await _hub.AttachAsync(lane, default);
        await delivering.WaitAsync(Wait.DefaultDeadline);
        Assert.Equal(batch, Read(again.Log));
        Assert.False(again.Log.TryRead(out _));
    }

    [Fact]
    public async Task Should_wait_for_a_full_lane_as_long_as_nobody_else_is_the_worse_for_it()
    {
        var (lane, log) = await AttachedAsync(1);
        await FillAsync();
        var batch = _stream.Transaction();
        var delivering = _hub.ConsumeAsync(batch, default).AsTask();
        for (var i = 0; i < 20; i++)
        {
            _time.Advance(Grace);
            await Task.Yield();
        }

        Assert.False(delivering.IsCompleted);
        Assert.Equal(LaneState.Attached, lane.State);
        Read(log);
        await delivering.WaitAsync(Wait.DefaultDeadline);
        Assert.Same(log, lane.Log);
        Assert.Equal(LaneState.Attached, lane.State);
    }

    [Fact]
    public async Task Should_detach_a_full_lane_after_its_grace_when_another_has_nothing_to_do()
    {
        var (slow, _) = await AttachedAsync(1);
        var (idle, idleLog) = await AttachedAsync(2);
        await FillAsync();
        Drain(idle);
        var batch = _stream.Transaction();
        var delivering = _hub.ConsumeAsync(batch, default).AsTask();
        Assert.Equal(batch, Read(idleLog));
        Assert.False(delivering.IsCompleted);
        await AdvanceUntilAsync(delivering);
        Assert.Equal((LaneState.Detached, null), (slow.State, slow.Log));
        Assert.Equal(LaneState.Attached, idle.State);
        Assert.True(_time.GetUtcNow() - _time.Start >= Grace);
        Assert.Equal(0, _wanted);
    }

    [Fact]
    public async Task Should_detach_a_full_lane_after_its_grace_when_another_waits_for_a_boundary()
    {
        var (slow, log) = await AttachedAsync(1);
        await DeliverAsync(_stream.Transaction());
        await DeliverAsync(_stream.First());
        var joining = _hub.AttachAsync(_hub.Register(2, Lsn.Zero), default);
        var delivering = _hub.ConsumeAsync(_stream.Last(), default).AsTask();
        await AdvanceUntilAsync(delivering);
        Assert.Null(slow.Log);
        Assert.True(log.IsClosed);
        Assert.Equal(_stream.End, (await joining).Boundary);
    }

    [Fact]
    public async Task Should_detach_a_full_lane_after_its_grace_when_another_waits_for_the_rest_of_a_transaction()
    {
        var (frozen, _) = await AttachedAsync(1);
        var (inside, insideLog) = await AttachedAsync(2);
        using var enough = new CancellationTokenSource();
        var pump = new LanePump(inside, new DestinationSink(inside, new MemoryDestination().Open()), new GroupBounds(1, 1), static (_, _, _) => { }, new LandingGate())
            .RunAsync(insideLog, null, default, enough.Token);
        await DeliverAsync(_stream.First());
        var delivering = Task.CompletedTask;
        for (var pieces = 0; delivering.IsCompleted; pieces++)
        {
            Assert.InRange(pieces, 0, 100);
            await Wait.UntilAsync(() => inside.AwaitsMore && insideLog.UnreadBytes == 0, "the pump to have read its log");
            delivering = _hub.ConsumeAsync(_stream.More(), default).AsTask();
        }

        // It has applied a piece and is behind, and what it waits for comes only when nobody waits for the frozen one any more.
        await Wait.UntilAsync(() => inside.AwaitsMore && insideLog.UnreadBytes == 0, "the pump to have read its log");
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.NotEqual(TimeSpan.Zero, inside.Behind);
        await AdvanceUntilAsync(delivering);
        Assert.Equal((LaneState.Detached, null), (frozen.State, frozen.Log));
        Assert.Equal(LaneState.Attached, inside.State);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pump);
    }

    [Fact]
    public async Task Should_give_a_lane_that_is_slow_for_good_no_new_grace_for_every_batch()
    {
        var (slow, log) = await AttachedAsync(1);
        var (idle, _) = await AttachedAsync(2);
        await FillAsync();
        Drain(idle);
        var batches = 0;
        while (slow.Log is not null)
        {
            Assert.InRange(++batches, 1, 20);
            var delivering = _hub.ConsumeAsync(_stream.Transaction(), default).AsTask();
            for (var i = 0; i < 5 && !delivering.IsCompleted; i++)
            {
                _time.Advance(Grace / 15);
                await Task.Yield();
            }

            if (log.TryRead(out var read))
                read!.Release();
            await delivering.WaitAsync(Wait.DefaultDeadline);
            Drain(idle);
        }

        // It always had room within a third of its grace, and is detached for holding the other all the time.
        Assert.InRange(batches, 2, 6);
    }

    [Fact]
    public async Task Should_give_grace_back_with_time()
    {
        var (slow, log) = await AttachedAsync(1);
        var (idle, _) = await AttachedAsync(2);
        await FillAsync();
        for (var round = 0; round < 10; round++)
        {
            Drain(idle);
            var delivering = _hub.ConsumeAsync(_stream.Transaction(), default).AsTask();
            await AdvanceAsync(Grace * 0.8);
            Assert.False(delivering.IsCompleted);
            Read(log);
            await delivering.WaitAsync(Wait.DefaultDeadline);
            Assert.NotNull(slow.Log);
            _time.Advance(Grace * 10);
        }
    }

    [Fact]
    public async Task Should_detach_a_full_lane_at_once_when_it_is_failing()
    {
        var (lane, log) = await AttachedAsync(1);
        await FillAsync();
        lane.Failing = true;
        await DeliverAsync(_stream.Transaction());
        Assert.Equal((LaneState.Detached, null), (lane.State, lane.Log));
        Assert.True(log.IsClosed);
        Assert.False(log.TryRewind());
        Assert.Equal(1, _wanted);
        Assert.False(_hub.IsWanted);
    }

    [Fact]
    public async Task Should_notice_a_lane_that_begins_to_fail_while_it_is_waited_for()
    {
        var (lane, _) = await AttachedAsync(1);
        await FillAsync();
        var delivering = _hub.ConsumeAsync(_stream.Transaction(), default).AsTask();
        lane.Failing = true;
        await AdvanceUntilAsync(delivering);
        Assert.Null(lane.Log);
    }

    [Fact]
    public async Task Should_not_wait_for_a_lane_that_is_detached_meanwhile()
    {
        var (lane, _) = await AttachedAsync(1);
        await FillAsync();
        var delivering = _hub.ConsumeAsync(_stream.Transaction(), default).AsTask();
        _hub.Detach(lane);
        await delivering.WaitAsync(Wait.DefaultDeadline);
        Assert.False(_hub.IsWanted);
        Assert.NotEqual(0, _wanted);
    }

    [Fact]
    public async Task Should_let_the_main_stream_be_cancelled_while_it_waits()
    {
        await AttachedAsync(1);
        await FillAsync();
        using var cancel = new CancellationTokenSource();
        var delivering = _hub.ConsumeAsync(_stream.Transaction(), cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delivering);
        // Some lanes may have that batch and others not: the stream has to end, and nobody joins it any more.
        var joining = _hub.AttachAsync(_hub.Register(2, Lsn.Zero), default);
        Assert.False(joining.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(() => _hub.ConsumeAsync(_stream.Transaction(), default).AsTask());
        _hub.MainEnded();
        _hub.MainStarted(new Lsn(210));
        Assert.Equal(new Lsn(210), (await joining).Boundary);
        await DeliverAsync(_stream.Transaction());
    }

    [Fact]
    public async Task Should_end_every_log_when_the_main_stream_ends_and_leave_what_is_in_it()
    {
        var (lane, log) = await AttachedAsync(1);
        var batch = await DeliverAsync(_stream.Transaction());
        _hub.MainEnded();
        Assert.Equal((LaneState.Detached, null), (lane.State, lane.Log));
        Assert.Equal(batch, Read(log));
        Assert.False(await log.WaitToReadAsync(default));
        Assert.False(_hub.IsRunning);
        var again = _hub.AttachAsync(lane, default);
        Assert.False(again.IsCompleted);
        Assert.Equal(1, _wanted);
    }

    [Fact]
    public async Task Should_hand_nothing_out_after_the_main_stream_was_ended_from_elsewhere()
    {
        var (lane, _) = await AttachedAsync(1);
        await FillAsync();
        var late = _hub.ConsumeAsync(_stream.Transaction(), default).AsTask();
        _hub.MainEnded();
        await late.WaitAsync(Wait.DefaultDeadline);
        var joining = _hub.AttachAsync(lane, default);
        await DeliverAsync(_stream.Transaction());
        // A log from a stream that has ended would never get anything.
        Assert.False(joining.IsCompleted);
        _hub.MainStarted(new Lsn(210));
        Assert.Equal(new Lsn(210), (await joining).Boundary);
        Assert.False(lane.Log!.TryRead(out _));
    }

    [Fact]
    public async Task Should_begin_again_for_a_lane_that_asks_for_it()
    {
        var (attached, _) = await AttachedAsync(1, new Lsn(500));
        var behind = _hub.Register(2, new Lsn(100));
        _hub.RestartMain();
        Assert.Equal(1, _wanted);
        Assert.False(_hub.IsWanted);
        Assert.False(_hub.IsRunning);
        var joining = _hub.AttachAsync(behind, default);
        await DeliverAsync(_stream.Transaction());
        Assert.False(joining.IsCompleted);
        _hub.MainEnded();
        var other = _hub.AttachAsync(attached, default);
        Assert.Equal(new Lsn(100), _hub.StartPosition());
        _hub.MainStarted(new Lsn(100));
        Assert.Equal(new Lsn(100), (await joining).Boundary);
        Assert.Equal(new Lsn(100), (await other).Boundary);
        Assert.True(_hub.IsRunning);
        Assert.All(_hub.Lanes, static l => Assert.Equal(LaneState.Attached, l.State));
    }

    [Fact]
    public void Should_not_restart_what_does_not_run()
    {
        _hub.RestartMain();
        _hub.Register(1, Lsn.Zero);
        _hub.MainStarted(Lsn.Zero);
        Assert.True(_hub.IsRunning);
        Assert.Throws<InvalidOperationException>(() => _hub.MainStarted(Lsn.Zero));
    }

    [Fact]
    public async Task Should_acknowledge_no_more_than_the_lowest_lane_detached_ones_included()
    {
        Assert.Null(_hub.TakeAcknowledgeable());
        var (first, _) = await AttachedAsync(1, new Lsn(100));
        var second = _hub.Register(2, new Lsn(150));
        Assert.Equal(new Lsn(100), _hub.TakeAcknowledgeable());
        first.Pass(new Lsn(500));
        Assert.Equal(new Lsn(150), _hub.TakeAcknowledgeable());
        _hub.Detach(first);
        second.Pass(new Lsn(900));
        Assert.Equal(new Lsn(500), _hub.TakeAcknowledgeable());
        _hub.Unregister(first);
        Assert.Equal(new Lsn(900), _hub.TakeAcknowledgeable());
    }

    [Fact]
    public void Should_register_no_lane_below_what_is_being_acknowledged()
    {
        _hub.Register(1, new Lsn(300));
        Assert.Equal(new Lsn(300), _hub.TakeAcknowledgeable());
        Assert.Equal(new Lsn(300), _hub.Register(2, new Lsn(100)).Passed);
        Assert.Equal(new Lsn(400), _hub.Register(3, new Lsn(400)).Passed);
        Assert.Same(_hub.Register(2, new Lsn(999)), _hub.Register(2, Lsn.Zero));
        Assert.Equal(3, _hub.Lanes.Count);
    }

    [Fact]
    public void Should_hold_the_slot_where_it_stands_for_lanes_that_have_not_said_where_they_are()
    {
        var unknown = _hub.Register(1, Lsn.Zero);
        var ahead = _hub.Register(2, new Lsn(500));
        _hub.SlotStandsAt(new Lsn(300));
        Assert.Equal(new Lsn(300), unknown.Passed);
        Assert.Equal(new Lsn(500), ahead.Passed);
        Assert.Equal(new Lsn(300), _hub.Register(3, Lsn.Zero).Passed);
        Assert.Equal(new Lsn(300), _hub.TakeAcknowledgeable());
    }

    [Fact]
    public async Task Should_forget_an_attachment_that_is_cancelled()
    {
        var lane = _hub.Register(1, Lsn.Zero);
        using var cancel = new CancellationTokenSource();
        var attaching = _hub.AttachAsync(lane, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attaching);
        Assert.Null(_hub.StartPosition());
        Assert.False(_hub.IsWanted);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _hub.AttachAsync(lane, cancel.Token));
        _hub.MainStarted(Lsn.Zero);
        Assert.Null(lane.Log);
        Assert.NotNull((await _hub.AttachAsync(lane, default)).Log);
    }

    [Fact]
    public async Task Should_refuse_a_second_log()
    {
        var lane = _hub.Register(1, Lsn.Zero);
        var attaching = _hub.AttachAsync(lane, default);
        await Assert.ThrowsAsync<InvalidOperationException>(() => _hub.AttachAsync(lane, default));
        _hub.MainStarted(Lsn.Zero);
        await attaching;
        await Assert.ThrowsAsync<InvalidOperationException>(() => _hub.AttachAsync(lane, default));
    }

    [Fact]
    public async Task Should_give_no_log_to_a_lane_that_was_removed()
    {
        var lane = _hub.Register(1, Lsn.Zero);
        var attaching = _hub.AttachAsync(lane, default);
        _hub.Unregister(lane);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attaching);
        Assert.Null(_hub.StartPosition());
        await Assert.ThrowsAsync<InvalidOperationException>(() => _hub.AttachAsync(lane, default));
        Assert.NotSame(lane, _hub.Register(1, Lsn.Zero));
    }

    [Fact]
    public async Task Should_say_when_nobody_is_left_to_listen()
    {
        var (lane, _) = await AttachedAsync(1);
        Assert.True(_hub.IsWanted);
        _hub.Unregister(lane);
        Assert.Equal(1, _wanted);
        Assert.False(_hub.IsWanted);
        await DeliverAsync(_stream.Transaction());
        Assert.Equal(2, _wanted);
    }

    [Fact]
    public async Task Should_cancel_who_waits_when_it_is_disposed()
    {
        var attaching = _hub.AttachAsync(_hub.Register(1, Lsn.Zero), default);
        _hub.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attaching);
    }

    [Fact]
    public async Task Should_come_to_no_standstill_when_attachments_are_cancelled_while_lanes_join()
    {
        // A cancellation callback that waits for the gate must not be waited for by the one who holds it.
        await AttachedAsync(1);
        var lanes = Enumerable.Range(2, 3).Select(i => _hub.Register(i, Lsn.Max)).ToList();
        using var stop = new CancellationTokenSource();
        var work = lanes.Select(lane => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var cancel = new CancellationTokenSource();
                var attaching = _hub.AttachAsync(lane, cancel.Token);
                await cancel.CancelAsync();
                try
                {
                    await attaching;
                    Assert.NotNull(lane.Log);
                }
                catch (OperationCanceledException)
                {
                    Assert.Null(lane.Log);
                }

                _hub.Detach(lane);
                await Task.Yield();
            }
        })).ToList();
        var main = Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await DeliverAsync(_stream.First());
                await DeliverAsync(_stream.Last());
                Drain(_hub.Lanes.Single(static l => l.DestinationId == 1));
            }
        });
        try
        {
            await main.WaitAsync(Wait.DefaultDeadline);
        }
        finally
        {
            await stop.CancelAsync();
        }

        await Task.WhenAll(work).WaitAsync(Wait.DefaultDeadline);
    }

    /// <summary>A lane on the running main stream; the first one starts it, at 0 or at its position.</summary>
    async Task<(Lane Lane, LaneLog Log)> AttachedAsync(long id, Lsn at = default)
    {
        var lane = _hub.Register(id, at);
        if (!_hub.IsRunning)
            _hub.MainStarted(at);
        var log = (await _hub.AttachAsync(lane, default)).Log;
        Assert.Equal(LaneState.Attached, lane.State);
        return (lane, log);
    }

    async Task<ChangeBatch> DeliverAsync(ChangeBatch batch)
    {
        await _hub.ConsumeAsync(batch, default).AsTask().WaitAsync(Wait.DefaultDeadline);
        return batch;
    }

    /// <summary>Two batches fill a log.</summary>
    async Task FillAsync()
    {
        await DeliverAsync(_stream.Transaction());
        await DeliverAsync(_stream.Transaction());
    }

    /// <summary>Everything is read and applied.</summary>
    static void Drain(Lane lane)
    {
        while (lane.Log!.TryRead(out var batch))
        {
            lane.Pass(batch!.DeliveredUpTo);
            batch.Release();
        }

        lane.Log.Durable(lane.Passed);
        lane.Outstanding(false);
    }

    async Task AdvanceUntilAsync(Task task)
    {
        for (var i = 0; i < 1000 && !task.IsCompleted; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(5));
            await Task.WhenAny(task, Task.Delay(1));
        }

        await task.WaitAsync(Wait.DefaultDeadline);
    }

    async Task AdvanceAsync(TimeSpan time)
    {
        var end = _time.GetUtcNow() + time;
        while (_time.GetUtcNow() < end)
        {
            _time.Advance(TimeSpan.FromMilliseconds(5));
            await Task.Delay(1);
        }
    }

    static ChangeBatch Read(LaneLog log)
    {
        Assert.True(log.TryRead(out var batch));
        batch!.Release();
        return batch;
    }
}
