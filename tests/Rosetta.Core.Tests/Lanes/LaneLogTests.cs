using Rosetta.Core.Changes;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Core.Tests.Lanes;

public sealed class LaneLogTests
{
    readonly TestStream _stream = new();

    [Fact]
    public void Should_give_batches_in_order_each_once()
    {
        using var log = new LaneLog(1 << 20);
        var batches = Append(log, 3);
        Assert.Equal(batches, [Read(log), Read(log), Read(log)]);
        Assert.False(log.TryRead(out _));
        Assert.Equal(0, log.UnreadBytes);
        Assert.Equal(batches.Sum(static b => b.Size), log.HeldBytes);
    }

    [Fact]
    public void Should_refuse_when_unread_batches_fill_it()
    {
        var batch = _stream.Transaction();
        using var log = new LaneLog(batch.Size * 3);
        Assert.True(log.TryAppend(batch));
        Append(log, 2);
        Assert.False(log.TryAppend(_stream.Transaction()));
        Read(log);
        Assert.True(log.TryAppend(_stream.Transaction()));
        Assert.False(log.TryAppend(_stream.Transaction()));
    }

    [Fact]
    public void Should_take_one_batch_of_any_size_when_nothing_is_unread()
    {
        using var log = new LaneLog(10);
        Assert.True(log.TryAppend(_stream.Transaction()));
        Assert.False(log.TryAppend(_stream.Transaction()));
        Read(log);
        Assert.True(log.TryAppend(_stream.Transaction(1000)));
    }

    [Fact]
    public void Should_hold_what_it_has_and_let_it_go_once()
    {
        var log = new LaneLog(1 << 20);
        var durable = _stream.Transaction();
        var unread = _stream.Transaction();
        log.TryAppend(durable);
        log.TryAppend(unread);
        durable.Release();
        unread.Release();
        Read(log);
        log.Durable(new Lsn(110));
        AssertLetGo(durable);
        unread.Retain().Release();
        log.Dispose();
        AssertLetGo(unread);
        log.Dispose();
    }

    [Fact]
    public void Should_give_a_batch_that_outlives_the_log()
    {
        var log = new LaneLog(1 << 20);
        var batch = _stream.Transaction();
        log.TryAppend(batch);
        batch.Release();
        Assert.True(log.TryRead(out var read));
        log.Dispose();
        Assert.Same(batch, read);
        Assert.Equal(1, read!.Changes.Length);
        read.Release();
        AssertLetGo(batch);
    }

    [Fact]
    public void Should_keep_what_is_read_until_it_is_durable()
    {
        using var log = new LaneLog(1 << 20);
        var batches = Append(log, 3);
        Read(log);
        Read(log);
        log.Durable(new Lsn(110));
        Assert.Equal(batches[1].Size + batches[2].Size, log.HeldBytes);
        Assert.True(log.TryRewind());
        Assert.Equal(batches[1..], [Read(log), Read(log)]);
    }

    [Fact]
    public void Should_keep_unread_batches_whatever_is_durable()
    {
        using var log = new LaneLog(1 << 20);
        var batches = Append(log, 2);
        log.Durable(Lsn.Max);
        Assert.Equal(batches, [Read(log), Read(log)]);
    }

    [Fact]
    public void Should_keep_a_piece_of_a_transaction_until_the_whole_is_durable()
    {
        using var log = new LaneLog(1 << 20);
        var first = _stream.First();
        var last = _stream.Last();
        log.TryAppend(first);
        log.TryAppend(last);
        Read(log);
        Read(log);
        log.Durable(new Lsn(100));
        Assert.True(log.TryRewind());
        Assert.Same(first, Read(log));
        Assert.Same(last, Read(log));
        log.Durable(new Lsn(110));
        Assert.Equal(0, log.HeldBytes);
        Assert.True(log.TryRewind());
        Assert.False(log.TryRead(out _));
    }

    [Fact]
    public void Should_let_go_what_is_read_but_not_durable_when_room_is_needed_and_say_that_it_does_not_reach_back()
    {
        var first = _stream.Transaction();
        using var log = new LaneLog(first.Size * 3);
        log.TryAppend(first);
        var second = Append(log, 1)[0];
        Read(log);
        Read(log);
        Append(log, 2);
        // The first had to go for the fourth.
        Assert.Equal(first.Size * 3, log.HeldBytes);
        Assert.False(log.TryRewind());
        log.Durable(new Lsn(109));
        Assert.False(log.TryRewind());
        log.Durable(new Lsn(110));
        Assert.True(log.TryRewind());
        Assert.Same(second, Read(log));
    }

    [Fact]
    public void Should_not_reach_back_into_a_transaction_whose_beginning_was_let_go_until_that_is_durable()
    {
        var first = _stream.First();
        var last = _stream.Last();
        using var log = new LaneLog(first.Size + last.Size);
        log.TryAppend(first);
        log.TryAppend(last);
        Read(log);
        Read(log);
        Append(log, 1);
        log.Durable(new Lsn(100));
        Assert.False(log.TryRewind());
        log.Durable(new Lsn(110));
        Assert.True(log.TryRewind());
    }

    [Fact]
    public void Should_not_move_the_cursor_when_it_cannot_rewind()
    {
        var first = _stream.Transaction();
        using var log = new LaneLog(first.Size);
        log.TryAppend(first);
        Read(log);
        var second = Append(log, 1)[0];
        Assert.False(log.TryRewind());
        Assert.Same(second, Read(log));
    }

