using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Processes;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;

namespace Rosetta.Bench.Snapshot;

/// <summary>The first copy of a table by a pipeline that starts, then of a second one with the same rows that joins the running pipeline while it is changed.</summary>
/// <param name="table">The one that is there.</param>
sealed class BesideBench(BenchOptions options, BenchDatabases databases, BenchNode node, Copier copier, string table, long rows, Journal journal)
{
    public const string Name = "beside";
    const string Later = "later";
    const int ChangesPerSecond = 2_000;
    const int StatementsPerSecond = 50;

    readonly record struct Effort(double Seconds, CopyCost Cpu, long PeakBytes);

    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        var (firsts, besides) = (new List<Effort>(), new List<Effort>());
        for (var round = 1; round <= options.Rounds; round++)
        {
            var database = string.Create(CultureInfo.InvariantCulture, $"beside_{round}");
            await databases.Targets[0].CreateDatabaseAsync(database, cancellationToken);
            var id = await copier.PrepareAsync(node.Api, database, cancellationToken);
            // By name, so that the second table joins when it is told to.
            await ChooseAsync(id, [table], cancellationToken);
            firsts.Add(await MeasureAsync(() => copier.ByRosettaAsync(node.Api, database, cancellationToken), cancellationToken));
            await databases.ExecuteAtSourceAsync($"CREATE TABLE {Later} (LIKE {table} INCLUDING ALL); INSERT INTO {Later} SELECT * FROM {table}", cancellationToken);
            await databases.ExecuteAtSourceAsync($"VACUUM ANALYZE {Later}", cancellationToken);
            // Reading past the making of the table is no part of its copy.
            await new BenchPipeline(node.Api, id).WaitUntilAppliedAsync((await databases.SourceWalEndAsync(cancellationToken))!, cancellationToken);
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var changes = ChangeAsync(enough.Token, cancellationToken);
            besides.Add(await MeasureAsync(
                async () =>
                {
                    await ChooseAsync(id, [table, Later], cancellationToken);
                    await copier.HasAsync(database, 2, cancellationToken);
                }, cancellationToken));
            await enough.CancelAsync();
            var made = await changes;
            journal.Say(string.Create(
                CultureInfo.InvariantCulture, $"round {round}: first copy {Describe(firsts[^1])}; beside the stream {Describe(besides[^1])}, {made:N0} changes meanwhile"));
            await node.EndPipelineAsync(database, cancellationToken);
            await databases.Targets[0].ExecuteAsync($"DROP DATABASE {database} WITH (FORCE)", cancellationToken: cancellationToken);
            await databases.ExecuteAtSourceAsync($"DROP TABLE {Later}", cancellationToken);
        }

        var shown = new MarkdownTable(
            string.Create(CultureInfo.InvariantCulture, $"{rows:N0} rows, {ChangesPerSecond:N0} changes/s to the table"), "s, median", "speed, of the first copy in the same round", "CPU s: source", "target",
            "in between", "node's peak MB");
        Add("first copy", firsts, "1");
        Add("copy beside the stream", besides, string.Join(", ", firsts.Zip(besides, (first, beside) => Figures.Text(first.Seconds / beside.Seconds, 2))));
        return shown.ToString();

        void Add(string name, List<Effort> efforts, string ratio)
        {
            var middle = Figures.Median(efforts, e => e.Seconds);
            shown.Add(
                name, Figures.Text(middle.Seconds, 1), ratio, Figures.Text(middle.Cpu.Source, 1), Figures.Text(middle.Cpu.Target, 1), Figures.Text(middle.Cpu.Client, 1),
                Figures.Megabytes(efforts.Max(e => e.PeakBytes)));
        }
    }

    async Task ChooseAsync(long pipeline, IReadOnlyList<string> tables, CancellationToken cancellationToken)
    {
        var destination = (await node.Api.GetAsync($"pipelines/{pipeline}", cancellationToken)).As<Pipeline>().Destinations[0].DestinationId;
        await node.Api.PutAsync($"pipelines/{pipeline}/destinations/{destination}/tables", new ReplaceTables([.. tables.Select(t => new TableSync(t))]), cancellationToken);
    }

    static string Describe(Effort effort) => string.Create(
        CultureInfo.InvariantCulture, $"{effort.Seconds:0.0} s, CPU {effort.Cpu.Source:0.0} + {effort.Cpu.Target:0.0} + {effort.Cpu.Client:0.0} s, peak {Figures.Megabytes(effort.PeakBytes)} MB");

    async Task<Effort> MeasureAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        var target = databases.Targets[0];
        await target.ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
        node.ForgetPeak();
        var before = CopyCost.Take(databases.Source, target, node.ProcessId);
        var watch = Stopwatch.StartNew();
        await work();
        return new Effort(watch.Elapsed.TotalSeconds, CopyCost.Take(databases.Source, target, node.ProcessId) - before, node.PeakResidentBytes);
    }

    async Task<long> ChangeAsync(CancellationToken enough, CancellationToken cancellationToken)
    {
        await using var connection = await BenchDatabases.WatchAsync(databases.Source, BenchDatabases.SourceDatabase, cancellationToken);
        await using var change = new Npgsql.NpgsqlCommand(
            $"UPDATE {Later} SET quantity = quantity + 1 WHERE id = ANY (SELECT (1 + random() * {rows - 1})::bigint FROM generate_series(1, {ChangesPerSecond / StatementsPerSecond}))", connection);
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / StatementsPerSecond));
        long made = 0;
        while (!enough.IsCancellationRequested)
        {
            made += await change.ExecuteNonQueryAsync(cancellationToken);
            await pace.WaitForNextTickAsync(cancellationToken);
        }

        return made;
    }
}
