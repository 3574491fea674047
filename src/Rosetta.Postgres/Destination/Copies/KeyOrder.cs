using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>What source and destination agree on about a key: its order, and which of its values are equal.</summary>
static class KeyOrder
{
    const uint FirstUserOid = 16384;

    /// <summary>
    /// Both sides put keys in the same order, so that a range of the source's is one of the destination's: types without a collation and of the server's own
    /// do. Labels of an enum may stand in another order, texts follow collations, and a domain or composite may hold either.
    /// </summary>
    public static bool IsSame(TableDescription table) => table.PrimaryKey.All(k => Column(table, k).TypeOid is
        16 or 17 or 18 or 19 or 20 or 21 or 23 or 26 or 600 or 650 or 700 or 701 or 774 or 829 or 869 or 1082 or 1083 or 1114 or 1184 or 1186 or 1266 or 1560 or 1562 or 1700 or 2950 or 3220);

    /// <summary>Values may be equal and look different (1.0 and 1.00): the key's columns are written too when a row is made equal.</summary>
    public static bool MayLookDifferent(TableDescription table, string column) =>
        Column(table, column) is { IsNondeterministic: true } or { TypeOid: 700 or 701 or 1042 or 1186 or 1266 or 1700 or >= FirstUserOid };

    /// <summary>Values that are equal have the same bytes in binary form: of the server's own types those without a collation, a scale or a sign of zero.</summary>
    public static bool HasOneForm(uint typeOid) => typeOid is 16 or 17 or 20 or 21 or 23 or 26 or 1082 or 1083 or 1114 or 1184 or 2950 or 3220;

    /// <summary>
    /// Values of a source's type that a column of the destination takes to be equal came with the same bytes: the same type, one that widens it, or
    /// texts that are compared by their bytes. Not so where a value has several forms (numeric, float, char(n)), or users' types and collations call
    /// other ones equal (citext, nondeterministic).
    /// </summary>
    public static bool IsToldByBytes(uint sourceType, TargetColumn target) => target.IsDeterministic && sourceType switch
    {
        20 or 21 or 23 => target.TypeOid is 20 or 21 or 23,
        25 or 1043 => target.TypeOid is 25 or 1043,
        18 or 19 or 829 => target.TypeOid == sourceType,
        _ => HasOneForm(sourceType) && target.TypeOid == sourceType,
    };

    /// <summary>By column of the key: the destination tells its texts apart by their bytes.</summary>
    /// <exception cref="FaultException">Keys that are two at the source would be one at the destination.</exception>
    public static async ValueTask<IReadOnlyList<bool>> ByBytesAsync(PgConnection connection, TableDescription table, TargetTable target, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"""
            SELECT a.attname, o.collisdeterministic FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
             WHERE a.attrelid = {target.Oid.ToString(System.Globalization.CultureInfo.InvariantCulture)} AND a.attnum > 0 AND NOT a.attisdropped
            """, cancellationToken);
        var collated = Enumerable.Range(0, found.Rows.Count).ToDictionary(i => found.RequiredText(i, 0), i => found.Text(i, 1) == "t");
        foreach (var key in table.PrimaryKey)
        {
            if (collated.TryGetValue(key, out var isDeterministic) && !isDeterministic && !Column(table, key).IsNondeterministic)
            {
                throw new FaultException(new Fault(
                    ErrorClass.Table, $"Key column {key} of {target.Name} has a collation that calls texts equal which the source keeps apart.",
                    $"Give it a deterministic collation: ALTER TABLE {target.Name.ToSql()} ALTER COLUMN {SqlIdentifier.Quote(key)} TYPE {target.Find(key)!.FullTypeSql} COLLATE \"C\";"));
            }
        }

        // citext and the like have a collation and an equality of their own; of the server's own types bytes decide.
        return [.. table.PrimaryKey.Select(k => collated.GetValueOrDefault(k) && Column(table, k).TypeOid < FirstUserOid && target.Find(k)!.TypeOid < FirstUserOid)];
    }

    static ColumnDescription Column(TableDescription table, string name) => table.Columns.First(c => c.Name == name);
}
