namespace Rosetta.Testing.Workloads;

/// <summary>What traffic is wanted.</summary>
public sealed record MixedWorkloadOptions
{
    /// <summary>The source, as a user who may create tables.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>Made when missing.</summary>
    public string Schema { get; init; } = "shop";

    /// <summary>Null: a random one. It is logged, and with one writer and no failures it decides every statement.</summary>
    public int? Seed { get; init; }

    /// <summary>Changed rows per second, all writers together; null: as fast as it goes. May be changed on the running workload.</summary>
    public int? ChangesPerSecond { get; init; } = 500;

    /// <summary>Concurrent connections that write.</summary>
    public int Writers { get; init; } = 1;

    /// <summary>About the number of rows of the larger tables.</summary>
    public int Rows { get; init; } = 500;

    /// <summary>See <see cref="WorkloadTables"/>; null: all.</summary>
    public IReadOnlyCollection<string>? Tables { get; init; }

    /// <summary>Rows of an occasional large transaction; 0: none.</summary>
    public int LargeTransactionRows { get; init; }

    /// <summary>Each so many transactions of a writer is a large one.</summary>
    public int LargeTransactionEvery { get; init; } = 1_000;

    /// <summary>True: the table without key is truncated now and then.</summary>
    public bool Truncate { get; init; }

    /// <summary>Where the kit says what it does.</summary>
    public Action<string>? Log { get; init; }
}
