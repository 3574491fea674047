using Rosetta.Demo.Machine;
using Rosetta.Demo.Traffic;
using Rosetta.Testing.Workloads;

namespace Rosetta.Demo.Check;

/// <summary>
/// Reads every destination all the time: the sum over all accounts, which no source transaction changes, and counters that only grow. A
/// torn, lost or doubled transaction would show at once, not only at the end.
/// </summary>
sealed class Invariants : IAsyncDisposable
{
    readonly List<(string Name, InvariantWatcher Watcher)> _watched = [];

    public static Invariants Start(DemoMachine machine, Journal journal)
    {
        var invariants = new Invariants();
        foreach (var target in machine.Targets)
        {
            invariants._watched.Add((target.Name, InvariantWatcher.Start(new InvariantWatcherOptions
            {
                ConnectionString = target.ConnectionString,
                Schema = ImportTable.Schema,
                Log = text => journal.Say($"{target.Name}: {text}")
            })));
        }
        return invariants;
    }

    /// <summary>Stops looking; true when every look found what it must.</summary>
    public async Task<bool> StopAsync(Journal journal)
    {
        var held = true;
        foreach (var (name, watcher) in _watched)
        {
            var report = await watcher.StopAsync();
            journal.Line($"{name}: sum of all accounts read {watcher.SumsSeen} times meanwhile, wrong {report.ViolationCount} times");
            held &= report.ViolationCount == 0 && watcher.SumsSeen > 0;
        }
        return held;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, watcher) in _watched)
            await watcher.DisposeAsync();
    }
}
