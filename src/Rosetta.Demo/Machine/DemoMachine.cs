namespace Rosetta.Demo.Machine;

/// <summary>Everything that runs: four databases on servers of their own, and a node. Disposing it stops and removes all of it.</summary>
sealed class DemoMachine(DemoFolder folder, Journal journal) : IAsyncDisposable
{
    const int SavedLogLines = 2_000;

    readonly List<DemoDatabase> _databases = [];
    DemoNode? _node;

    public DemoDatabase Source => _databases[1];

    /// <summary>The destinations.</summary>
    public IReadOnlyList<DemoDatabase> Targets => _databases[2..];

    public DemoNode Node => _node ?? throw new InvalidOperationException("The node has not been started.");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var ports = DemoPorts.Choose(journal);
        _databases.AddRange(await Task.WhenAll(
            DemoDatabase.StartAsync("demo-config", ports.Config, "rosetta", replication: false, cancellationToken),
            DemoDatabase.StartAsync("demo-source", ports.Source, "shop", replication: true, cancellationToken),
            DemoDatabase.StartAsync("demo-warehouse", ports.Warehouse, "warehouse", replication: false, cancellationToken),
            DemoDatabase.StartAsync("demo-replica", ports.Replica, "replica", replication: false, cancellationToken)));
        journal.Say($"PostgreSQL {Source.Server.Version}: config database {_databases[0]}, source {Source}, destinations {string.Join(" and ", Targets)}");
        _node = new DemoNode(ports, _databases[0].Url, folder);
    }

    public async Task StartNodeAsync(CancellationToken cancellationToken)
    {
        await Node.StartAsync(cancellationToken);
        journal.Say($"node runs, process {Node.ProcessId}, API {Node.Address} (documentation at {Node.Address}docs)");
    }

    /// <summary>The last lines the node printed; empty when it never ran.</summary>
    public string NodeOutput(int lines) => _node?.OutputTail(lines) ?? "";

    /// <summary>Puts the ends of the servers' logs beside the node's.</summary>
    public async Task SaveServerLogsAsync()
    {
        foreach (var database in _databases)
            await File.WriteAllTextAsync(folder.File($"{database.Server.Name}.log"), database.Server.LogTail(SavedLogLines));
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
        foreach (var database in _databases)
            await database.Server.DisposeAsync();
    }
}
