using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Pipelines;

/// <summary>What only the source's catalog tells about a choice of columns: that they exist, and that the key is among them.</summary>
static class TableSyncChecks
{
    /// <summary>As they are stored.</summary>
    public static IReadOnlyList<TableSync> ToStore(IReadOnlyList<TableSyncBody>? bodies) =>
    [
        .. (bodies ?? []).Select(b => new TableSync(
            TableSyncValidator.Canonical(b.TableName), b.TableNameTarget, b.Columns is null ? null : [.. b.Columns], null, null, b.Enabled)),
    ];

    public static TableSyncBody ToBody(TableSync sync) =>
        new(sync.TableName, sync.TableNameTarget, sync.Columns, sync.FilterSql, sync.CustomSql, sync.Enabled);

    /// <summary>Connects only when columns are chosen. A table that the source does not have is accepted: it goes to ERROR when the pipeline runs.</summary>
    /// <exception cref="RequestProblemException">422 for wrong columns, 503 when the source is away.</exception>
    public static async Task CheckColumnsAsync(SourceDefinition source, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        if (syncs.All(s => s.Columns is null)) return;
        var tables = await SourceAccess.RunAsync(source, (database, token) => new SourceCatalog(database).ListAsync(null, token), cancellationToken);
        var catalog = tables.ToDictionary(t => t.Name.ToString(), t => t.Description, StringComparer.Ordinal);
        var errors = new FieldErrors();
        for (var i = 0; i < syncs.Count; i++)
        {
            if (syncs[i].Columns is { } columns && catalog.TryGetValue(syncs[i].TableName, out var table))
                Check($"table_syncs[{i}].columns", table, columns, errors);
        }

        errors.ThrowIfAny("body");
    }

    static void Check(string field, TableDescription table, IReadOnlyList<string> columns, FieldErrors errors)
    {
        var known = table.Columns.Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var unknown in columns.Where(c => !known.Contains(c))) errors.Add(field, $"table {table.Name} has no column '{unknown}'");
        foreach (var missing in table.PrimaryKey.Concat(table.IdentityColumns).Distinct().Where(k => !columns.Contains(k)))
            errors.Add(field, $"must contain the key column '{missing}'");
    }
}
