using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Xunit;

namespace Rosetta.Core.Tests.Chunks;

/// <summary>What a lane remembers of what it applied, and what a chunk learns from it.</summary>
public sealed class WatchTests
{
    static readonly TransactionSnapshot Snapshot = TransactionSnapshot.Parse("100:200:150");

    readonly KeyWatch _watch = new(100);
    readonly StreamedTransactions _streamed = new();

    List<byte>? Read(long mark)
    {
        var keys = new List<byte>();
        return _watch.TryRead(Snapshot, mark, (key, _) => keys.Add(key[0])) ? keys : null;
    }

    [Fact]
    public void Should_tell_keys_changed_since_the_mark_by_transactions_that_are_not_shown()
    {
        _watch.Changed(250, [1], false);
        var mark = _watch.Mark;
        _watch.Changed(120, [2], false);
        _watch.Changed(150, [3], false);
        _watch.Changed(200, [4], false);
        Assert.Equal([3, 4], Read(mark)!);
    }

    [Fact]
    public void Should_tell_which_changes_left_values_out()
    {
        _watch.Changed(250, [1], true);
        _watch.Changed(250, [2], false);
        var partial = new List<bool>();
        Assert.True(_watch.TryRead(Snapshot, 0, (_, isPartial) => partial.Add(isPartial)));
        Assert.Equal([true, false], partial);
    }

    [Fact]
    public void Should_ask_for_another_reading_when_it_had_to_forget()
    {
        var mark = _watch.Mark;
        for (byte i = 0; i < 101; i++)
            _watch.Changed(250, [i], false);
        Assert.Null(Read(mark));
        Assert.Equal([100], Read(_watch.Mark - 1)!);
    }

    [Fact]
    public void Should_ask_for_another_reading_when_the_table_was_truncated_and_that_is_not_shown()
    {
        var mark = _watch.Mark;
        _watch.Truncated(120);
        Assert.NotNull(Read(mark));
        _watch.Truncated(250);
        Assert.Null(Read(mark));
        _watch.Changed(250, [1], false);
        Assert.NotNull(Read(_watch.Mark));
    }

    [Fact]
    public void Should_ask_for_another_reading_when_the_table_got_another_shape()
    {
        var mark = _watch.Mark;
        _watch.Reshaped();
        Assert.Null(Read(mark));
    }

    [Fact]
    public void Should_forget_what_nobody_needs()
    {
        _watch.Changed(250, [1], false);
        _watch.Forget(_watch.Mark);
        for (byte i = 0; i < 100; i++)
            _watch.Changed(250, [i], false);
        Assert.Equal(100, Read(1)!.Count);
    }

    [Fact]
    public void Should_find_a_transaction_that_was_applied_and_is_not_shown()
    {
        _streamed.Add(120);
        Assert.True(_streamed.AreShownBy(Snapshot, _streamed.Count));
        _streamed.Add(150);
        Assert.False(_streamed.AreShownBy(Snapshot, _streamed.Count));
        Assert.True(_streamed.AreShownBy(Snapshot, 1));
    }

    [Fact]
    public void Should_not_trust_what_it_no_longer_remembers()
    {
        _streamed.Add(150);
        for (uint i = 0; i < 1 << 16; i++)
            _streamed.Add(i % 100);
        Assert.False(_streamed.AreShownBy(Snapshot, _streamed.Count));
        Assert.True(_streamed.AreShownBy(TransactionSnapshot.Parse("151:200:"), _streamed.Count));
    }

    [Fact]
    public void Should_wait_for_what_an_earlier_incarnation_may_have_applied()
    {
        _streamed.Suspect([150]);
        Assert.False(_streamed.AreShownBy(Snapshot, 0));
        Assert.True(_streamed.AreShownBy(TransactionSnapshot.Parse("160:200:"), 0));
    }

    [Fact]
    public async Task Should_let_pass_who_is_due_and_hand_on_failures_to_who_came()
    {
        var gate = new LandingGate();
        var passed = new List<int>();
        var first = gate.PassAsync(new Lsn(10), token => Task.Run(() => passed.Add(1), token), default);
        var second = gate.PassAsync(new Lsn(20), _ => throw new InvalidOperationException("no room"), default);
        using var gone = new CancellationTokenSource();
        var third = gate.PassAsync(new Lsn(20), token => Task.Run(() => passed.Add(3), token), gone.Token);
        await gate.LandAsync(new Lsn(15), default);
        await first;
        Assert.False(second.IsCompleted);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
        await gate.LandAsync(new Lsn(20), default);
        await Assert.ThrowsAsync<InvalidOperationException>(() => second);
        Assert.Equal([1], passed);
        Assert.False(gate.IsWanted);
    }

    [Fact]
    public async Task Should_wake_a_pump_that_waits_for_changes()
    {
        var gate = new LandingGate();
        var idle = gate.IdleAsync(
            async token =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return true;
            }, Lsn.Zero, default).AsTask();
        var coming = gate.PassAsync(Lsn.Zero, _ => Task.CompletedTask, default);
        Assert.Null(await idle);
        await gate.LandAsync(Lsn.Zero, default);
        await coming;
    }
}
