using System.Globalization;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>Some rows of a source's table, in text form, for a look at what a transform makes of them. Waits for no lock and not for long.</summary>
public static class RowSample
{
    /// <summary>Whichever rows come first.</summary>
    /// <param name="columns">At least one.</param>
    /// <exception cref="PgException">The source is away, or refused.</exception>
    public static async Task<IReadOnlyList<string?[]>> ReadAsync(
        PgEndpoint endpoint, TableDescription table, IReadOnlyList<string> columns, int rows, CancellationToken cancellationToken)
    {
        await using var connection = await SnapshotSession.OpenAsync(endpoint, cancellationToken);
        var list = string.Join(", ", columns.Select(SqlIdentifier.Quote));
        var from = $"{(table.IsPartitioned ? "" : "ONLY ")}{table.Name.ToSql()}";
        var result = await connection.QueryAsync(
            $"SET statement_timeout = '10s'; SET lock_timeout = '1s'; SELECT {list} FROM {from} LIMIT {rows.ToString(CultureInfo.InvariantCulture)}", cancellationToken);
        var sample = new List<string?[]>(result.Rows.Count);
        for (var row = 0; row < result.Rows.Count; row++)
            sample.Add([.. Enumerable.Range(0, columns.Count).Select(column => result.Text(row, column))]);
        return sample;
    }
}
