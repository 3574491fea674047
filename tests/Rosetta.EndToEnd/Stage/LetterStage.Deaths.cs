using Rosetta.Core.Failpoints;
using Rosetta.Testing.Waiting;

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
        var (name, from) = failpoint.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? (failpoint[..at], failpoint[at..]) : (failpoint, "");
        await Node.KillAsync();
        await Node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{name}={(victim == Victim.Node ? "kill" : "stop*1")}{from}" });
        var led = await lead();
        // What it has said comes by a pipe, in its own time.
        await Wait.UntilAsync(
            async () => (victim == Victim.Node ? Node.Process.HasExited : await IsStoppedAsync()) && Node.Process.OutputTail(400).Contains($"failpoint {name}", StringComparison.Ordinal),
            $"the node to come to {failpoint}", Installation.Patience);
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

    async Task<bool> IsStoppedAsync() => (await File.ReadAllTextAsync($"/proc/{Node.Process.Id}/stat")).Split(") ", 2)[1].StartsWith('T');

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
