using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Snapshot;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>The SQL that brings a staged chunk into its table. Aliases: t the table, s the staged rows, w the keys that have changed since.</summary>
sealed class ChunkStatements(ChunkedCopy copy, CopyTarget target)
{
    readonly string _table = target.Table.OnlySql;
    readonly IReadOnlyList<string> _columns = copy.Table.Columns;
    readonly IReadOnlyList<string> _key = copy.Table.Key;

    public string MakeStage => $"CREATE TEMP TABLE rosetta_chunk ({string.Join(", ", _columns.Select(c => $"{SqlIdentifier.Quote(c)} {StageType(c)}"))})";

    public string CopyStage => $"COPY pg_temp.rosetta_chunk FROM STDIN{(copy.Table.Format == CopyFormat.Binary ? " (FORMAT binary)" : "")}";

    /// <summary>A change that left out unchanged values has met a row that the chunk had still to bring: that row is read again.</summary>
    public string PendPartial(PositionRow row, KeyWindow window) => StoredTables.PendSql(
        row, copy.Route.Source, $"SELECT DISTINCT {window.Text} AS key FROM pg_temp.rosetta_window w JOIN pg_temp.rosetta_chunk s ON {window.Meets(Staged)} WHERE w.is_partial");

    /// <summary>All staged rows, into a range that has none.</summary>
    public string InsertStaged =>
        $"INSERT INTO {target.Table.Name.ToSql()} ({Columns}) OVERRIDING SYSTEM VALUE SELECT {string.Join(", ", _columns.Select(Staged))} FROM pg_temp.rosetta_chunk s";

    public string LeaveAlone(KeyWindow window) => $"DELETE FROM pg_temp.rosetta_chunk s USING pg_temp.rosetta_window w WHERE {window.Meets(Staged)}";

    public string DeleteExtra(ChunkRange range, KeyWindow? window) => $"DELETE FROM {ExtraRows(range, window)}";

    /// <summary>Rows of the table that the chunk does not have, from FROM on.</summary>
    public string ExtraRows(ChunkRange range, KeyWindow? window)
    {
        var untouched = window is null ? "" : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_window w WHERE {window.Meets(Own)})";
        return $"{_table} t WHERE {ChunkSql.Range(copy.Table.Table, range, "t.")} AND NOT EXISTS (SELECT FROM pg_temp.rosetta_chunk s WHERE {SameKey}){untouched}";
    }

    /// <summary>Staged rows that the table does not have.</summary>
    public string MissingRows => $"pg_temp.rosetta_chunk s WHERE NOT EXISTS (SELECT FROM {_table} t WHERE {SameKey})";

    /// <summary>Staged rows that the table has with other values.</summary>
    public string DifferingRows => $"pg_temp.rosetta_chunk s JOIN {_table} t ON {SameKey} WHERE {IsOther}";

    public string UpdateDiffering =>
        Written.Count == 0
            ? "SELECT WHERE false"
            : $"""
               UPDATE {_table} t SET {string.Join(", ", Written.Select(c => $"{SqlIdentifier.Quote(c)} = {Staged(c)}"))} FROM pg_temp.rosetta_chunk s
                WHERE {SameKey} AND {IsOther}
               """;

    public string InsertMissing =>
        $"""
        {InsertStaged} WHERE true ON CONFLICT ({string.Join(", ", _key.Select(SqlIdentifier.Quote))}) DO NOTHING
        """;

    public string NoLongerPending(PositionRow row, IReadOnlyList<IReadOnlyList<string>> keys, KeyWindow? window)
    {
        var list = string.Join(", ", keys.Select(StoredTables.ArraySql));
        var untouched = window is null ? "" : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_window w WHERE {window.Text} = p.key)";
        return $"DELETE FROM rosetta.pending_keys p WHERE {row.KeySql} AND {StoredTables.Named(copy.Route.Source)} AND p.key IN ({list}){untouched}";
    }

    // A key of another form is the same key.
    List<string> Written => [.. _columns.Where(c => !_key.Contains(c) || KeyOrder.MayLookDifferent(copy.Table.Table, c))];

    string Columns => string.Join(", ", _columns.Select(SqlIdentifier.Quote));

    string SameKey => string.Join(" AND ", _key.Select(k => $"{Own(k)} = {Staged(k)}"));

    // By stored form: 1.0 is not 1.00, and types without equality can be compared.
    string IsOther => $"ROW({string.Join(", ", _columns.Select(Own))})::record OPERATOR(pg_catalog.*<>) ROW({string.Join(", ", _columns.Select(Staged))})::record";

    public static string Own(string column) => $"t.{SqlIdentifier.Quote(column)}";

    public string Staged(string column) => target.Casts.ContainsKey(column) ? $"s.{SqlIdentifier.Quote(column)}::{target.Table.Find(column)!.TypeSql}" : $"s.{SqlIdentifier.Quote(column)}";

    // In text form the target's own input functions read the values.
    string StageType(string column) =>
        (copy.Table.Format == CopyFormat.Binary ? target.Casts.GetValueOrDefault(column) : null) ?? target.Table.Find(column)!.FullTypeSql;
}
