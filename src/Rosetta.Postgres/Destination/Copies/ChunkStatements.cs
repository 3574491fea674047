using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Options;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Snapshot;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>The SQL that brings a staged chunk into its table. Aliases: t the table, s the staged rows, w the keys that have changed since.</summary>
sealed class ChunkStatements(ChunkedCopy copy, CopyTarget target)
{
    readonly string _table = target.Table.OnlySql;
    readonly IReadOnlyList<string> _columns = copy.Table.Columns;
    readonly IReadOnlyList<string> _key = copy.Table.Key;
    readonly TableOptions _options = copy.Route.Options;

    public string MakeStage => $"CREATE TEMP TABLE rosetta_chunk ({string.Join(", ", _columns.Select(c => $"{SqlIdentifier.Quote(c)} {StageType(c)}"))})";

    public string CopyStage => $"COPY pg_temp.rosetta_chunk FROM STDIN{(copy.Table.Format == CopyFormat.Binary ? " (FORMAT binary)" : "")}";

    /// <summary>The chunk's bytes straight into the table.</summary>
    public string CopyTable =>
        $"COPY {target.Table.Name.ToSql()} ({string.Join(", ", _columns.Select(SqlIdentifier.Quote))}) FROM STDIN{(copy.Table.Format == CopyFormat.Binary ? " (FORMAT binary)" : "")}";

    /// <summary>Options add no value to a row that comes by a copy.</summary>
    public bool AddsNothing => Added(copy.Since, TableOptions.CopyOperation).All(a => a.Value == Null);

    /// <summary>All keys of the window are read again.</summary>
    public string PendAll(PositionRow row, KeyWindow window) =>
        StoredTables.PendSql(row, copy.Route.Source, $"SELECT DISTINCT {window.Text} AS key FROM pg_temp.rosetta_window w");

    /// <summary>A change that left out unchanged values has met a row that the chunk had still to bring: that row is read again.</summary>
    public string PendPartial(PositionRow row, KeyWindow window) => StoredTables.PendSql(
        row, copy.Route.Source, $"SELECT DISTINCT {window.Text} AS key FROM pg_temp.rosetta_window w JOIN pg_temp.rosetta_chunk s ON {window.Meets(Staged)} WHERE w.is_partial");

    /// <summary>Staged rows as an insert of the stream would have them: of the source's types, with what options add.</summary>
    /// <param name="only">A condition on <c>s</c>.</param>
    public string SelectAsStreamed(Lsn at, string only)
    {
        var own = copy.Table.Table.Columns.ToDictionary(c => c.Name);
        var values = _columns.Select(c => $"s.{SqlIdentifier.Quote(c)}{(own[c].HasBinaryForm ? target.Casts.GetValueOrDefault(c) is { } type ? $"::{type}" : "" : "::text")}");
        var added = Added(at, TableOptions.CopyOperation).Zip(_options.Columns, (a, c) => $"{a.Value}::{c.TypeSql}");
        return $"SELECT {string.Join(", ", values.Concat(added))} FROM pg_temp.rosetta_chunk s WHERE {only} ORDER BY s.ctid";
    }

    /// <summary>All staged rows, into a range that has none.</summary>
    /// <param name="at">The position they are of.</param>
    public string InsertStaged(Lsn at)
    {
        var added = Added(at, TableOptions.CopyOperation).Where(a => a.Value != Null).ToList();
        var columns = string.Join(", ", _columns.Select(SqlIdentifier.Quote).Concat(added.Select(a => a.Column)));
        return $"INSERT INTO {target.Table.Name.ToSql()} ({columns}) OVERRIDING SYSTEM VALUE SELECT {string.Join(", ", _columns.Select(Staged).Concat(added.Select(a => a.Value)))} FROM pg_temp.rosetta_chunk s";
    }

