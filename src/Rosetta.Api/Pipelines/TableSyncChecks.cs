using Rosetta.Api.Bodies;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Sources;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;

namespace Rosetta.Api.Pipelines;

/// <summary>What only the source's catalog tells about a choice: that its columns exist, that the key is among them, and that its SQL fits the table.</summary>
static class TableSyncChecks
{
    /// <summary>As they are stored.</summary>
    public static IReadOnlyList<TableSync> ToStore(IReadOnlyList<TableSyncBody>? bodies) =>
    [
        .. (bodies ?? []).Select(b => new TableSync(
            TableSyncValidator.Canonical(b.TableName), b.TableNameTarget, b.Columns is null ? null : [.. b.Columns], b.FilterSql, b.CustomSql, b.Enabled,
            TableOptionRules.ToOptions(b))),
    ];

    public static TableSyncBody ToBody(TableSync sync) =>
        new TableSyncBody(sync.TableName, sync.TableNameTarget, sync.Columns, sync.FilterSql, sync.CustomSql, sync.Enabled).WithOptions(sync.Options);

    /// <summary>
    /// Connects only when columns, filters or SQL are given. A table that the source does not have is accepted: it goes to ERROR when the pipeline runs.
    /// </summary>
    /// <returns>Warnings: what works, but not in every case, each with the SQL that mends it.</returns>
    /// <exception cref="RequestProblemException">422 for wrong columns and for SQL that is refused, 503 when the source is away.</exception>
    public static async Task<IReadOnlyList<string>> CheckAsync(SourceDefinition source, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        var (errors, warnings) = await FindAsync(source, syncs, cancellationToken);
        errors.ThrowIfAny("body");
        return [.. warnings.Select(w => $"{w.Table}: {w.Text}")];
    }

    /// <summary>What is wrong, and what may become so.</summary>
    /// <exception cref="RequestProblemException">503 when the source is away.</exception>
    public static async Task<(FieldErrors Errors, IReadOnlyList<TransformWarning> Warnings)> FindAsync(
        SourceDefinition source, IReadOnlyList<TableSync> syncs, CancellationToken cancellationToken)
    {
        var (errors, warnings) = (new FieldErrors(), new List<TransformWarning>());
        if (syncs.All(s => s.Columns is null && s.FilterSql is null && s.CustomSql is null)) return (errors, warnings);
        var tables = await SourceAccess.RunAsync(source, (database, token) => new SourceCatalog(database).ListAsync(null, token), cancellationToken);
        var catalog = tables.ToDictionary(t => t.Name.ToString(), t => t.Description, StringComparer.Ordinal);
        using var engine = syncs.Any(s => s.FilterSql is not null || s.CustomSql is not null) ? new DuckEngine(EngineLimits.Interactive) : null;
        for (var i = 0; i < syncs.Count; i++)
        {
            if (!catalog.TryGetValue(syncs[i].TableName, out var table)) continue;
            if (syncs[i].Columns is { } columns)
                Check($"table_syncs[{i}].columns", table, columns, errors);
            if (engine is null || TransformChoice.Of(syncs[i].FilterSql, syncs[i].CustomSql) is not { } transform) continue;
            var compiled = TransformCompiler.Compile(TransformRequest.Of(table, syncs[i].Columns, transform), engine);
            // What is wrong with the columns has been said.
            foreach (var problem in compiled.Problems.Where(p => p.Field != "columns" || syncs[i].Columns is null))
                errors.Add($"table_syncs[{i}].{problem.Field}", problem.Message);
            warnings.AddRange((compiled.Transform?.Warnings(table.ReplicaIdentity == 'f') ?? []).Select(w => new TransformWarning(table.Name, w)));
        }

        return (errors, warnings);
    }

    static void Check(string field, TableDescription table, IReadOnlyList<string> columns, FieldErrors errors)
    {
        var known = table.Columns.Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var unknown in columns.Where(c => !known.Contains(c))) errors.Add(field, $"table {table.Name} has no column '{unknown}'");
        foreach (var missing in table.PrimaryKey.Concat(table.IdentityColumns).Distinct().Where(k => !columns.Contains(k)))
            errors.Add(field, $"must contain the key column '{missing}'");
    }
}

/// <summary>A transform works, but not in every case; the text says what mends it.</summary>
readonly record struct TransformWarning(TableName Table, string Text);
