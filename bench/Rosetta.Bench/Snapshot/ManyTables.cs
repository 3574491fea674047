using System.Globalization;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Snapshot;

/// <summary>The copy of a database of many small tables.</summary>
static class ManyTables
{
    const string Database = "many";
    const int RowsOfEach = 100;

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, BenchDatabases databases, BenchNode node, CancellationToken cancellationToken)
    {
        var tables = (int)options.Scaled(1_000, 10);
        var names = Enumerable.Range(1, tables).Select(n => string.Create(CultureInfo.InvariantCulture, $"small_{n:0000}")).ToList();
        var create = string.Join(
            "; ", names.Select(n => $"CREATE TABLE {n} (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12, 2) NOT NULL, created timestamptz NOT NULL DEFAULT now(), note text)"));
        await databases.Source.CreateDatabaseAsync(Database, cancellationToken);
        await databases.Source.ExecuteAsync(create, Database, cancellationToken);
        await databases.Source.ExecuteAsync(
            string.Join("; ", names.Select(n => $"INSERT INTO {n} SELECT g, 'item ' || g, g / 7.0, now(), 'note of ' || g FROM generate_series(1, {RowsOfEach}) g")), Database, cancellationToken);
        await databases.Source.ExecuteAsync("VACUUM ANALYZE", Database, cancellationToken);
        journal.Say($"{tables:N0} tables made");
        var contest = new Contest(
            options, journal, databases, node,
            database => CountAsync(databases, names, database, cancellationToken), (long)tables * RowsOfEach);
        var copier = new Copier(databases, Database, create, tables);
        var nativeToo = options.Only is not null && options.Wants("native many");
        for (var round = 1; round <= options.Rounds; round++)
        {
            await contest.MeasureAsync("pgcopydb many", round, n => copier.ByPgcopydbAsync(n, cancellationToken), cancellationToken);
            await contest.MeasureAsync("Rosetta many", round, n => copier.ByRosettaAsync(node.Api, n, cancellationToken), cancellationToken,
                n => copier.PrepareAsync(node.Api, n, cancellationToken), n => node.EndPipelineAsync(n, cancellationToken));
            await contest.MeasureAsync("pg_dump | psql many", round, n => copier.ByDumpAsync(n, cancellationToken), cancellationToken);
            // Takes minutes: only on request.
            if (nativeToo && round == 1)
                await contest.MeasureAsync("native many", round, n => copier.BySubscriptionAsync(n, cancellationToken), cancellationToken, end: n => copier.EndSubscriptionAsync(n, cancellationToken));
        }

        return contest.Table($"{tables:N0} tables of {RowsOfEach} rows", "pgcopydb many").ToString();
    }

    static async Task<long> CountAsync(BenchDatabases databases, List<string> names, string database, CancellationToken cancellationToken) =>
        await databases.Targets[0].ScalarAsync<long>(
            $"SELECT (sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM public.' || relname, false, true, '')))[1]::text::bigint))::bigint FROM pg_class WHERE relname = ANY ('{{{string.Join(",", names)}}}')",
            database, cancellationToken);
}
