using System.Globalization;
using System.Text.Json;
using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>What differs between a staged chunk and its table: counted, and the first of it named. Reads only.</summary>
/// <param name="namesExtra">A range tells which rows only the destination has.</param>
sealed class ChunkDifferences(ChunkedCopy copy, ChunkStatements sql, bool namesExtra)
{
    int _left = DifferingKey.MostNamed;

    /// <summary>In the transaction in which the chunk lands, after keys that were changed meanwhile have been left alone.</summary>
    public async Task<ChunkLanding> FindAsync(PgConnection connection, ChunkRange range, KeyWindow? window, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"SET LOCAL enable_hashjoin = on; {FindSql(range, window, Math.Max(1, _left))}", cancellationToken);
        var keys = new List<DifferingKey>();
        var counts = new Dictionary<string, long>();
        for (var i = 0; i < found.Rows.Count; i++)
        {
            var kind = found.RequiredText(i, 0);
            counts[kind] = found.Int64(i, 1);
            if (keys.Count < _left)
                keys.Add(new DifferingKey(kind, JsonSerializer.Deserialize<JsonElement>(found.RequiredText(i, 2)), JsonSerializer.Deserialize<string[]>(found.RequiredText(i, 3))!));
        }

        _left -= keys.Count;
        return new ChunkLanding(
            counts.GetValueOrDefault(DifferingKey.Missing), counts.GetValueOrDefault(DifferingKey.Different), counts.GetValueOrDefault(DifferingKey.Extra), null) { Keys = keys };
    }

    /// <summary>Names rows that only the destination has.</summary>
    /// <param name="gone">Their keys, as <see cref="KeyJson"/>.</param>
    public List<DifferingKey> NameExtra(PgResult gone)
    {
        var keys = Enumerable.Range(0, Math.Min(_left, gone.Rows.Count)).Select(i => new DifferingKey(DifferingKey.Extra, JsonSerializer.Deserialize<JsonElement>(gone.RequiredText(i, 0)), [])).ToList();
        _left -= keys.Count;
        return keys;
    }

    string FindSql(ChunkRange range, KeyWindow? window, int most)
    {
        var extra = namesExtra && copy.DeletesExtra && range.Keys is null
            ? $"UNION ALL SELECT '{DifferingKey.Extra}', {KeyOf(ChunkStatements.Own)}, '[]'::json FROM {sql.ExtraRows(range, window)}"
            : "";
        return $"""
            SELECT kind, n, key, columns
              FROM (SELECT kind, key, columns, count(*) OVER (PARTITION BY kind) AS n, row_number() OVER (PARTITION BY kind) AS number
                      FROM (SELECT '{DifferingKey.Missing}' AS kind, {KeyOf(sql.Staged)} AS key, '[]'::json AS columns FROM {sql.MissingRows}
                            UNION ALL SELECT '{DifferingKey.Different}', {KeyOf(sql.Staged)}, {Columns} FROM {sql.DifferingRows}
                            {extra}) d) numbered
             WHERE number <= {most.ToString(CultureInfo.InvariantCulture)}
            """;
    }

    string KeyOf(Func<string, string> value) => KeyJson(copy, value);

    public static string KeyJson(ChunkedCopy copy, Func<string, string> value) =>
        $"json_build_object({string.Join(", ", copy.Table.Key.Select(k => $"{SqlIdentifier.Literal(k)}, {value(k)}"))})";

    string Columns =>
        $"""
        array_to_json(array_remove(ARRAY[{string.Join(", ", copy.Table.Columns.Select(c =>
            $"CASE WHEN {sql.OtherForm([c])} THEN {SqlIdentifier.Literal(c)}::text END"))}], NULL))
        """;
}
