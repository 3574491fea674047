using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>
/// Rows that only the destination has, of a key that both sides may order differently: after the source's ranges have landed, the destination's keys are read in
/// its own order, run by run, looked up at the source, and those that it lacks deleted.
/// </summary>
/// <param name="byBytes">See <see cref="KeyRun.ByBytes"/>.</param>
sealed class KeySweep(ChunkedCopy copy, CopyTarget target, IReadOnlyList<bool> byBytes)
{
    readonly string _table = target.Table.OnlySql;
    readonly IReadOnlyList<string> _key = copy.Table.Key;

    public async ValueTask<KeyRun> NextAsync(PgConnection connection, IReadOnlyList<string>? after, int most, CancellationToken cancellationToken)
    {
        var columns = string.Join(", ", _key.Select(k => $"t.{SqlIdentifier.Quote(k)}"));
        var texts = string.Join(", ", _key.Select((k, i) => string.Create(CultureInfo.InvariantCulture, $"t.{SqlIdentifier.Quote(k)}::text AS rosetta_key_{i}")));
        var from = after is null ? "" : $" AND ({columns}) > ({string.Join(", ", _key.Select((k, i) => $"{SqlIdentifier.Literal(after[i])}::{TypeOf(k)}"))})";
        var found = await connection.QueryAsync(
            $"SELECT {texts} FROM {_table} t WHERE true{from}{new ChunkStatements(copy, target).Living("t.")} ORDER BY {columns} LIMIT {most.ToString(CultureInfo.InvariantCulture)}", cancellationToken);
        var keys = new List<IReadOnlyList<string>>(found.Rows.Count);
        for (var i = 0; i < found.Rows.Count; i++)
            keys.Add([.. Enumerable.Range(0, _key.Count).Select(k => found.RequiredText(i, k))]);
        return new KeyRun(keys, keys.Count < most, byBytes);
    }

    /// <summary>Deletes, or marks, what was found missing; null when there is nothing.</summary>
    /// <param name="named">It returns the keys, as JSON.</param>
    public string? DeleteSql(SweptKeys swept, KeyWindow? window, Lsn at, bool named)
    {
        if ((swept.Missing ?? swept.Run.Keys).Count == 0)
            return null;
        var sql = new ChunkStatements(copy, target);
        return $"{(sql.Marking(at) is { } set ? $"UPDATE {_table} t SET {set} FROM" : $"DELETE FROM {_table} t USING")} {Gone(swept, window, Own)}{sql.Living("t.")}{(named ? $" RETURNING {ChunkDifferences.KeyJson(copy, Own)}" : "")}";
    }

    /// <summary>A condition on a key of <see cref="Superseding.Keys"/>: it is one of those that were found missing.</summary>
    public string Tells(SweptKeys swept, KeyWindow? window) => $"EXISTS (SELECT FROM {Gone(swept, window, Superseding.Key)})";

    /// <summary>Keys that the source lacks, from FROM on, that are a row's.</summary>
    string Gone(SweptKeys swept, KeyWindow? window, Func<string, string> value)
    {
        var gone = swept.Missing ?? swept.Run.Keys;
        var arrays = string.Join(", ", _key.Select((_, i) => $"{KeyLookup.ArrayLiteral(gone.Select(k => k[i]))}::text[]"));
        var names = string.Join(", ", _key.Select((_, i) => Name(i)));
        var same = string.Join(" AND ", _key.Select((k, i) => $"{value(k)} = g.{Name(i)}::{TypeOf(k)}"));
        var staged = swept.Missing is not null
            ? ""
            : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_chunk s WHERE {string.Join(" AND ", _key.Select(k => $"{value(k)} = s.{SqlIdentifier.Quote(k)}"))})";
        var untouched = window is null ? "" : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_window w WHERE {window.Meets(value)})";
        return $"unnest({arrays}) g({names}) WHERE {same}{staged}{untouched}";
    }

    string TypeOf(string column) => target.Table.Find(column)!.TypeSql;

    static string Own(string column) => $"t.{SqlIdentifier.Quote(column)}";

    static string Name(int place) => string.Create(CultureInfo.InvariantCulture, $"k{place}");
}
