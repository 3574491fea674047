using Rosetta.Client.Answers;
using Rosetta.Demo.Machine;
using Rosetta.Demo.Setup;
using Rosetta.Demo.Traffic;

namespace Rosetta.Demo.Check;

/// <summary>A constraint at one destination refuses some rows: they are parked and shown, the constraint goes, and they come back by themselves.</summary>
static class RefundScene
{
    const int Payments = 40;
    const int Refunds = 5;

    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    /// <param name="pause">How long the rows stay refused.</param>
    /// <exception cref="TimeoutException">They are not parked, or do not come back.</exception>
    public static async Task RunAsync(DemoMachine machine, DemoPipeline pipeline, RefundTable table, TimeSpan pause, Journal journal, CancellationToken cancellationToken)
    {
        var name = machine.Targets[0].Name;
        await table.RefuseAsync(cancellationToken);
        int parked;
        try
        {
            parked = await table.PayAsync(Payments, Refunds, cancellationToken);
            var destination = await WaitAsync(d => d.DlqCount >= parked, $"{parked} changes to be parked at {name}");
            journal.Say($"a constraint of {name} refuses {Refunds} of {Payments + Refunds} rows of {RefundTable.Name}: {destination.DlqCount} changes are parked, the rest went on");
            var summary = await pipeline.DeadLetterSummaryAsync(destination.DestinationId, cancellationToken);
            foreach (var group in summary.Items.Where(g => g.Example is not null))
                journal.Say($"{name} {group.Table}: {group.Count} times {group.Sqlstate}: {group.Example} ({group.Remedy})");
            await Task.Delay(pause, cancellationToken);
        }
        finally
        {
            // Also when the demo ends meanwhile: the scene may come again.
            await table.AllowAsync(CancellationToken.None);
        }

        await WaitAsync(d => d.DlqCount == 0, $"the parked changes to come back at {name}");
        journal.Say($"the constraint is dropped: all {parked} parked changes came back by themselves");

        Task<PipelineDestination> WaitAsync(Func<PipelineDestination, bool> reached, string what) => pipeline.WaitForDestinationAsync(name, reached, what, Deadline, cancellationToken);
    }
}
