using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Testing.Servers;

namespace Rosetta.Bench.Throughput;

/// <summary>Whether a target has the rows of the source: number and sum of hashes of each table.</summary>
static class Equality
{
    /// <exception cref="InvalidOperationException">A table differs: the figures are worth nothing.</exception>
    public static async Task RequireAsync(BenchDatabases databases, string targetDatabase, CancellationToken cancellationToken)
    {
        foreach (var table in BenchTables.Names)
        {
            var expected = await SumAsync(databases.Source, BenchDatabases.SourceDatabase);
            var found = await SumAsync(databases.Targets[0], targetDatabase);
            if (found != expected)
                throw new InvalidOperationException($"Table {table} of {targetDatabase} is not that of the source: {found} instead of {expected} (rows, hash).");

            Task<string?> SumAsync(PostgresServer server, string database) => server.ScalarAsync<string>(
                $"SELECT count(*) || ', ' || coalesce(sum(hash_record_extended(t, 0)), 0) FROM {table} t", database, cancellationToken);
        }
    }
}