    public string LeaveAlone(KeyWindow window) => $"DELETE FROM pg_temp.rosetta_chunk s USING pg_temp.rosetta_window w WHERE {window.Meets(Staged)}";

    /// <summary>Deletes what only the destination has, or marks it.</summary>
    public string DeleteExtra(ChunkRange range, KeyWindow? window, Lsn at) =>
        Marking(at) is { } set ? $"UPDATE {_table} t SET {set} WHERE {IsExtra(range, window)}" : $"DELETE FROM {ExtraRows(range, window)}";

    /// <summary>What marks a row as deleted, as the list of an UPDATE; null where rows are deleted.</summary>
    public string? Marking(Lsn at) => _options.DeletedColumn is { } deleted
        ? string.Join(", ", Added(at, "delete").Select(a => $"{a.Column} = {(a.Column == SqlIdentifier.Quote(deleted) ? _options.MarksByFlag ? "true" : "now()" : a.Value)}"))
        : null;

    /// <summary>Rows of the table that the chunk does not have, and that live there, from FROM on.</summary>
    public string ExtraRows(ChunkRange range, KeyWindow? window) => $"{_table} t WHERE {IsExtra(range, window)}";

    /// <summary>Conditions on a key of <see cref="Superseding.Keys"/>: the chunk, without the keys that have changed since, has its row; or it deletes it, as it has none.</summary>
    public IReadOnlyList<string> Tells(ChunkRange range, KeyWindow? window, bool deletesExtra)
    {
        var isStaged = $"EXISTS (SELECT FROM pg_temp.rosetta_chunk s WHERE {string.Join(" AND ", _key.Select(c => $"{Superseding.Key(c)} = {Staged(c)}"))})";
        return deletesExtra ? [isStaged, $"{ChunkSql.Range(copy.Table.Table, range, "k.")}{Untouched(window, Superseding.Key)}"] : [isStaged];
    }

