using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

namespace Rosetta.Bench.Snapshot;

/// <summary>A fifth of a table's rows, which the destination has lost, brought by a backfill with a filter; beside a pipe of COPY (SELECT ... WHERE ...) into an empty table.</summary>
static class BackfillBench
{
    const string Table = "large";
    const string Part = "part";
    const string Filter = "quantity < 200";
    const string Database = "filled";

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(5_000_000, 10_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await databases.ExecuteAtSourceAsync(
            $"{BenchTables.MixedSql(Table)}; INSERT INTO {Table} {BenchTables.MixedRows("1::bigint", rows.ToString(CultureInfo.InvariantCulture))}", cancellationToken);
        await databases.ExecuteAtSourceAsync($"VACUUM ANALYZE {Table}", cancellationToken);
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var target = databases.Targets[0];
        await target.CreateDatabaseAsync(Database, cancellationToken);
        var copier = new Copier(databases, BenchDatabases.SourceDatabase, BenchTables.MixedSql(Table), 1);
        await copier.PrepareAsync(node.Api, Database, cancellationToken);
        var id = await copier.ByRosettaAsync(node.Api, Database, cancellationToken);
        var (pipes, jobs) = (new List<double>(), new List<double>());
        for (var round = 1; round <= options.Rounds; round++)
        {
            await target.ExecuteAsync($"DELETE FROM {Table} WHERE {Filter}; DROP TABLE IF EXISTS {Part}; {BenchTables.MixedSql(Part)}", Database, cancellationToken);
            await target.ExecuteAsync($"VACUUM {Table}", Database, cancellationToken);
            await target.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
            pipes.Add(await TimeAsync(() => copier.PartByPipeAsync(Database, Table, Filter, Part, cancellationToken)));
            jobs.Add(await TimeAsync(BackfillAsync));
            journal.Say(string.Create(CultureInfo.InvariantCulture, $"round {round}: pipe {pipes[^1]:0.0} s, backfill {jobs[^1]:0.0} s"));
            var (there, wanted) = (await CountAsync(Table), await CountAsync(Part));
            if (there != rows || wanted == 0)
                throw new InvalidOperationException($"The backfill left {there} of {rows} rows; the pipe brought {wanted}.");
        }

        var ratios = jobs.Zip(pipes, (job, pipe) => pipe / job).ToList();
        var table = new MarkdownTable($"{rows / 5:N0} of {rows:N0} rows by a filter", "s", "of the pipe in the same round");
        table.Add("COPY (SELECT ... WHERE ...) | COPY", Figures.Text(Figures.Median(pipes, s => s), 1), "1");
        table.Add("backfill", Figures.Text(Figures.Median(jobs, s => s), 1), Figures.Text(Figures.Median(ratios, r => r), 2));
        return $"{table}\n";

        async Task BackfillAsync()
        {
            var job = (await node.Api.PostAsync(
                $"pipelines/{id}/backfill", new StartBackfill(Table, Filters: [JsonSerializer.SerializeToElement(Filter)]), cancellationToken)).As<Backfill>();
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            while ((job = (await node.Api.GetAsync($"pipelines/{id}/backfill/{job.Id}", cancellationToken)).As<Backfill>()).IsOpen)
                await pace.WaitForNextTickAsync(cancellationToken);
            if (job.Status != "COMPLETED")
                throw new InvalidOperationException(job.ToString());
        }

        static async Task<double> TimeAsync(Func<Task> work)
        {
            var watch = Stopwatch.StartNew();
            await work();
            return watch.Elapsed.TotalSeconds;
        }

        Task<long> CountAsync(string table) => target.ScalarAsync<long>($"SELECT count(*) FROM {table}", Database, cancellationToken);
    }
}
