using Rosetta.Bench.Processes;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Peers;

/// <summary>PostgreSQL's own logical replication: CREATE SUBSCRIPTION over TCP, enabled and disabled.</summary>
sealed class NativePeer(BenchDatabases databases) : IPeer
{
    const string SubscriptionName = "native_bench";

    public string Name => "native";

    public string Database => BenchDatabases.NativeDatabase;

    public int NodeProcess => 0;

    /// <summary>Makes tables, publication and subscription, which copies what is there.</summary>
    public static async Task<NativePeer> CreateAsync(BenchDatabases databases, string tablesSql, bool binary, CancellationToken cancellationToken)
    {
        var (source, target) = (databases.Source, databases.Targets[0]);
        await target.CreateDatabaseAsync(BenchDatabases.NativeDatabase, cancellationToken);
        await target.ExecuteAsync(tablesSql, BenchDatabases.NativeDatabase, cancellationToken);
        await source.ExecuteAsync($"CREATE PUBLICATION {SubscriptionName} FOR ALL TABLES", BenchDatabases.SourceDatabase, cancellationToken);
        await target.ExecuteAsync(
            $"CREATE SUBSCRIPTION {SubscriptionName} CONNECTION 'host={source.Host} port={source.Port} dbname={BenchDatabases.SourceDatabase} user=postgres' "
                + $"PUBLICATION {SubscriptionName} WITH (binary = {(binary ? "true" : "false")})",
            BenchDatabases.NativeDatabase, cancellationToken);
        return new NativePeer(databases);
    }

    public Task StartAsync(CancellationToken cancellationToken) =>
        databases.Targets[0].ExecuteAsync($"ALTER SUBSCRIPTION {SubscriptionName} ENABLE", Database, cancellationToken);

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await databases.Targets[0].ExecuteAsync($"ALTER SUBSCRIPTION {SubscriptionName} DISABLE", Database, cancellationToken);
        await Slots.WaitUntilFreeAsync(databases, SubscriptionName, cancellationToken);
    }

    public Task<string> SlotAsync(CancellationToken cancellationToken) => Task.FromResult(SubscriptionName);

    public CpuSample Cpu() => CpuSample.Take(0, databases.Source, databases.Targets[0]);
}