    static string Untouched(KeyWindow? window, Func<string, string> value) =>
        window is null ? "" : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_window w WHERE {window.Meets(value)})";

    string IsExtra(ChunkRange range, KeyWindow? window)
    {
        var untouched = Untouched(window, Own);
        return $"{ChunkSql.Range(copy.Table.Table, range, "t.")} AND NOT EXISTS (SELECT FROM pg_temp.rosetta_chunk s WHERE {SameKey}){untouched}{Living("t.")}";
    }

    /// <summary>What follows a condition to leave out rows that are marked as deleted.</summary>
    /// <param name="prefix">Of the column: an alias with a point.</param>
    public string Living(string prefix) => _options.DeletedColumn is { } deleted ? $" AND {_options.IsLiving(prefix + SqlIdentifier.Quote(deleted))}" : "";

    /// <summary>Staged rows that the table does not have.</summary>
    public string MissingRows => $"pg_temp.rosetta_chunk s WHERE NOT EXISTS (SELECT FROM {_table} t WHERE {SameKey})";

    /// <summary>Staged rows that the table has with other values.</summary>
    public string DifferingRows => $"pg_temp.rosetta_chunk s JOIN {_table} t ON {SameKey} WHERE {IsOther ?? "false"}";

    /// <param name="only">A condition on <c>s</c>; null: all rows.</param>
    public string UpdateDiffering(Lsn at, string? only = null)
    {
        var set = Written.Select(c => $"{SqlIdentifier.Quote(c)} = {Staged(c)}")
            .Concat(Added(at, TableOptions.CopyOperation).Select(a => $"{a.Column} = {a.Value}")).ToList();
        return set.Count == 0 || IsOther is not { } other
            ? "SELECT WHERE false"
            : $"""
               UPDATE {_table} t SET {string.Join(", ", set)} FROM pg_temp.rosetta_chunk s
                WHERE {SameKey} AND {other}{(only is null ? "" : $" AND {only}")}
               """;
    }

    /// <inheritdoc cref="UpdateDiffering"/>
    public string InsertMissing(Lsn at, string? only = null) =>
        $"""
        {InsertStaged(at)} WHERE {only ?? "true"} ON CONFLICT ({string.Join(", ", _key.Select(SqlIdentifier.Quote))}) DO NOTHING
        """;

    const string Null = "NULL";

    /// <summary>What options add to a row that comes by a copy.</summary>
    IEnumerable<(string Column, string Value)> Added(Lsn at, string operation)
    {
        if (_options.DeletedColumn is { } deleted)
            yield return (SqlIdentifier.Quote(deleted), _options.MarksByFlag ? "false" : Null);
        if (_options.CommitTimeColumn is { } committed)
            yield return (SqlIdentifier.Quote(committed), Null);
        if (_options.LsnColumn is { } lsn)
            yield return (SqlIdentifier.Quote(lsn), $"'{at}'::pg_lsn");
        if (_options.OperationColumn is { } column)
            yield return (SqlIdentifier.Quote(column), $"'{operation}'");
    }

    /// <summary>What makes a row another one than the source's; null: nothing does.</summary>
    string? IsOther => Differences().ToList() is { Count: > 0 } differences ? $"({string.Join(" OR ", differences)})" : null;

    /// <summary>A condition: the table's row does not have the staged row's values, as they are stored.</summary>
    public string OtherForm(IReadOnlyList<string> columns) =>
        $"ROW({string.Join(", ", columns.Select(c => BaseOf(c) is { } type ? $"{Own(c)}::{type}" : Own(c)))})::record OPERATOR(pg_catalog.*<>) ROW({string.Join(", ", columns.Select(Staged))})::record";

    IEnumerable<string> Differences()
    {
        // By stored form: 1.0 is not 1.00, and types without equality can be compared. Updates that are ignored cannot be told from damage.
        if (Written.Count > 0 && (_options.Ignore & IgnoredChanges.Update) == 0)
            yield return OtherForm(_columns);
        if (_options.DeletedColumn is { } deleted)
            yield return _options.IsMarked(Own(deleted));
        // Rows that were there before the columns were wanted get them with the copy that brings the columns.
        if (copy.Purpose == ChunkPurpose.Copy && (_options.LsnColumn ?? _options.OperationColumn) is { } added)
            yield return $"{Own(added)} IS NULL";
    }

    public string NoLongerPending(PositionRow row, IReadOnlyList<IReadOnlyList<string>> keys, KeyWindow? window)
    {
        var list = string.Join(", ", keys.Select(StoredTables.ArraySql));
        var untouched = window is null ? "" : $" AND NOT EXISTS (SELECT FROM pg_temp.rosetta_window w WHERE {window.Text} = p.key)";
        return $"DELETE FROM rosetta.pending_keys p WHERE {row.KeySql} AND {StoredTables.Named(copy.Route.Source)} AND p.key IN ({list}){untouched}";
    }

    // A key of another form is the same key.
    List<string> Written => [.. _columns.Where(c => !_key.Contains(c) || KeyOrder.MayLookDifferent(copy.Table.Table, c))];

    string SameKey => string.Join(" AND ", _key.Select(k => $"{Own(k)} = {Staged(k)}"));

    public static string Own(string column) => $"t.{SqlIdentifier.Quote(column)}";

    public string Staged(string column) => target.Casts.ContainsKey(column) ? $"s.{SqlIdentifier.Quote(column)}::{target.Table.Find(column)!.TypeSql}" : $"s.{SqlIdentifier.Quote(column)}";

    // In text form the target's own input functions read the values. A domain's conditions are asked where a row is written, which can be undone for that row alone.
    string StageType(string column) => (copy.Table.Format == CopyFormat.Binary ? target.Casts.GetValueOrDefault(column) : null) ?? BaseOf(column) ?? target.Table.Find(column)!.FullTypeSql;

    string? BaseOf(string column) => target.Table.Find(column)!.BaseTypeSql;
}
