using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Rosetta.Bench.Processes;
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

    readonly record struct Effort(double Seconds, CopyCost Cpu);

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
        var contest = new[] { (Name: "COPY (SELECT ... WHERE ...) | COPY into an empty table", Efforts: new List<Effort>()), ("the same into the table that lost the rows", []), ("backfill", []) };
        for (var round = 1; round <= options.Rounds; round++)
        {
            await LoseAsync($"DROP TABLE IF EXISTS {Part}; {BenchTables.MixedSql(Part)}");
            contest[0].Efforts.Add(await MeasureAsync(() => copier.PartByPipeAsync(Database, Table, Filter, Part, cancellationToken)));
            await LoseAsync("SELECT");
            contest[1].Efforts.Add(await MeasureAsync(() => copier.PartByPipeAsync(Database, Table, Filter, Table, cancellationToken)));
            await LoseAsync("SELECT");
            contest[2].Efforts.Add(await MeasureAsync(BackfillAsync));
            foreach (var (name, efforts) in contest)
                journal.Say(string.Create(CultureInfo.InvariantCulture, $"round {round}: {name}: {efforts[^1].Seconds:0.00} s, CPU {efforts[^1].Cpu.Source:0.0} + {efforts[^1].Cpu.Target:0.0} + {efforts[^1].Cpu.Client:0.0} s"));
            var (there, wanted) = (await CountAsync(Table), await CountAsync(Part));
            if (there != rows || wanted == 0)
                throw new InvalidOperationException($"The backfill left {there} of {rows} rows; the pipe brought {wanted}.");
        }

        var jobs = contest[^1].Efforts;
        var table = new MarkdownTable(
            string.Create(CultureInfo.InvariantCulture, $"{rows / 5:N0} of {rows:N0} rows by a filter"), "s, median", "the backfill's speed, of this one's in the same round", "CPU s: source", "target", "in between");
        foreach (var (name, efforts) in contest)
        {
            var middle = Figures.Median(efforts, e => e.Seconds);
            table.Add(
                name, Figures.Text(middle.Seconds, 1), string.Join(", ", efforts.Zip(jobs, (other, job) => Figures.Text(other.Seconds / job.Seconds, 2))),
                Figures.Text(middle.Cpu.Source, 1), Figures.Text(middle.Cpu.Target, 1), Figures.Text(middle.Cpu.Client, 1));
        }

        return $"{table}\n";

        // Both pipes and the job find the same: the rows are gone, their place is free, nothing is dirty.
        async Task LoseAsync(string also)
        {
            await target.ExecuteAsync($"DELETE FROM {Table} WHERE {Filter}; {also}", Database, cancellationToken);
            await target.ExecuteAsync($"VACUUM {Table}", Database, cancellationToken);
            await target.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
        }

        async Task<Effort> MeasureAsync(Func<Task> work)
        {
            var before = CopyCost.Take(databases.Source, target, node.ProcessId);
            var watch = Stopwatch.StartNew();
            await work();
            return new Effort(watch.Elapsed.TotalSeconds, CopyCost.Take(databases.Source, target, node.ProcessId) - before);
        }

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

        Task<long> CountAsync(string table) => target.ScalarAsync<long>($"SELECT count(*) FROM {table}", Database, cancellationToken);
    }
}
