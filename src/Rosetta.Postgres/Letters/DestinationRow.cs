using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Letters;

/// <summary>The row of a parked change as the destination has it now.</summary>
public static class DestinationRow
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>Waits for no lock and not for long.</summary>
    /// <param name="target">The table there.</param>
    /// <param name="readable">The same change in text form.</param>
    public static async Task<RowThere> ReadAsync(
        PgEndpoint destination, TableName target, ParkedChange change, ReadableChange readable, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(change);
        ArgumentNullException.ThrowIfNull(readable);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await using var connection = await SnapshotSession.OpenAsync(destination, limit.Token);
            await connection.QueryAsync("SET statement_timeout = '3s'; SET lock_timeout = '1s'", limit.Token);
            var key = change.Relation.Identity == ReplicaIdentity.Full
                ? await PrimaryKeyAsync(connection, target, limit.Token)
                : [.. change.Relation.Columns.Where(c => c.IsKey).Select(c => c.Name)];
            if (key.Count == 0)
                return new RowThere(null, $"The row cannot be looked up: table {target} has no key.");
            // The row as it was before the change.
            var values = key.Select(column => readable.Old?.GetValueOrDefault(column) ?? readable.New?.GetValueOrDefault(column)).ToList();
            if (values.Contains(null) || key.Any(readable.AsBytes.Contains))
                return new RowThere(null, "The row cannot be looked up: the change does not hold its whole key in text form.");
            return new RowThere(await FindAsync(connection, target.ToSql(), key, values!, limit.Token), null);
        }
        catch (Exception e) when (e is PgException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new RowThere(
                null, e is OperationCanceledException ? $"The destination {destination} did not answer within {Patience.TotalSeconds:0} seconds." : $"The destination {destination} could not be asked: {ReadableChanges.WordsOf(e)}");
        }
    }

    static async Task<IReadOnlyList<string>> PrimaryKeyAsync(PgConnection connection, TableName target, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"""
            SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
             WHERE i.indrelid = {SqlIdentifier.Literal(target.ToSql())}::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)
            """, cancellationToken);
        return [.. Enumerable.Range(0, found.Rows.Count).Select(i => found.RequiredText(i, 0))];
    }

    /// <summary>The row with a key, in text form by column; null: there is none.</summary>
    /// <param name="table">As SQL, with ONLY or without.</param>
    /// <param name="values">Of the key's columns, as text.</param>
    internal static async Task<IReadOnlyDictionary<string, string?>?> FindAsync(
        PgConnection connection, string table, IReadOnlyList<string> key, IReadOnlyList<string> values, CancellationToken cancellationToken)
    {
        // As literals, which take the type of their column.
        var isIt = string.Join(" AND ", key.Select((column, i) => $"t.{SqlIdentifier.Quote(column)} = {SqlIdentifier.Literal(values[i])}"));
        var found = await connection.QueryAsync($"SELECT * FROM {table} AS t WHERE {isIt} LIMIT 1", cancellationToken);
        return found.Rows.Count == 0 ? null : found.Columns.Select((c, i) => (c.Name, Value: found.Text(0, i))).ToDictionary(c => c.Name, c => c.Value);
    }
}
