using System.Globalization;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Snapshot;

/// <summary>
/// The copy of one large table into an empty database, by Rosetta and by others in turn, and of many small ones; and beside a running stream, under changes to
/// the table.
/// </summary>
static class SnapshotBench
{
    const string Table = "large";
    const string Pipe = "COPY | COPY";
    static readonly string[] Peers = [Pipe, "Rosetta", "pg_dump | psql", "pgcopydb", "native subscription", BesideBench.Name];

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var tables = new List<string>();
        if (options.Wants(CopyLagBench.Name))
            tables.Add(await CopyLagBench.RunAsync(options, journal, cancellationToken));
        if (options.Only == CopyLagBench.Name)
            return tables[0];
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        if (Peers.Any(options.Wants))
            tables.Add(await OneTableAsync(options, journal, databases, node, cancellationToken));
        if (options.Only?.Contains("many", StringComparison.OrdinalIgnoreCase) != false)
            tables.Add(await ManyTables.RunAsync(options, journal, databases, node, cancellationToken));
        return string.Join("\n", tables);
    }

    static async Task<string> OneTableAsync(BenchOptions options, Journal journal, BenchDatabases databases, BenchNode node, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(5_000_000, 10_000);
        await databases.ExecuteAtSourceAsync(
            $"{BenchTables.MixedSql(Table)}; INSERT INTO {Table} {BenchTables.MixedRows("1::bigint", rows.ToString(CultureInfo.InvariantCulture))}", cancellationToken);
        await databases.ExecuteAtSourceAsync($"VACUUM ANALYZE {Table}", cancellationToken);
        journal.Say($"{rows:N0} rows made");
        var copier = new Copier(databases, BenchDatabases.SourceDatabase, BenchTables.MixedSql(Table), 1);
        var contest = new Contest(
            options, journal, databases, node,
            database => databases.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Table}", database, cancellationToken), rows);
        for (var round = 1; round <= options.Rounds; round++)
        {
            await contest.MeasureAsync(Pipe, round, n => copier.ByPipeAsync(n, Table, cancellationToken), cancellationToken);
            await contest.MeasureAsync("Rosetta", round, n => copier.ByRosettaAsync(node.Api, n, cancellationToken), cancellationToken,
                n => copier.PrepareAsync(node.Api, n, cancellationToken), n => node.EndPipelineAsync(n, cancellationToken));
            await contest.MeasureAsync("pg_dump | psql", round, n => copier.ByDumpAsync(n, cancellationToken), cancellationToken);
            await contest.MeasureAsync("pgcopydb", round, n => copier.ByPgcopydbAsync(n, cancellationToken), cancellationToken);
            await contest.MeasureAsync(
                "native subscription", round, n => copier.BySubscriptionAsync(n, cancellationToken), cancellationToken, end: n => copier.EndSubscriptionAsync(n, cancellationToken));
        }

        var title = string.Create(CultureInfo.InvariantCulture, $"one table of {rows:N0} rows into an empty database");
        var beside = options.Wants(BesideBench.Name) ? await new BesideBench(options, databases, node, copier, Table, rows, journal).RunAsync(cancellationToken) : "";
        return contest.IsEmpty ? beside : $"{contest.Table(title, Pipe)}\n{beside}";
    }
}
