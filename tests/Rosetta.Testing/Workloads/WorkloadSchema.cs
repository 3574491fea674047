using Npgsql;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Workloads.Tables;

namespace Rosetta.Testing.Workloads;

/// <summary>Creates the workload's tables.</summary>
public static class WorkloadSchema
{
    /// <summary>The empty tables, e.g. for a native subscription to compare with.</summary>
    public static Task CreateAsync(MixedWorkloadOptions options, CancellationToken cancellationToken = default) =>
        RunAsync(options, Tables(options).Select(t => t.Ddl), cancellationToken);

    /// <summary>The tables with their first rows, in one transaction.</summary>
    public static Task CreateAndSeedAsync(MixedWorkloadOptions options, CancellationToken cancellationToken = default) =>
        RunAsync(options, Tables(options).SelectMany(t => new[] { t.Ddl, t.Seeding }), cancellationToken);

    internal static TableTraffic[] Tables(MixedWorkloadOptions options)
    {
        var rows = options.Rows;
        var schema = options.Schema;
        TableTraffic[] all =
        [
            new ItemsTraffic(schema, rows), new OrderLinesTraffic(schema, rows), new DevicesTraffic(schema, rows),
            new WideTraffic(schema, rows), new EventsTraffic(schema, rows), new CountersTraffic(schema, rows),
            new AccountsTraffic(schema, rows), new OddTraffic(schema, rows), new KindsTraffic(schema, rows)
        ];
        var unknown = options.Tables?.Except(WorkloadTables.All).ToArray() ?? [];
        if (unknown.Length > 0)
        {
            throw new ArgumentException(
                $"The workload has no table {string.Join(", ", unknown)}; choose from {string.Join(", ", WorkloadTables.All)}", nameof(options));
        }
        return options.Tables is null ? all : [.. all.Where(t => options.Tables.Contains(t.Table))];
    }

    static async Task RunAsync(MixedWorkloadOptions options, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(options.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        foreach (var sql in statements.Prepend($"CREATE SCHEMA IF NOT EXISTS {SqlName.Quote(options.Schema)}"))
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
    }
}
