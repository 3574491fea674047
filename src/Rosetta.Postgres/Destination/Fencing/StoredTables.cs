using System.Globalization;
using System.Text.Json;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>A table's state with what it was made of at the source.</summary>
/// <param name="Columns">The source's columns, which tell a dropped one from one that only the destination has; null when they are not known.</param>
/// <param name="SourceOid">The source's table, which tells a renamed and a re-created one; 0 when it is not known.</param>
sealed record StoredTable(DestinationTable Table, IReadOnlyList<string>? Columns, uint SourceOid = 0);

/// <summary>The SQL of <c>rosetta.tables</c>.</summary>
static class StoredTables
{
    public static async ValueTask<Dictionary<TableName, StoredTable>> LoadAsync(PgConnection connection, PositionRow row, CancellationToken cancellationToken)
    {
        var result = await connection.QueryAsync(
            $"""
            SELECT source_schema, source_table, target_schema, target_table, since, copied_rows, array_to_json(columns),
                   stop_commit, stop_ordinal, stop_key, stop_sqlstate, stop_reason, stop_remedy, coalesce(source_oid, 0), copying, array_to_json(copied_to), transform, copied_pages, copied_file, lacks_extras, missing_extras, missing_remedy
              FROM rosetta.tables WHERE {row.KeySql}
            """, cancellationToken);
        var tables = new Dictionary<TableName, StoredTable>(result.Rows.Count);
        for (var i = 0; i < result.Rows.Count; i++)
        {
            var source = new TableName(result.RequiredText(i, 0), result.RequiredText(i, 1));
            var target = new TableName(result.RequiredText(i, 2), result.RequiredText(i, 3));
            var stop = result.Text(i, 7) is { } commit
                ? new TableStop(
                    new Position(Lsn.Parse(commit), result.Int64(i, 8)), result.Text(i, 9), result.Text(i, 10), result.Text(i, 11) ?? "", result.Text(i, 12) ?? "")
                : null;
            Lsn? since = result.Text(i, 4) is { } lsn ? Lsn.Parse(lsn) : null;
            var columns = result.Text(i, 6) is { } json ? JsonSerializer.Deserialize<string[]>(json) : null;
            var copying = result.Text(i, 14) is { } stage
                ? new CopyingState(result.Text(i, 15) is { } upTo ? JsonSerializer.Deserialize<string[]>(upTo) : null, stage == KeysStage, stage is ReplaceStage or SweepStage)
                {
                    IsSweeping = stage == SweepStage,
                    Pages = result.Text(i, 17) is null ? null : new PageMark(result.Int64(i, 17), (uint)result.Int64(i, 18)),
                }
                : null;
            tables[source] = new StoredTable(
                new DestinationTable(source, target, since, stop, result.Int64(i, 5)) { Copying = copying, Transform = result.Text(i, 16), LacksExtras = result.Text(i, 19) == "t", Missing = result.Text(i, 20) is { } missing ? new MissingExtra(missing, result.Text(i, 21) ?? "") : null }, columns, (uint)result.Int64(i, 13));
        }

        return tables;
    }

    /// <summary>Stores a table that streams from <paramref name="since"/> on; an earlier stop is over.</summary>
    public static string StreamsSql(PositionRow row, TableName source, TableName target, Lsn since, long rows, IReadOnlyList<string> columns, uint oid, string? transform) =>
        Upsert(row, source, target, "since, copied_rows, columns, source_oid, transform, lacks_extras",
            $"'{since}', {rows.ToString(CultureInfo.InvariantCulture)}, {ArraySql(columns)}, {oid.ToString(CultureInfo.InvariantCulture)}, {Text(transform)}, true",
            "since = excluded.since, lacks_extras = excluded.lacks_extras, missing_extras = NULL, missing_remedy = NULL, copied_rows = excluded.copied_rows, columns = excluded.columns, source_oid = excluded.source_oid, transform = excluded.transform, copying = NULL, copied_to = NULL, copied_pages = NULL, copied_file = NULL, " + NoStop) + $"; {NothingPendingSql(row, source)}";

