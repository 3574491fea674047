using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Letters;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>The row of a parked change: other values for it, and what the destination has of it.</summary>
static class ParkedRow
{
    /// <summary>Makes values of text as the column's type reads them; the destination's server is asked, which knows the types that it has to write.</summary>
    public static async Task<EditedLetter> EditAsync(
        PgConnection connection, TableName target, DeadLetter letter, IReadOnlyDictionary<string, string?> values, CancellationToken cancellationToken)
    {
        var change = ParkedChange.Decode(letter.Payload);
        if (ParkedEdit.Refuse(change, values.Keys) is { } refused)
            return new EditedLetter(null, refused);
        if (await TargetCatalog.ReadAsync(connection, target, cancellationToken) is not { } table)
            return new EditedLetter(null, $"The destination has no table {target}.");
        var edited = new Dictionary<string, EditedValue>();
        foreach (var (column, text) in values)
        {
            if (text is null)
                edited[column] = EditedValue.Null;
            else if (ParkedEdit.FormOf(change, column) == ValueKind.Text)
                edited[column] = ParkedEdit.Text(text);
            else if (await ReadAsync(connection, TypeOf(change, column, table), text, cancellationToken) is var (bytes, problem))
            {
                if (problem is not null)
                    return new EditedLetter(null, $"Column {column} cannot have this value: {problem}");
                edited[column] = new EditedValue(ValueKind.Binary, bytes);
            }
        }

        var key = change.Relation.Identity == ReplicaIdentity.Full ? table.PrimaryKey : [.. change.Relation.Columns.Where(c => c.IsKey).Select(c => c.Name)];
        return ParkedEdit.Apply(change, edited, key, out var wrong) is { } made ? new EditedLetter(letter with { Payload = made.Encode() }, null) : new EditedLetter(null, wrong);
    }

    public static async Task<RowThere> FindAsync(PgConnection connection, TableName target, DeadLetter letter, CancellationToken cancellationToken)
    {
        if (await TargetCatalog.ReadAsync(connection, target, cancellationToken) is not { } table)
            return new RowThere(null, $"The destination has no table {target}.");
        if (letter.Key.Count == 0 || letter.Key.Count != table.PrimaryKey.Count)
            return new RowThere(null, $"The row cannot be looked up: changes of table {letter.Table} have no key by which the destination would find it.");
        return new RowThere(await DestinationRow.FindAsync(connection, table.OnlySql, table.PrimaryKey, letter.Key, cancellationToken), null);
    }

    // Types of users have another OID here.
    static uint TypeOf(ParkedChange change, string column, TargetTable table)
    {
        var type = change.Relation.Columns.First(c => c.Name == column).TypeOid;
        return type >= TypeFit.FirstUserOid && table.Find(column) is { } there ? there.TypeOid : type;
    }

    static async Task<(byte[]? Bytes, string? Problem)> ReadAsync(PgConnection connection, uint type, string text, CancellationToken cancellationToken)
    {
        using var pipeline = connection.CreatePipeline();
        pipeline.Prepare("", "SELECT $1", [type]);
        var operation = pipeline.Execute("", [PgParameter.Text(text)]);
        var results = await pipeline.RunAsync(cancellationToken);
        return results.FirstFailed is >= 0 and var failed ? (null, new PgServerException(results[failed].Error!.Error).Words) : (results[operation].Rows[0][0], null);
    }
}