    [Fact]
    public async Task Should_give_the_rest_and_then_the_end_when_closed()
    {
        using var log = new LaneLog(1 << 20);
        var batch = Append(log, 1)[0];
        log.Close();
        Assert.True(log.IsClosed);
        Assert.False(log.TryAppend(_stream.Transaction()));
        Assert.True(await WaitToRead(log));
        Assert.Same(batch, Read(log));
        Assert.False(await WaitToRead(log));
        Assert.True(log.TryRewind());
        Assert.Same(batch, Read(log));
    }

    [Fact]
    public async Task Should_give_nothing_more_and_never_reach_back_when_disposed()
    {
        var log = new LaneLog(1 << 20);
        Append(log, 2);
        Read(log);
        log.Dispose();
        Assert.False(log.TryRead(out _));
        Assert.False(await WaitToRead(log));
        Assert.Equal(0, log.HeldBytes);
        Assert.Equal(0, log.UnreadBytes);
        log.Durable(Lsn.Max);
        Assert.False(log.TryRewind());
        Assert.False(log.TryAppend(_stream.Transaction()));
    }

    [Fact]
    public async Task Should_wake_a_waiting_reader_by_a_batch_and_by_the_end()
    {
        using var log = new LaneLog(1 << 20);
        var waiting = WaitToRead(log);
        Assert.False(waiting.IsCompleted);
        Append(log, 1);
        Assert.True(await waiting.WaitAsync(Wait.DefaultDeadline));
        Read(log);
        waiting = WaitToRead(log);
        log.Close();
        Assert.False(await waiting.WaitAsync(Wait.DefaultDeadline));
    }

    [Fact]
    public async Task Should_wait_again_after_a_cancelled_wait()
    {
        using var log = new LaneLog(1 << 20);
        using var cancel = new CancellationTokenSource();
        var waiting = log.WaitToReadAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        waiting = WaitToRead(log);
        Append(log, 1);
        Assert.True(await waiting.WaitAsync(Wait.DefaultDeadline));
    }

    [Fact]
    public async Task Should_wake_the_writer_when_the_refused_batch_fits_and_not_before()
    {
        var small = _stream.Transaction();
        using var log = new LaneLog(small.Size * 4);
        log.TryAppend(small);
        Append(log, 3);
        var large = _stream.Transaction(128);
        Assert.InRange(large.Size, (small.Size * 2) + 1, small.Size * 3);
        Assert.False(log.TryAppend(large));
        var room = log.WhenRoom();
        Read(log);
        Read(log);
        // Half of it is free now, which is not enough: a writer that is told to try again must not be refused again, or it would turn in a circle.
        Assert.False(log.TryAppend(large));
        Assert.False(room.IsCompleted);
        Assert.False(log.WhenRoom().IsCompleted);
        Read(log);
        await room.WaitAsync(Wait.DefaultDeadline);
        Assert.True(log.TryAppend(large));
    }

    [Fact]
    public async Task Should_wake_the_writer_when_it_is_closed()
    {
        var batch = _stream.Transaction();
        using var log = new LaneLog(batch.Size);
        log.TryAppend(batch);
        Assert.False(log.TryAppend(_stream.Transaction()));
        var room = log.WhenRoom();
        Assert.False(room.IsCompleted);
        log.Close();
        await room.WaitAsync(Wait.DefaultDeadline);
        Assert.True(log.WhenRoom().IsCompleted);
    }

    [Fact]
    public void Should_need_a_bound() => Assert.Throws<ArgumentOutOfRangeException>(() => new LaneLog(0));

    [Fact]
    public async Task Should_lose_and_double_nothing_between_a_busy_writer_and_a_reader_that_goes_back()
    {
        const int Count = 20_000;
        var seed = Environment.TickCount;
        Console.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var log = new LaneLog(40_000);
        var written = new List<ChangeBatch>(Count);
        var writer = Task.Run(async () =>
        {
            for (var i = 0; i < Count; i++)
            {
                var batch = _stream.Transaction();
                written.Add(batch);
                while (!log.TryAppend(batch))
                    await log.WhenRoom();
                batch.Release();
            }

            log.Close();
        });

        var durable = Lsn.Zero;
        var rewinds = 0;
        var evictions = 0;
        var expected = 100UL;
        while (await WaitToRead(log).WaitAsync(Wait.DefaultDeadline))
        {
            while (log.TryRead(out var batch))
            {
                Assert.Equal(expected, batch!.Transactions[0].CommitLsn.Value);
                expected += 100;
                batch.Release();
                if (random.Next(10) == 0)
                {
                    durable = new Lsn(expected - 90);
                    log.Durable(durable);
                }

                if (random.Next(50) == 0)
                {
                    if (log.TryRewind())
                    {
                        // Exactly to what is not durable.
                        rewinds++;
                        expected = durable.IsZero ? 100 : durable.Value + 90;
                    }
                    else
                    {
                        evictions++;
                    }
                }
            }
        }

        await writer;
        Assert.Equal((Count * 100UL) + 100, expected);
        Assert.NotEqual(0, rewinds);
        Console.WriteLine($"{rewinds} rewinds, {evictions} times it did not reach back");
        log.Dispose();
        Assert.All(written, AssertLetGo);
    }

    List<ChangeBatch> Append(LaneLog log, int count)
    {
        var batches = new List<ChangeBatch>();
        for (var i = 0; i < count; i++)
        {
            batches.Add(_stream.Transaction());
            Assert.True(log.TryAppend(batches[^1]));
        }

        return batches;
    }

    static ChangeBatch Read(LaneLog log)
    {
        Assert.True(log.TryRead(out var batch));
        batch!.Release();
        return batch;
    }

    static Task<bool> WaitToRead(LaneLog log) => log.WaitToReadAsync(CancellationToken.None).AsTask();

    static void AssertLetGo(ChangeBatch batch) => Assert.Throws<InvalidOperationException>(() => batch.Retain());
}
