using Rosetta.Bench.Processes;

namespace Rosetta.Bench.Peers;

/// <summary>One way of replicating the source into a database of its own on the target.</summary>
interface IPeer
{
    string Name { get; }

    /// <summary>The database at the target.</summary>
    string Database { get; }

    /// <summary>The node's process, 0 for one that has none.</summary>
    int NodeProcess { get; }

    /// <summary>Asks for the start and returns at once.</summary>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Stops it and waits until its walsender has gone; the slot stays.</summary>
    Task StopAsync(CancellationToken cancellationToken);

    /// <summary>Its slot at the source.</summary>
    Task<string> SlotAsync(CancellationToken cancellationToken);

    CpuSample Cpu();
}
