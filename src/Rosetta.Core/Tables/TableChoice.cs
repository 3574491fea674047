using Rosetta.Core.Options;

namespace Rosetta.Core.Tables;

/// <summary>An entry of <c>table_syncs</c>: one table, or the tables a pattern matches, at one destination.</summary>
/// <param name="Table"><c>schema.table</c> or a pattern with <c>*</c> (<c>sales.*</c>); without a schema: <c>public</c>.</param>
/// <param name="Target">Null: same name, in the destination's schema or, without one, the source's. For a pattern: <c>schema.*</c>.</param>
/// <param name="Columns">Wanted columns; null for all. Contains the key.</param>
/// <param name="Enabled">False: the table is excluded.</param>
public sealed record TableChoice(string Table, string? Target, IReadOnlyList<string>? Columns, bool Enabled)
{
    /// <summary>What is to be made of the rows; null: nothing.</summary>
    public TransformChoice? Transform { get; init; }

    public TableOptions Options { get; init; } = TableOptions.None;

    public bool IsPattern => TablePattern.IsPattern(Table);
}
