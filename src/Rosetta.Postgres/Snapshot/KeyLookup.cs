using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>Looks up keys of a destination in the source's table, by its own key's index and in the snapshot of the transaction that is open.</summary>
static class KeyLookup
{
    /// <summary>Operators of a key's type that lie outside pg_catalog (an extension's type) are found only by the search path.</summary>
    public static async ValueTask MakeOperatorsVisibleAsync(PgConnection connection, TableDescription table, CancellationToken cancellationToken)
    {
        if (table.PrimaryKey.All(k => table.Columns.First(c => c.Name == k).TypeOid < FirstUserOid))
            return;
        var found = await connection.QueryAsync(
            $"""
            SELECT DISTINCT quote_ident(n.nspname) FROM pg_index i, unnest(i.indclass) k(class), pg_opclass c, pg_amop m, pg_operator o, pg_namespace n
             WHERE i.indrelid = {table.Oid.ToString(CultureInfo.InvariantCulture)} AND i.indisprimary AND c.oid = k.class AND m.amopfamily = c.opcfamily AND m.amopstrategy = 5
               AND m.amoplefttype = c.opcintype AND o.oid = m.amopopr AND n.oid = o.oprnamespace AND n.nspname <> 'pg_catalog'
            """, cancellationToken);
        if (found.Rows.Count > 0)
            await connection.QueryAsync($"SET LOCAL search_path = pg_catalog, {string.Join(", ", Enumerable.Range(0, found.Rows.Count).Select(i => found.RequiredText(i, 0)))}", cancellationToken);
    }

    public static async ValueTask<List<IReadOnlyList<string>>> FindMissingAsync(PgConnection connection, ChunkTable table, KeyRun run, CancellationToken cancellationToken)
    {
        var missing = new List<IReadOnlyList<string>>();
        if (run.Keys.Count > 0)
            await FindMissingAsync(connection, table, run, 0, run.Keys.Count, missing, cancellationToken);
        return missing;
    }

    const uint FirstUserOid = 16384;
    const uint Bpchar = 1042;

    static async ValueTask FindMissingAsync(
        PgConnection connection, ChunkTable table, KeyRun run, int first, int count, List<IReadOnlyList<string>> missing, CancellationToken cancellationToken)
    {
        await connection.QueryAsync("SAVEPOINT keys", cancellationToken);
        try
        {
            var found = await connection.QueryAsync(Sql(table, run, first, count), cancellationToken);
            for (var i = 0; i < found.Rows.Count; i++)
                missing.Add(run.Keys[first + (int)found.Int64(i, 0) - 1]);
            await connection.QueryAsync("RELEASE SAVEPOINT keys", cancellationToken);
            return;
        }
        catch (PgServerException e) when (!e.IsFatal && (e.SqlState.StartsWith("22", StringComparison.Ordinal) || e.SqlState == "23514"))
        {
            // One of them is no value of the source's type (a label, a number too large): the source cannot have it.
            await connection.QueryAsync("ROLLBACK TO SAVEPOINT keys; RELEASE SAVEPOINT keys", cancellationToken);
        }

        if (count == 1)
        {
            missing.Add(run.Keys[first]);
            return;
        }

        await FindMissingAsync(connection, table, run, first, count / 2, missing, cancellationToken);
        await FindMissingAsync(connection, table, run, first + (count / 2), count - (count / 2), missing, cancellationToken);
    }

    static string Sql(ChunkTable table, KeyRun run, int first, int count)
    {
        var arrays = table.Key.Select((_, i) => $"{ArrayLiteral(run.Keys.Skip(first).Take(count).Select(k => k[i]))}::text[]");
        var names = string.Join(", ", table.Key.Select((_, i) => Name(i)));
        var same = string.Join(" AND ", table.Key.Select((k, i) => Same(table.Table.Columns.First(c => c.Name == k), i, run.ByBytes[i])));
        return $"SELECT u.n FROM unnest({string.Join(", ", arrays)}) WITH ORDINALITY u({names}, n) WHERE NOT EXISTS (SELECT FROM {ChunkSql.From(table.Table)} t WHERE {same}{ChunkSql.Filter(table)})";
    }

    static string Same(ColumnDescription column, int place, bool byBytes)
    {
        var own = $"t.{SqlIdentifier.Quote(column.Name)}";
        var same = $"{own} = u.{Name(place)}::{WithoutModifier(column)}";
        return byBytes ? $"{same} AND {own}::text COLLATE \"C\" = u.{Name(place)} COLLATE \"C\"" : same;
    }

    // A cast to a narrower type would cut or round what the destination has.
    static string WithoutModifier(ColumnDescription column)
    {
        if (column.TypeOid == Bpchar)
            return "bpchar";
        var open = column.TypeSql.IndexOf('(', StringComparison.Ordinal);
        var close = column.TypeSql.IndexOf(')', StringComparison.Ordinal);
        return column.TypeOid < FirstUserOid && open >= 0 && close > open ? column.TypeSql.Remove(open, close - open + 1) : column.TypeSql;
    }

    static string Name(int place) => string.Create(CultureInfo.InvariantCulture, $"k{place}");

    /// <summary>An array of texts as one literal, which is read faster than as many.</summary>
    public static string ArrayLiteral(IEnumerable<string> values) => SqlIdentifier.Literal(
        $"{{{string.Join(',', values.Select(v => $"\"{v.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""))}}}");
}
