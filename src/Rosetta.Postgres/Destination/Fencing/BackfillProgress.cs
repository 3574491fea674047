using System.Globalization;
using System.Text.Json;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>The SQL of <c>rosetta.backfills</c>: how far each backfill is, stored with the rows that it brought.</summary>
static class BackfillProgress
{
    /// <summary>Where to go on; null when nothing has landed yet.</summary>
    public static async ValueTask<(CopyingState State, long Rows)?> LoadAsync(PgConnection connection, PositionRow row, string job, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"SELECT array_to_json(finished_to), is_finished, rows FROM rosetta.backfills WHERE {row.KeySql} AND job = {SqlIdentifier.Literal(job)}", cancellationToken);
        if (found.Rows.Count == 0)
            return null;
        var upTo = found.Text(0, 0) is { } json ? JsonSerializer.Deserialize<string[]>(json) : null;
        return (new CopyingState(upTo, found.Text(0, 1) == "t", false), found.Int64(0, 2));
    }

    /// <param name="upTo">The last key of the chunk; null: it was the last chunk.</param>
    public static string LandedSql(PositionRow row, string job, IReadOnlyList<string>? upTo, long rows)
    {
        var count = rows.ToString(CultureInfo.InvariantCulture);
        return $"""
            INSERT INTO rosetta.backfills AS b (installation, pipeline_id, generation, job, finished_to, is_finished, rows)
            VALUES ({row.KeyValuesSql}, {SqlIdentifier.Literal(job)}, {(upTo is null ? "NULL" : StoredTables.ArraySql(upTo))}, {(upTo is null ? "true" : "false")}, {count})
            ON CONFLICT (installation, pipeline_id, generation, job) DO UPDATE
               SET finished_to = excluded.finished_to, is_finished = excluded.is_finished, rows = b.rows + excluded.rows, updated_at = now()
            """;
    }
}
