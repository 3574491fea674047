using System.Globalization;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>The temporary table of keys that a lane has changed while a chunk was read. Its columns are c0, c1 ... by position in the relation.</summary>
sealed class KeyWindow(TablePlan plan, CopyTarget target)
{
    public const string CopySql = "COPY pg_temp.rosetta_window FROM STDIN (FORMAT binary)";

    IEnumerable<BoundColumn> Columns => plan.Columns.Where(c => c.IsKey);

    public string MakeSql =>
        $"CREATE TEMP TABLE rosetta_window ({string.Join(", ", Columns.Select(c => $"{Name(c)} {c.StageTypeSql}"))}, is_partial boolean) ON COMMIT DELETE ROWS";

    /// <summary>A key with its flag, in the form of <see cref="Statements.CopyRows.WriteKey"/>.</summary>
    public static byte[] RowOf(ReadOnlySpan<byte> key, bool isPartial) => [.. key, (byte)Core.Changes.ValueKind.Binary, 0, 0, 0, 1, isPartial ? (byte)1 : (byte)0];

    /// <summary>A condition: row <c>w</c> has the key of the given values.</summary>
    /// <param name="value">A key column's value on the other side, of the destination's type.</param>
    public string Meets(Func<string, string> value) => string.Join(" AND ", Columns.Select(c => $"{value(c.Target.Name)} = {c.Convert($"w.{Name(c)}")}"));

    /// <summary>The key as an array of text, in the key's order.</summary>
    public string Text =>
        $"ARRAY[{string.Join(", ", target.Table.PrimaryKey.Select(k => Columns.First(c => c.Target.Name == k)).Select(c => $"{c.Convert($"w.{Name(c)}")}::text"))}]";

    /// <summary>The key's columns under their own names, as a list of what to select.</summary>
    public string KeyColumns => string.Join(", ", Columns.Select(c => $"{c.Convert($"w.{Name(c)}")} AS {c.Sql}"));

    static string Name(BoundColumn column) => string.Create(CultureInfo.InvariantCulture, $"c{column.RelationIndex}");
}