    public static string StopSql(PositionRow row, TableName source, TableName target, TableStop stop) =>
        Upsert(row, source, target, "stop_commit, stop_ordinal, stop_key, stop_sqlstate, stop_reason, stop_remedy",
            $"'{stop.At.Commit}', {stop.At.Ordinal.ToString(CultureInfo.InvariantCulture)}, {Text(stop.Key)}, {Text(stop.SqlState)}, {Text(stop.Reason)}, {Text(stop.Remedy)}",
            "stop_commit = excluded.stop_commit, stop_ordinal = excluded.stop_ordinal, stop_key = excluded.stop_key, stop_sqlstate = excluded.stop_sqlstate, stop_reason = excluded.stop_reason, stop_remedy = excluded.stop_remedy");

    public static string ColumnsSql(PositionRow row, TableName source, IReadOnlyList<string> columns) =>
        $"UPDATE rosetta.tables SET columns = {ArraySql(columns)}, updated_at = now() WHERE {row.KeySql} AND {Named(source)}";

    public static string ForgetSql(PositionRow row, TableName source) =>
        $"DELETE FROM rosetta.tables WHERE {row.KeySql} AND {Named(source)}; {NothingPendingSql(row, source)}";

    /// <summary>Stores a table whose copy by chunks begins: changes are applied from <paramref name="since"/> on.</summary>
    public static string CopyingSql(PositionRow row, TableName source, TableName target, Lsn since, IReadOnlyList<string> columns, uint oid, bool replaces, string? transform) =>
        Upsert(row, source, target, "since, copied_rows, columns, source_oid, copying, transform",
            $"'{since}', 0, {ArraySql(columns)}, {oid.ToString(CultureInfo.InvariantCulture)}, '{(replaces ? ReplaceStage : RangesStage)}', {Text(transform)}",
            "since = excluded.since, copied_rows = 0, columns = excluded.columns, source_oid = excluded.source_oid, copying = excluded.copying, copied_to = NULL, copied_pages = NULL, copied_file = NULL, transform = excluded.transform, lacks_extras = false, missing_extras = NULL, missing_remedy = NULL, " + NoStop)
        + $"; {NothingPendingSql(row, source)}";

    /// <summary>A range up to <paramref name="upTo"/> has landed; null: the last one.</summary>
    /// <param name="sweeps">After the last range the destination's keys are looked up at the source.</param>
    public static string LandedSql(PositionRow row, TableName source, IReadOnlyList<string>? upTo, long rows, bool sweeps = false) =>
        $"UPDATE rosetta.tables SET {(upTo is not null ? $"copied_to = {ArraySql(upTo)}" : sweeps ? $"copying = '{SweepStage}', copied_to = NULL" : $"copying = '{KeysStage}'")}, copied_rows = copied_rows + {rows.ToString(CultureInfo.InvariantCulture)}, updated_at = now() WHERE {row.KeySql} AND {Named(source)}";

    /// <summary>The destination's keys up to <paramref name="upTo"/> have been looked up; null: all.</summary>
    public static string SweptSql(PositionRow row, TableName source, IReadOnlyList<string>? upTo) =>
        $"UPDATE rosetta.tables SET {(upTo is null ? $"copying = '{KeysStage}'" : $"copied_to = {ArraySql(upTo)}")}, updated_at = now() WHERE {row.KeySql} AND {Named(source)}";

    /// <summary>What the source's table has beside rows and key was made; what is missing of it, if anything.</summary>
    public static string ExtrasMadeSql(PositionRow row, TableName source, string? missing, string? remedy) =>
        $"UPDATE rosetta.tables SET lacks_extras = false, missing_extras = {Text(missing)}, missing_remedy = {Text(remedy)}, updated_at = now() WHERE {row.KeySql} AND {Named(source)}";

    /// <summary>It is not wanted.</summary>
    public static string ExtrasLackingSql(PositionRow row, TableName source) =>
        $"UPDATE rosetta.tables SET lacks_extras = true, missing_extras = NULL, missing_remedy = NULL, updated_at = now() WHERE {row.KeySql} AND {Named(source)}";

