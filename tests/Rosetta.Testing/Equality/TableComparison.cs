using Npgsql;

namespace Rosetta.Testing.Equality;

/// <summary>
/// Compares a table at two servers byte for byte: both are read as sorted binary COPY streams and merged, in memory bounded by the
/// largest row. A numeric's scale, a float's sign of zero, an array's lower bounds all count.
/// </summary>
public static class TableComparison
{
    const int DefaultKeptDifferences = 10;

    // Whatever a text form depends on is the same on both sides; keys are sorted by it.
    const string UniformSettings =
        "SET extra_float_digits = 3; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; "
        + "SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET search_path = ''; SET statement_timeout = 0; SET work_mem = '64MB'";

    /// <summary>Compares one table. Each side is read in one statement, hence one snapshot; nothing waits for the two to be in step.</summary>
    /// <exception cref="NpgsqlException">A server could not be reached or refused to read.</exception>
    public static async Task<TableComparisonResult> CompareAsync(
        string sourceConnectionString, string destinationConnectionString, TablePair table,
        int keptDifferences = DefaultKeptDifferences, CancellationToken cancellationToken = default)
    {
        await using var source = await OpenAsync(sourceConnectionString, cancellationToken);
        await using var destination = await OpenAsync(destinationConnectionString, cancellationToken);
        var (plan, problem) = ComparisonPlan.Make(
            table,
            await TableShape.LoadAsync(source, table.SourceSchema, table.SourceTable, cancellationToken),
            await TableShape.LoadAsync(destination, table.TargetSchema, table.TargetTable, cancellationToken));
        if (plan is null)
            return new TableComparisonResult(table, 0, 0) { Problem = problem };

        await using var left = await CopyRowReader.OpenAsync(source, plan.SourceSql, cancellationToken);
        await using var right = await CopyRowReader.OpenAsync(destination, plan.TargetSql, cancellationToken);
        var merge = new RowMerge(plan, left, right, keptDifferences);
        await merge.RunAsync(cancellationToken);
        return new TableComparisonResult(table, left.Rows, right.Rows)
        {
            DifferenceCount = merge.DifferenceCount,
            Differences = merge.Differences
        };
    }

    static async Task<NpgsqlConnection> OpenAsync(string connectionString, CancellationToken cancellationToken)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, CommandTimeout = 0 };
        var connection = new NpgsqlConnection(builder.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            await using var command = new NpgsqlCommand(UniformSettings, connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
