using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.Testing.Waiting;

namespace Rosetta.EndToEnd.Stage;

/// <summary>An installation whose last destination goes down, so that what it lacks is spilled.</summary>
static class SpillStage
{
    /// <summary>WAL, in bytes, that a destination may hold at the source before its changes are spilled.</summary>
    public const long Budget = 64 << 20;

    public static Dictionary<string, string?> Settings(params IEnumerable<(string Name, string Value)> more) => new(
        more.Append(("SPILLWAL", Budget.ToString(CultureInfo.InvariantCulture))).Select(m => KeyValuePair.Create<string, string?>($"ROSETTA__PIPELINES__{m.Item1}", m.Item2)));

    public static async Task<Installation> StageAsync(int targets, bool durableTargets = false)
    {
        var installation = await Installation.StartAsync(targets, durableTargets: durableTargets);
        await installation.Source.ExecuteAsync(StepTable.Schema, Installation.Database);
        return installation;
    }

    public static async Task<int> StartAsync(Installation installation, NodeProcess node)
    {
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        foreach (var target in installation.Targets)
            await target.ExecuteAsync(StepTable.Watch, Installation.Database);
        return pipeline;
    }

    public static async Task<PipelineDestination> DeadAsync(NodeProcess node, int pipeline) => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[^1];

    public static Task SpilledAsync(NodeProcess node, int pipeline) =>
        Wait.UntilAsync(async () => (await DeadAsync(node, pipeline)).Spill is { Transactions: > 100 }, "changes to be spilled", Installation.Patience);

    public static Task DrainedAsync(NodeProcess node, int pipeline) =>
        Wait.UntilAsync(async () => await DeadAsync(node, pipeline) is { Lane: "ATTACHED", Spill: null }, "the spill log to be drained", Installation.Patience);
}
