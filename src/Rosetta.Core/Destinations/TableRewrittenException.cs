using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>
/// A table can no longer be read through a snapshot: it was truncated, rewritten, dropped or made anew since. That one table is copied from a new
/// snapshot; nothing is wrong with the others.
/// </summary>
public sealed class TableRewrittenException(TableName table, Exception? cause = null)
    : Exception($"Table {table} was rewritten, truncated, dropped or made anew since the snapshot was taken; it is copied from a new one.", cause)
{
    public TableName Table { get; } = table;
}
