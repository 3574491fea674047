using System.Text.Json;
using Rosetta.Core.Backfills;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Backfills;

/// <summary>What a job comes to: the table and the condition of its rows, or why it cannot be done. Rows may have been written by any hand.</summary>
public sealed record BackfillPlan(TableName Table, string? Condition, string? Error)
{
    /// <param name="describe">The table in the source's catalog; null when there is none.</param>
    public static async Task<BackfillPlan> MakeAsync(BackfillJob job, Func<TableName, Task<TableDescription?>> describe)
    {
        if (!TableName.TryParse(job.TableName, out var table))
            return new BackfillPlan(default, null, $"'{job.TableName}' is not the name of a table: write schema.table.");
        if (await describe(table).ConfigureAwait(false) is not { } description)
            return new BackfillPlan(table, null, $"The source has no table {table}.");
        using var filters = JsonDocument.Parse(job.Filters);
        var condition = FilterSql.Condition([.. filters.RootElement.EnumerateArray()], description, out var errors);
        return errors.Count == 0
            ? new BackfillPlan(table, condition, null)
            : new BackfillPlan(table, null, string.Join(" ", errors.Select(e => $"filters{(e.Index < 0 ? "" : $"[{e.Index}]")}: {e.Message}.")));
    }
}
