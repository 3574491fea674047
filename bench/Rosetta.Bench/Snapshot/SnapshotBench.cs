using System.Diagnostics;
using System.Globalization;
using Rosetta.Bench.Reports;
using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;

namespace Rosetta.Bench.Snapshot;

/// <summary>The copy of one large table into an empty database, by Rosetta and by others in turn; and beside a running stream, under changes to the table.</summary>
static class SnapshotBench
{
    const string Table = "large";
    const string Later = "later";
    const int ChangesPerSecond = 2_000;

    public static async Task<string> RunAsync(BenchOptions options, Journal journal, CancellationToken cancellationToken)
    {
        var rows = options.Scaled(5_000_000, 10_000);
        await using var databases = await BenchDatabases.StartAsync(targets: 1, cancellationToken);
        await databases.ExecuteAtSourceAsync(
            $"{BenchTables.MixedSql(Table)}; INSERT INTO {Table} {BenchTables.MixedRows("1::bigint", rows.ToString(CultureInfo.InvariantCulture))}", cancellationToken);
        await databases.ExecuteAtSourceAsync($"VACUUM ANALYZE {Table}", cancellationToken);
        journal.Say($"{rows:N0} rows made");
        await using var node = await BenchNode.StartAsync(databases.ConfigConnection);
        var copier = new Copier(databases, Table);
        var took = new Dictionary<string, List<double>>();
        for (var round = 1; round <= options.Rounds; round++)
        {
            await MeasureAsync("COPY | COPY", n => copier.ByPipeAsync(n, cancellationToken));
            await MeasureAsync("Rosetta", n => copier.ByRosettaAsync(node.Api, n, cancellationToken), async n => await EndPipelineAsync(n));
            await MeasureAsync("pg_dump | psql", n => copier.ByDumpAsync(n, cancellationToken));
            await MeasureAsync("native subscription", n => copier.BySubscriptionAsync(n, cancellationToken), n => copier.EndSubscriptionAsync(n, cancellationToken));

            async Task MeasureAsync(string name, Func<string, Task> copy, Func<string, Task>? end = null)
            {
                if (!options.Wants(name))
                    return;
                var database = string.Create(CultureInfo.InvariantCulture, $"{name.Split(' ')[0].ToLowerInvariant()}_{round}");
                await databases.Targets[0].CreateDatabaseAsync(database, cancellationToken);
                await databases.Targets[0].ExecuteAsync("CHECKPOINT", cancellationToken: cancellationToken);
                var watch = Stopwatch.StartNew();
                await copy(database);
                var seconds = watch.Elapsed.TotalSeconds;
                if (!took.TryGetValue(name, out var times))
                    took[name] = times = [];
                times.Add(seconds);
                var there = await databases.Targets[0].ScalarAsync<long>($"SELECT count(*) FROM {Table}", database, cancellationToken);
                journal.Say($"round {round}: {name} {seconds:0.0} s");
                if (there != rows)
                    throw new InvalidOperationException($"{name} brought {there} of {rows} rows.");
                if (end is not null)
                    await end(database);
                await databases.Targets[0].ExecuteAsync($"DROP DATABASE {database} WITH (FORCE)", cancellationToken: cancellationToken);
            }
        }

        var beside = options.Wants("beside") ? await BesideAsync() : (double?)null;
        var pipe = took.TryGetValue("COPY | COPY", out var pipes) ? Figures.Median(pipes, s => s) : double.NaN;
        var table = new MarkdownTable("one table into an empty database", "s", "rows/s", "of COPY | COPY");
        foreach (var (name, times) in took)
            Add(name, Figures.Median(times, s => s));
        if (beside is { } under)
            Add($"Rosetta beside the stream, {ChangesPerSecond:N0} changes/s to the table", under);
        return $"{table}\nThe node's peak: {Figures.Megabytes(node.PeakResidentBytes)} MB.\n";

        void Add(string name, double seconds) =>
            table.Add(name, Figures.Text(seconds, 1), Figures.Text(rows / seconds, 0), Figures.Text(pipe / seconds, 2));

        async Task EndPipelineAsync(string name)
        {
            var id = (await node.Api.GetAsync("pipelines", cancellationToken)).As<Client.Answers.Page<Client.Answers.Pipeline>>().Items.Single(p => p.Name == name).Id;
            var pipeline = new BenchPipeline(node.Api, id);
            await pipeline.PauseAsync(cancellationToken);
            await node.Api.DeleteAsync($"pipelines/{id}", cancellationToken);
        }

        async Task<double> BesideAsync()
        {
            const string database = "beside";
            await databases.Targets[0].CreateDatabaseAsync(database, cancellationToken);
            var id = await copier.ByRosettaAsync(node.Api, database, cancellationToken);
            await databases.ExecuteAtSourceAsync($"CREATE TABLE {Later} (LIKE {Table} INCLUDING ALL); INSERT INTO {Later} SELECT * FROM {Table}", cancellationToken);
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var changes = ChangeAsync(enough.Token);
            var watch = Stopwatch.StartNew();
            await node.Api.PostAsync($"pipelines/{id}/refresh", null, cancellationToken);
            await copier.ByRosettaAsync(database, Later, cancellationToken);
            var seconds = watch.Elapsed.TotalSeconds;
            await enough.CancelAsync();
            journal.Say($"beside the stream {seconds:0.0} s, {await changes:N0} changes meanwhile");
            return seconds;
        }

        async Task<long> ChangeAsync(CancellationToken token)
        {
            await using var connection = await BenchDatabases.WatchAsync(databases.Source, BenchDatabases.SourceDatabase, cancellationToken);
            await using var change = new Npgsql.NpgsqlCommand(
                $"UPDATE {Later} SET quantity = quantity + 1 WHERE id = ANY (SELECT (1 + random() * {rows - 1})::bigint FROM generate_series(1, {ChangesPerSecond / 50}))", connection);
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            long made = 0;
            while (!token.IsCancellationRequested)
            {
                made += await change.ExecuteNonQueryAsync(cancellationToken);
                await pace.WaitForNextTickAsync(cancellationToken);
            }

            return made;
        }
    }
}
