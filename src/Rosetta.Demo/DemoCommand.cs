using System.CommandLine;
using System.Runtime.InteropServices;
using Rosetta.Demo.Check;
using Rosetta.Demo.Machine;
using Rosetta.Demo.Views;

namespace Rosetta.Demo;

/// <summary><c>rosetta demo</c>: the options, and what happens when something goes wrong.</summary>
static class DemoCommand
{
    const int LogLines = 40;
    const int DefaultRate = 500;

    public static RootCommand Create()
    {
        var check = new Option<bool>("--check") { Description = "Unattended: kills the node in the middle and compares every table at the end" };
        var rate = new Option<int>("--rate") { Description = "Changed rows per second", DefaultValueFactory = _ => DefaultRate };
        var seed = new Option<int?>("--seed") { Description = "Repeats the traffic of an earlier run; it prints its seed" };
        rate.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 20_000)
                r.AddError("--rate must be between 1 and 20000");
        });
        var root = new RootCommand("Rosetta at work on this machine: a source, two destinations, a node, live traffic. Everything is removed at the end.")
        {
            check, rate, seed
        };
        root.SetAction((result, cancellationToken) => RunAsync(
            new DemoOptions(result.GetValue(check), result.GetValue(rate), result.GetValue(seed) ?? Random.Shared.Next()), cancellationToken));
        return root;
    }

    static async Task<int> RunAsync(DemoOptions options, CancellationToken cancellationToken)
    {
        // A terminal that is closed ends the demo as Ctrl-C does.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            stop.Cancel();
        });
        var journal = new Journal(Console.Out);
        using var folder = new DemoFolder();
        await using var machine = new DemoMachine(folder, journal);
        try
        {
            await machine.StartAsync(stop.Token);
            var code = options.Check
                ? await CheckRun.RunAsync(machine, options, journal, stop.Token)
                : await LiveRun.RunAsync(machine, options, journal, stop.Token);
            if (code != 0)
                await KeepLogsAsync(machine, folder, journal);
            return code;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            journal.Say("stopping and removing everything");
            return options.Check ? 1 : 0;
        }
        catch (Exception e)
        {
            journal.Say($"FAILED: {e.Message}");
            if (machine.NodeOutput(LogLines) is { Length: > 0 } tail)
                journal.Say($"the node's last lines:\n{tail}");
            await KeepLogsAsync(machine, folder, journal);
            return 1;
        }
    }

    static async Task KeepLogsAsync(DemoMachine machine, DemoFolder folder, Journal journal)
    {
        await machine.SaveServerLogsAsync();
        folder.Keep();
        journal.Say($"logs of node and servers are kept in {folder.Path}");
    }
}

/// <param name="Rate">Changed rows per second, about.</param>
/// <param name="Seed">Of the traffic.</param>
sealed record DemoOptions(bool Check, int Rate, int Seed);
