using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd.Stage;

/// <summary>Deaths at failpoints.</summary>
public sealed partial class LetterStage
{
    /// <summary>
    /// The node is started anew and something leads it to a failpoint, where it is killed; or it is stopped there (SIGSTOP), a server is killed meanwhile, and the node goes on without it.
    /// Then what was killed is started again.
    /// </summary>
    /// <param name="failpoint">Its name, with <c>@n</c> for the n-th time.</param>
    /// <param name="lead">What leads it there; gives what the caller wants to know of it.</param>
    /// <param name="there">While the node is dead, or stopped and all servers are there.</param>
    /// <param name="away">While a server is away and the node is not.</param>
    public async Task<T> KillAsync<T>(Victim victim, string failpoint, Func<Task<T>> lead, Func<Task>? there = null, Func<T, Task>? away = null)
    {
        var led = await Node.ComeToAsync(failpoint, dies: victim == Victim.Node, async () =>
        {
            await Node.ReadyAsync();
            return await lead();
        });
        if (there is not null)
            await there();
        if (victim == Victim.Node)
        {
            await Node.StartAsync();
            return led;
        }

        var (kill, start) = HandsOn(victim);
        await kill();
        Node.Process.Thaw();
        if (away is not null)
            await away(led);
        await start();
        return led;
    }

    /// <summary>An order says that it waits for the Redis, and what to do.</summary>
    public Task WaitForRedisAsync(string order) => Wait.UntilAsync(
        async () => await FindAsync(order) is { IsOpen: true, Waiting: { } why } && why.Contains("does not answer", StringComparison.Ordinal) && why.Contains("Start it", StringComparison.Ordinal),
        "the order to say what it waits for", Installation.Patience);

    /// <summary>The node is started anew and something leads it to a failpoint, where it freezes; a second node takes over, and it is let go on, which it must not.</summary>
    /// <returns>The second one.</returns>
    public async Task<NodeProcess> FreezeAsync(string failpoint, Func<Task> lead)
    {
        var other = await Node.ComeToAsync(failpoint, dies: false, async () =>
        {
            await Node.ReadyAsync();
            var second = await Installation.StartNodeAsync(_settings);
            await lead();
            return second;
        });
        var before = (await Installation.PipelineAsync(other.Api, Pipeline)).Runtime.Node;
        Assert.True(Node.Runs(before));
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(other.Api, Pipeline)).Runtime is { State: "RUNNING" or "DEGRADED" } r && r.Node != before, "the other node to run it", Installation.Patience);
        Node.Process.Thaw();
        await Wait.UntilAsync(() => Node.Process.HasExited, "the frozen node to find out that it was taken out", Installation.Patience);
        return other;
    }

    (Func<Task> Kill, Func<Task> Start) HandsOn(Victim victim)
    {
        if (victim == Victim.Redis)
            return (() => Redis!.KillAsync(), () => Redis!.StartAsync());
        var server = victim switch
        {
            Victim.Source => Installation.Source,
            Victim.Destination => Target,
            _ => Installation.Config,
        };
        return (() => server.KillAsync(), () => server.StartAsync());
    }
}