    /// <summary>A range has been loaded.</summary>
    public static string LoadedSql(PositionRow row, TableName source, LoadedRange range, long rows) => range is { IsLast: false, Pages: { } pages }
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"UPDATE rosetta.tables SET copied_pages = {pages.Pages}, copied_file = {pages.File}, copied_rows = copied_rows + {rows}, updated_at = now() WHERE {row.KeySql} AND {Named(source)}")
        : LandedSql(row, source, range.IsLast ? null : range.UpTo, rows);

    /// <summary>The copy is complete, unless keys are pending.</summary>
    public static string FinishedSql(PositionRow row, TableName source) =>
        $"UPDATE rosetta.tables SET copying = NULL, copied_to = NULL, copied_pages = NULL, copied_file = NULL, lacks_extras = true, updated_at = now() WHERE {row.KeySql} AND {Named(source)} AND NOT EXISTS (SELECT FROM rosetta.pending_keys WHERE {row.KeySql} AND {Named(source)})";

    /// <summary>The tables that have pending keys.</summary>
    public static async ValueTask<HashSet<TableName>> LoadPendingAsync(PgConnection connection, PositionRow row, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync($"SELECT DISTINCT source_schema, source_table FROM rosetta.pending_keys WHERE {row.KeySql}", cancellationToken);
        return [.. Enumerable.Range(0, found.Rows.Count).Select(i => new TableName(found.RequiredText(i, 0), found.RequiredText(i, 1)))];
    }

    public static string PendingSql(PositionRow row, TableName source, int most) =>
        $"SELECT array_to_json(key) FROM rosetta.pending_keys WHERE {row.KeySql} AND {Named(source)} LIMIT {most.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Nothing of the table waits any more: its rows come anew, or nobody wants them.</summary>
    public static string NothingPendingSql(PositionRow row, TableName source) =>
        $"DELETE FROM rosetta.pending_keys WHERE {row.KeySql} AND {Named(source)}; DELETE FROM rosetta.parked WHERE {row.KeySql} AND {Named(source)}";

    /// <summary>An INSERT that makes keys pending; <paramref name="keys"/> selects one array of text per row, as <c>key</c>.</summary>
    public static string PendSql(PositionRow row, TableName source, string keys) =>
        $"INSERT INTO rosetta.pending_keys SELECT {row.KeyValuesSql}, {Text(source.Schema)}, {Text(source.Name)}, k.key FROM ({keys}) k ON CONFLICT DO NOTHING";

    const string NoStop = "stop_commit = NULL, stop_ordinal = NULL, stop_key = NULL, stop_sqlstate = NULL, stop_reason = NULL, stop_remedy = NULL";
    const string RangesStage = "ranges";
    const string ReplaceStage = "replace";
    const string SweepStage = "sweep";
    const string KeysStage = "keys";

    static string Upsert(PositionRow row, TableName source, TableName target, string columns, string values, string set) =>
        $"""
        INSERT INTO rosetta.tables (installation, pipeline_id, generation, source_schema, source_table, target_schema, target_table, {columns})
        VALUES ({row.KeyValuesSql}, {Text(source.Schema)}, {Text(source.Name)}, {Text(target.Schema)}, {Text(target.Name)}, {values})
        ON CONFLICT (installation, pipeline_id, generation, source_schema, source_table)
        DO UPDATE SET target_schema = excluded.target_schema, target_table = excluded.target_table, {set}, updated_at = now()
        """;

    public static string Named(TableName source) => $"source_schema = {Text(source.Schema)} AND source_table = {Text(source.Name)}";

    // A literal cannot hold U+0000; a server's message has none, and a key in text form neither.
    static string Text(string? text) => text is null ? "NULL" : SqlIdentifier.Literal(text.Replace("\0", "", StringComparison.Ordinal));

    public static string ArraySql(IReadOnlyList<string> values) => $"ARRAY[{string.Join(", ", values.Select(Text))}]::text[]";
}
