using Rosetta.Bench.Peers;
using Rosetta.Bench.Processes;
using Rosetta.Bench.Stage;
using Rosetta.Testing.Network;

namespace Rosetta.Bench.Spilling;

/// <summary>A pipeline whose destination is behind a door: started, it is opened to what the spill log has.</summary>
sealed class SpillPeer(RosettaPeer inner, TcpProxy door) : IPeer
{
    public const string InDatabase = "by_spill";

    public string Name => "drained from the spill log";

    public string Database => InDatabase;

    public int NodeProcess => inner.NodeProcess;

    public BenchPipeline Pipeline => inner.Pipeline;

    public static async Task<SpillPeer> CreateAsync(BenchDatabases databases, BenchNode node, CancellationToken cancellationToken)
    {
        await databases.Targets[0].CreateDatabaseAsync(InDatabase, cancellationToken);
        var door = TcpProxy.Start(databases.Targets[0].Host, databases.Targets[0].Port);
        var pipeline = await BenchPipeline.CreateAsync(node.Api, databases.Source, [], cancellationToken, InDatabase);
        await pipeline.AttachAsync(databases.Targets[0], InDatabase, cancellationToken, port: door.Port);
        return new SpillPeer(new RosettaPeer(databases, node, pipeline, "spilled", InDatabase), door);
    }

    /// <summary>Nothing gets to the destination any more.</summary>
    public void Close()
    {
        door.Refuse();
        door.Cut();
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        door.Accept();
        return Task.CompletedTask;
    }

    public Task BeginAsync(CancellationToken cancellationToken) => inner.StartAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

    public Task<string> SlotAsync(CancellationToken cancellationToken) => inner.SlotAsync(cancellationToken);

    public CpuSample Cpu() => inner.Cpu();
}
