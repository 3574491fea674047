using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>A column of what a transform makes.</summary>
/// <param name="Name">Its name at the destination.</param>
/// <param name="Source">Position of the source column whose bytes it keeps; -1 for a computed one.</param>
/// <param name="TypeSql">Its PostgreSQL type.</param>
/// <param name="Reads">Positions of the source columns that its expression reads.</param>
public sealed record OutputColumn(string Name, int Source, string TypeSql, IReadOnlyList<int> Reads)
{
    public bool IsComputed => Source < 0;

    /// <summary>Which of the computed columns it is.</summary>
    public int Computed { get; init; } = -1;

    internal ComputedType? Type { get; init; }

    /// <summary>DuckDB's SQL of its expression.</summary>
    internal string? Sql { get; init; }
}
