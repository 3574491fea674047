using Rosetta.Core.Positions;
using Rosetta.Demo.Machine;
using Rosetta.Demo.Setup;
using Rosetta.Demo.Traffic;
using Rosetta.Demo.Views;

namespace Rosetta.Demo.Check;

/// <summary>
/// The demo without spectators: traffic, a SIGKILL of the node in the middle of it, more traffic, rows that one destination refuses for a while, and
/// then every table of every destination compared with the source, byte for byte.
/// </summary>
static class CheckRun
{
    const int LargeTransactionRows = 100_000;

    static readonly TimeSpan TrafficBeforeKill = TimeSpan.FromSeconds(12);
    static readonly TimeSpan TrafficAfterRestart = TimeSpan.FromSeconds(12);
    static readonly TimeSpan StreamingDeadline = TimeSpan.FromSeconds(120);
    static readonly TimeSpan CatchUpDeadline = TimeSpan.FromSeconds(120);

    /// <returns>The exit code: 0 only when everything is equal.</returns>
    public static async Task<int> RunAsync(DemoMachine machine, DemoOptions options, Journal journal, CancellationToken cancellationToken)
    {
        await using var traffic = await DemoTraffic.CreateAsync(machine.Source, options, journal, cancellationToken);
        await machine.StartNodeAsync(cancellationToken);
        using var api = machine.Node.Connect();
        // The snapshot is taken while rows change.
        traffic.Start();
        var pipeline = await DemoPipeline.CreateAsync(api, machine, journal, cancellationToken);
        await using var invariants = Invariants.Start(machine, journal);
        await using var progress = ProgressLines.Start(pipeline, traffic, journal);
        journal.Say($"every table is copied and follows: {PipelineSummary.Of(await pipeline.WaitUntilStreamingAsync(StreamingDeadline, cancellationToken))}");

        await traffic.RunForAsync(TrafficBeforeKill, cancellationToken);
        await traffic.LargeTransactionAsync(LargeTransactionRows, cancellationToken);
        var victim = machine.Node.ProcessId;
        await machine.Node.KillAsync();
        journal.Say($"node killed (SIGKILL, process {victim}) right after a transaction of {LargeTransactionRows:N0} rows; traffic goes on");
        await machine.StartNodeAsync(cancellationToken);
        await traffic.RunForAsync(TrafficAfterRestart, cancellationToken);
        await RefundScene.RunAsync(machine, pipeline, new RefundTable(machine.Source, machine.Targets[0]), TimeSpan.Zero, journal, cancellationToken);
        await traffic.StopAsync();

        var end = Lsn.Parse(await machine.Source.WalEndAsync(cancellationToken));
        journal.Say($"traffic stopped after {traffic.Account}; source at {end}");
        var last = await pipeline.WaitUntilCaughtUpAsync(end, CatchUpDeadline, cancellationToken);
        await progress.DisposeAsync();
        journal.Say($"caught up: {PipelineSummary.Of(last)}");

        var equal = await invariants.StopAsync(journal);
        equal &= await Comparison.RunAsync(machine, journal, cancellationToken);
        if (await machine.Node.StopAsync() is not 0 and var code)
        {
            journal.Say($"FAILED: the node did not end in an orderly way when it was stopped: exit code {code}");
            equal = false;
        }
        journal.Line(equal ? "demo: equal" : "demo: DIFFERENT");
        return equal ? 0 : 1;
    }
}
