using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Letters;

/// <summary>The row of a parked change as the destination has it now.</summary>
/// <param name="Values">In text form, by column; null: it has none, or <paramref name="Problem"/> says why that is not known.</param>
public sealed record DestinationRow(IReadOnlyDictionary<string, string?>? Values, string? Problem)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>Waits for no lock and not for long.</summary>
    /// <param name="target">The table there.</param>
    /// <param name="readable">The same change in text form.</param>
    public static async Task<DestinationRow> ReadAsync(
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
                return new DestinationRow(null, $"The row cannot be looked up: table {target} has no key.");
            // The row as it was before the change.
            var values = key.Select(column => readable.Old?.GetValueOrDefault(column) ?? readable.New?.GetValueOrDefault(column)).ToList();
            if (values.Contains(null) || key.Any(readable.AsBytes.Contains))
                return new DestinationRow(null, "The row cannot be looked up: the change does not hold its whole key in text form.");
            return new DestinationRow(await FindAsync(connection, target, key, values, limit.Token), null);
        }
        catch (Exception e) when (e is PgException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new DestinationRow(
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

    static async Task<IReadOnlyDictionary<string, string?>?> FindAsync(
        PgConnection connection, TableName target, IReadOnlyList<string> key, List<string?> values, CancellationToken cancellationToken)
    {
        // As literals, which take the type of their column.
        var where = string.Join(" AND ", key.Select((column, i) => $"{SqlIdentifier.Quote(column)} = {SqlIdentifier.Literal(values[i]!)}"));
        var result = await connection.QueryAsync($"SELECT * FROM {target.ToSql()} WHERE {where} LIMIT 1", cancellationToken);
        if (result.Rows.Count == 0)
            return null;
        var row = new Dictionary<string, string?>();
        for (var i = 0; i < result.Columns.Count; i++)
            row[result.Columns[i].Name] = result.Text(0, i);
        return row;
    }
}
