using Rosetta.Bench.Processes;
using Rosetta.Bench.Stage;
using Rosetta.Client.Requests;

namespace Rosetta.Bench.Peers;

/// <summary>The real node, with a pipeline to one destination that is started and paused over the API.</summary>
sealed class RosettaPeer(BenchDatabases databases, BenchNode node, BenchPipeline pipeline, string name, string database) : IPeer
{
    public string Name => name;

    public string Database => database;

    public int NodeProcess => node.ProcessId;

    public BenchNode Node => node;

    public BenchPipeline Pipeline => pipeline;

    public static async Task<RosettaPeer> CreateAsync(BenchDatabases databases, BenchNode node, CancellationToken cancellationToken) => new(
        databases, node, await BenchPipeline.CreateAsync(node.Api, databases.Source, [databases.Targets[0]], cancellationToken), "Rosetta", BenchDatabases.RosettaDatabase);

    /// <summary>One of several beside each other: a pipeline and a database of its own.</summary>
    /// <param name="tables">What it takes, and what becomes of it.</param>
    public static async Task<RosettaPeer> CreateAsync(
        BenchDatabases databases, BenchNode node, string name, string database, IReadOnlyList<TableSync> tables, CancellationToken cancellationToken)
    {
        await databases.Targets[0].CreateDatabaseAsync(database, cancellationToken);
        var pipeline = await BenchPipeline.CreateAsync(node.Api, databases.Source, [databases.Targets[0]], cancellationToken, database, tables);
        return new RosettaPeer(databases, node, pipeline, name, database);
    }

    public Task StartAsync(CancellationToken cancellationToken) => pipeline.StartAsync(cancellationToken);

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await pipeline.PauseAsync(cancellationToken);
        await Slots.WaitUntilFreeAsync(databases, await SlotAsync(cancellationToken), cancellationToken);
    }

    public async Task<string> SlotAsync(CancellationToken cancellationToken) =>
        (await pipeline.ReadAsync(cancellationToken)).Runtime.Slot ?? throw new InvalidOperationException("The pipeline has no slot yet.");

    public CpuSample Cpu() => CpuSample.Take(node.ProcessId, databases.Source, databases.Targets[0]);
}
