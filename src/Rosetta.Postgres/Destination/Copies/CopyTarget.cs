using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Evolution;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Gets a table ready to be copied into: makes it, or checks that one that exists takes the source's rows.</summary>
/// <param name="Casts">Columns whose values have to be cast, with the source's type.</param>
sealed record CopyTarget(TargetTable Table, IReadOnlyDictionary<string, string> Casts)
{
    /// <summary>It was made for this copy.</summary>
    public bool IsNew { get; init; }

    /// <summary>Gives a table that was made for its copy the statistics that others would have to wait for. After the copy's commit.</summary>
    public async ValueTask AnalyzeAsync(PgConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            if (IsNew)
                await connection.QueryAsync($"ANALYZE {Table.Name.ToSql()}", cancellationToken);
        }
        catch (PgServerException e) when (!e.IsFatal)
        {
            // Somebody holds it or has changed it already; autovacuum will come to it.
        }
    }

    const string LockNotAvailable = "55P03";

    /// <summary>Schema and types, in transactions of their own, before the copy's transaction.</summary>
    public static async ValueTask PrepareAsync(PgConnection connection, TableCopy copy, CancellationToken cancellationToken)
    {
        await TypeMaker.EnsureSchemaAsync(connection, copy.Route.Target.Schema, cancellationToken);
        await TypeMaker.EnsureAsync(connection, copy.Table.Types, cancellationToken);
    }

    /// <param name="columnNames">The columns that come.</param>
    /// <exception cref="FaultException">It does not fit, or a row of it is in the way.</exception>
    public static async ValueTask<CopyTarget> MakeAsync(
        PgConnection connection, TableCopy copy, IReadOnlyList<string> columnNames, bool mayHaveRows, CancellationToken cancellationToken)
    {
        var name = copy.Route.Target;
        var isNew = false;
        var columns = TableMaker.Columns(copy.Table, copy.Route.Columns);
        if (await TargetCatalog.ReadAsync(connection, name, cancellationToken) is not { } table)
        {
            isNew = true;
            // With the key before the rows: cheaper than after them for rows in the order of their key, and never much dearer.
            string?[] statements = [TableMaker.CreateSql(name, columns), TableMaker.PrimaryKeySql(name, copy.Table, columns), TableMaker.IdentityIndexSql(name, copy.Table, columns)];
            await connection.QueryAsync(string.Join("; ", statements.OfType<string>()), cancellationToken);
            table = await TargetCatalog.ReadAsync(connection, name, cancellationToken)
                ?? throw new InvalidOperationException($"Table {name} is not there after it was created.");
        }
        else
        {
            if (table.Kind is not ('r' or 'p'))
                throw Refused(copy, $"{name} exists at the destination and is not a table that can be written (relkind {table.Kind}).", "Drop it or name another target table.");
            if (!mayHaveRows)
                await MakeEmptyAsync(connection, copy, table, cancellationToken);
            table = await AddMissingAsync(connection, copy, table, columns, mayHaveRows, cancellationToken);
        }

        return new CopyTarget(table, FindCasts(copy, table, columnNames)) { IsNew = isNew };
    }

    static async ValueTask<TargetTable> AddMissingAsync(
        PgConnection connection, TableCopy copy, TargetTable table, IReadOnlyList<ColumnDescription> columns, bool mayHaveRows, CancellationToken cancellationToken)
    {
        var missing = columns.Where(c => table.Find(c.Name) is null).ToList();
        if (missing.Count == 0)
            return table;
        foreach (var column in missing)
        {
            // Rows that are there have no value yet; the copy brings it.
            var isOpen = mayHaveRows && column is { NotNull: true, DefaultSql: null, Generated: null };
            await connection.QueryAsync(TableMaker.AddSql(table.Name, isOpen ? column with { NotNull = false } : column), cancellationToken);
        }

        return await TargetCatalog.ReadAsync(connection, table.Name, cancellationToken)
            ?? throw Refused(copy, $"Table {table.Name} was dropped while it was being prepared.", null);
    }

    static Dictionary<string, string> FindCasts(TableCopy copy, TargetTable table, IReadOnlyList<string> columnNames)
    {
        var casts = new Dictionary<string, string>();
        foreach (var name in columnNames)
        {
            var source = copy.Table.Columns.FirstOrDefault(c => c.Name == name)
                ?? throw new InvalidOperationException($"The copy of {copy.Table.Name} brings a column {name} that its description does not have.");
            var target = table.Find(name);
            if (target is null || target.Generated)
                throw Refused(copy, $"Column {name} of {table.Name} is generated at the destination and cannot take the source's values.", $"ALTER TABLE {table.Name.ToSql()} ALTER COLUMN {SqlIdentifier.Quote(name)} DROP EXPRESSION;");
            switch (TypeFit.Of(new RelationColumn(name, source.TypeOid, source.TypeModifier, false), target))
            {
                case Transfer.Cast:
                    casts[name] = TypeFit.CastableTypeSql(source.TypeOid);
                    break;
                case Transfer.Refused:
                    throw Refused(
                        copy, $"Column {name} of {table.Name} has type {target.FullTypeSql}, which cannot take the source's {source.TypeSql} without changing values.",
                        $"ALTER TABLE {table.Name.ToSql()} ALTER COLUMN {SqlIdentifier.Quote(name)} TYPE {source.TypeSql}; or drop the table.");
            }
        }

        return casts;
    }

    static async ValueTask MakeEmptyAsync(PgConnection connection, TableCopy copy, TargetTable table, CancellationToken cancellationToken)
    {
        var rows = await connection.QueryAsync($"SELECT EXISTS (SELECT FROM {table.Name.ToSql()})", cancellationToken);
        if (rows.Text(0, 0) != "t")
            return;
        if (!copy.EmptyFirst)
            throw Refused(copy, $"Table {table.Name} exists at the destination and has rows; it is neither emptied nor added to unasked.", ResyncHint(table));
        // Readers see the rows that are there until the copy is committed, and wait for nothing. With triggers, rows deleted one by one might set off what the
        // source's rows never did.
        if (!table.HasUserTriggers || table.ReferencedBy.Count > 0)
        {
            await connection.QueryAsync($"DELETE FROM {table.OnlySql}", cancellationToken);
            return;
        }

        // TRUNCATE waits behind every reader, and every new one behind it: not for long, then rows are deleted one by one.
        try
        {
            await connection.QueryAsync($"SAVEPOINT empty; SET LOCAL lock_timeout = '3s'; TRUNCATE {table.OnlySql}; SET LOCAL lock_timeout = '2min'; RELEASE empty", cancellationToken);
        }
        catch (PgServerException e) when (e.SqlState is LockNotAvailable or "42501")
        {
            await connection.QueryAsync($"ROLLBACK TO empty; RELEASE empty; DELETE FROM {table.OnlySql}", cancellationToken);
        }
    }

    static string ResyncHint(TargetTable table) =>
        $"To let Rosetta empty and copy it: POST /api/v1/pipelines/{{id}}/destinations/{{id}}/tables/{{table}}/resync. To keep the rows, name another target table or drop {table.Name.ToSql()} yourself.";

    static FaultException Refused(TableCopy copy, string reason, string? remedy) =>
        new(new Fault(ErrorClass.Table, reason, remedy ?? $"Resync {copy.Route.Source}."));
}
