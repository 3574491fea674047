namespace Rosetta.Transforms.Engine;

/// <summary>What one DuckDB instance may take. The size of strings that functions make is not DuckDB's to limit (its memory limit covers its buffers
/// only): <see cref="Compilation.Growth"/> bounds it before anything runs.</summary>
/// <param name="MemoryMegabytes">DuckDB's memory_limit.</param>
/// <param name="Time">An evaluation that takes longer is interrupted.</param>
public sealed record EngineLimits(int MemoryMegabytes, TimeSpan Time)
{
    public static readonly EngineLimits Default = new(128, TimeSpan.FromSeconds(30));

    /// <summary>For what a user waits for: validation and preview.</summary>
    public static readonly EngineLimits Interactive = new(128, TimeSpan.FromSeconds(5));
}
