using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Testing.Tests.Waiting;

public sealed class WaitTests
{
    [Fact]
    public async Task Should_return_when_the_condition_holds()
    {
        var calls = 0;
        await Wait.UntilAsync(() => ++calls == 3, "the third call");
        Assert.Equal(3, calls);
    }

    [Fact]
    public async Task Should_say_what_was_waited_for_and_how_it_failed_last()
    {
        var error = await Assert.ThrowsAsync<TimeoutException>(() => Wait.UntilAsync(
            () => Task.FromException<bool>(new InvalidOperationException("no such table")), "the table to appear", TimeSpan.FromMilliseconds(50)));
        Assert.Contains("the table to appear", error.Message, StringComparison.Ordinal);
        Assert.Contains("no such table", error.Message, StringComparison.Ordinal);
        Assert.IsType<InvalidOperationException>(error.InnerException);
    }

    [Fact]
    public async Task Should_show_what_the_condition_saw_last()
    {
        var seen = 0;
        var error = await Assert.ThrowsAsync<TimeoutException>(() => Wait.UntilAsync(
            async () =>
            {
                await Task.Yield();
                var count = ++seen;
                Wait.Saw(() => $"{count} rows");
                return false;
            },
            "more rows", TimeSpan.FromMilliseconds(50)));
        // The last look may have been cut off by the deadline.
        Assert.Matches($"Seen last: ({seen - 1}|{seen}) rows", error.Message);
    }

    [Fact]
    public async Task Should_hold_the_deadline_when_the_condition_hangs()
    {
        var never = new TaskCompletionSource<bool>();
        await Assert.ThrowsAsync<TimeoutException>(() => Wait.UntilAsync(() => never.Task, "nothing", TimeSpan.FromMilliseconds(100)));
    }

    [Fact]
    public async Task Should_end_when_cancelled()
    {
        using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Wait.UntilAsync(() => false, "nothing", cancellationToken: cancelled.Token));
    }
}
