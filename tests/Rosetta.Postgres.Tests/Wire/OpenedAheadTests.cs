using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

public sealed class OpenedAheadTests
{
    [Fact]
    public async Task Should_leave_what_was_taken_open()
    {
        var thing = new Thing();
        await using (var ahead = new OpenedAhead<Thing>(_ => Task.FromResult(thing), default))
            Assert.Same(thing, await ahead.TakeAsync());
        Assert.False(thing.IsClosed);
    }

    [Fact]
    public async Task Should_close_what_nobody_took()
    {
        var thing = new Thing();
        var begun = new TaskCompletionSource();
        await using (new OpenedAhead<Thing>(
            _ =>
            {
                begun.SetResult();
                return Task.FromResult(thing);
            }, default))
            await begun.Task;
        Assert.True(thing.IsClosed);
    }

    [Fact]
    public async Task Should_give_up_what_still_opens_when_nobody_wants_it()
    {
        var begun = new TaskCompletionSource();
        var ahead = new OpenedAhead<Thing>(
            async token =>
            {
                begun.SetResult();
                await Task.Delay(Timeout.Infinite, token);
                return new Thing();
            }, default);
        await begun.Task;
        await ahead.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Should_close_what_is_open_although_it_was_given_up_meanwhile()
    {
        var thing = new Thing();
        var begun = new TaskCompletionSource();
        var opened = new TaskCompletionSource<Thing>();
        var ahead = new OpenedAhead<Thing>(
            _ =>
            {
                begun.SetResult();
                return opened.Task;
            }, default);
        await begun.Task;
        var closing = ahead.DisposeAsync();
        opened.SetResult(thing);
        await closing;
        Assert.True(thing.IsClosed);
    }

    [Fact]
    public async Task Should_tell_a_failure_to_whoever_takes_it_and_to_nobody_else()
    {
        await using (var ahead = new OpenedAhead<Thing>(_ => Task.FromException<Thing>(new IOException("away")), default))
            await Assert.ThrowsAsync<IOException>(ahead.TakeAsync);
        await new OpenedAhead<Thing>(_ => Task.FromException<Thing>(new IOException("away")), default).DisposeAsync();
    }

    sealed class Thing : IAsyncDisposable
    {
        public bool IsClosed { get; private set; }

        public ValueTask DisposeAsync()
        {
            IsClosed = true;
            return ValueTask.CompletedTask;
        }
    }
}
