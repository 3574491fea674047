using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>
/// A change inside a transaction that came in several groups cannot be applied. Everything of that transaction has been rolled back; read it again from
/// the session's position. The destination remembers what to do differently then: look for the guilty change, or leave its table out.
/// </summary>
public sealed class ReplayRequiredException(TableName table, Exception cause)
    : Exception($"A change of {table} inside a large transaction could not be applied; the transaction is read again.", cause)
{
    public TableName Table { get; } = table;
}
