namespace Rosetta.Bench;

/// <summary>What is measured, and how large.</summary>
/// <param name="Scale">Share of the full sizes and times; 1 is what the documentation shows.</param>
/// <param name="Rounds">Repetitions of each throughput workload; the median is shown.</param>
/// <param name="NativeBinary">The native subscription is made WITH (binary = true), which is not PostgreSQL's default.</param>
/// <param name="Only">Parts of the names of what is to be run alone, with commas between them; null for all.</param>
sealed record BenchOptions(double Scale, int Rounds, bool NativeBinary, string? Only)
{
    /// <summary>A count in proportion, a whole multiple of <paramref name="unit"/>, at least one.</summary>
    public long Scaled(long full, long unit) => Math.Max(1, (long)Math.Round(full * Scale / unit)) * unit;

    /// <summary>Whether a part of the run is wanted.</summary>
    public bool Wants(string name) => Only is null || Only.Split(',').Any(o => name.Contains(o, StringComparison.OrdinalIgnoreCase));
}
