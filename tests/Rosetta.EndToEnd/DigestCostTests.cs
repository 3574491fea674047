using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>What a resync of a table costs of which 0.01 % of the rows are damaged and some are too many: by digests, and by carrying every row.</summary>
[Trait(TimeBound.Trait, TimeBound.Value)]
public sealed class DigestCostTests(ITestOutputHelper output)
{
    const string Name = "large_table";
    const int Extra = 20;

    [Fact]
    public Task Should_carry_and_write_hardly_more_than_what_differs() => ResyncAsync(100_000, isLarge: false);

    [LongFact]
    public Task Should_be_cheaper_than_carrying_every_row() => ResyncAsync(2_000_000, isLarge: true);

    async Task ResyncAsync(int rows, bool isLarge)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var target = installation.Targets[0];
        // Nobody pays for what the first reader of new pages does.
        foreach (var server in (PostgresServer[])[installation.Source, target])
            await server.ExecuteAsync("VACUUM ANALYZE", Installation.Database);
        var damaged = rows / 20_000;
        long[] written = [0, 0, 0];
        await AssertWrittenAsync(rows, 0, 0);
        using var metrics = new HttpClient { BaseAddress = node.HealthAddress };

        var byDigest = await MeasureAsync();
        Assert.InRange(byDigest.Carried, 2, rows / 5);
        // A type with others' numbers inside its binary form: rows cannot be compared by digests.
        await installation.Source.ExecuteAsync($"CREATE TYPE pair AS (x int, y text); ALTER TABLE {Name} ADD c pair; INSERT INTO {Name} (id, n) VALUES (-5, 0)", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await AssertWrittenAsync(1, 0, 0);
        var byRow = await MeasureAsync();
        Assert.InRange(byRow.Carried, rows, rows + 1);
        output.WriteLine($"by digests {byDigest}, by rows {byRow}");
        if (isLarge)
            Assert.True(byDigest.CpuSeconds < byRow.CpuSeconds && byDigest.Carried * 50 < byRow.Carried, $"{byDigest} is not much cheaper than {byRow}.");
        await table.AssertEqualAsync(installation);

        async Task<Cost> MeasureAsync()
        {
            await target.ExecuteAsync(
                $"DELETE FROM {Name} WHERE id % 20000 = 77; UPDATE {Name} SET n = -5 WHERE id % 20000 = 150; INSERT INTO {Name} SELECT -1000 - i, 0, now(), 'extra', NULL FROM generate_series(1, {Extra}) i",
                Installation.Database);
            await AssertWrittenAsync(Extra, damaged, damaged);
            var carried = await CarriedAsync();
            await using var users = TableWatch.Start(installation.TargetConnection(0), Name);
            var (watch, cpu) = (Stopwatch.StartNew(), CpuSeconds());
            var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
            await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.{Name}/resync");
            await Wait.UntilAsync(
                async () => await installation.Config.ScalarAsync<string>("SELECT state FROM pipeline_requests ORDER BY id DESC LIMIT 1", "rosetta") == "DONE", "the resync to end",
                Installation.Patience);
            var (took, used) = (watch.Elapsed, CpuSeconds() - cpu);
            // Exactly the damage.
            await AssertWrittenAsync(damaged, damaged, Extra);
            Assert.True(users.Fewest >= rows - damaged, $"A user saw {users.Fewest} rows.");
            return new Cost(took, used, await CarriedAsync() - carried, (2 * damaged) + Extra);
        }

        // Of both servers and the node, by what the system counts in hundredths.
        double CpuSeconds()
        {
            int?[] servers = [installation.Source.ProcessId, target.ProcessId];
            return Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(p => int.TryParse(p, out _)).Select(p => Fields(p!))
                .Where(f => f.Length > 17 && (Number(f[0]) == node.Process.Id || servers.Contains(Number(f[0])) || servers.Contains(Number(f[3])))).Sum(f => f[13..17].Sum(Number)) / 100.0;

            static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

            static string[] Fields(string pid)
            {
                try
                {
                    var stat = File.ReadAllText($"/proc/{pid}/stat");
                    // The name in brackets may hold spaces.
                    return [pid, "", .. stat[(stat.LastIndexOf(')') + 2)..].Split(' ')];
                }
                catch (IOException)
                {
                    return [];
                }
            }
        }

        // So many inserted, updated and deleted since the last time. The server counts a little later.
        async Task AssertWrittenAsync(params long[] more)
        {
            written = [.. written.Zip(more, (a, b) => a + b)];
            long[] now = [];
            await Wait.UntilAsync(
                async () =>
                {
                    var row = (await target.RowsAsync($"SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = '{Name}'", Installation.Database))[0];
                    return (now = [.. row.Select(v => Convert.ToInt64(v, CultureInfo.InvariantCulture))]).Sum() >= written.Sum();
                },
                "the server to count what was written", Installation.Patience);
            Assert.Equal(written, now);
        }

        async Task<long> CarriedAsync()
        {
            var found = Regex.Matches(await metrics.GetStringAsync("/metrics"), @"^rosetta_copied_rows\S*_total\{[^}]*\} (\S+)", RegexOptions.Multiline);
            return (long)found.Sum(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));
        }
    }

    sealed record Cost(TimeSpan Took, double CpuSeconds, long Carried, long Written);
}
