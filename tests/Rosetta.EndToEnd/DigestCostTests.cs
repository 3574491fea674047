using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Rosetta.EndToEnd.Stage;
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
    public Task Should_carry_and_write_hardly_more_than_what_differs() => ResyncAsync(100_000, timesFaster: null);

    [LongFact]
    public Task Should_be_several_times_faster_than_carrying_every_row() => ResyncAsync(2_000_000, timesFaster: 2);

    async Task ResyncAsync(int rows, double? timesFaster)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var target = installation.Targets[0];
        await target.ExecuteAsync("VACUUM ANALYZE", Installation.Database);
        using var metrics = new HttpClient { BaseAddress = node.HealthAddress };

        var byDigest = await MeasureAsync();
        Assert.InRange(byDigest.Carried, 2, rows / 5);
        // A type with others' numbers inside its binary form: rows cannot be compared by digests.
        await installation.Source.ExecuteAsync($"CREATE TYPE pair AS (x int, y text); ALTER TABLE {Name} ADD c pair; INSERT INTO {Name} (id, n) VALUES (-5, 0)", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var byRow = await MeasureAsync();
        Assert.InRange(byRow.Carried, rows, rows + 1);
        output.WriteLine($"by digests {byDigest}, by rows {byRow}");
        if (timesFaster is { } bound)
            Assert.True(byDigest.Took * bound < byRow.Took, $"{byDigest.Took} is not {bound} times faster than {byRow.Took}.");
        await table.AssertEqualAsync(installation);

        async Task<Cost> MeasureAsync()
        {
            await target.ExecuteAsync(
                $"DELETE FROM {Name} WHERE id % 20000 = 77; UPDATE {Name} SET n = -5 WHERE id % 20000 = 150; INSERT INTO {Name} SELECT -1000 - i, 0, now(), 'extra', NULL FROM generate_series(1, {Extra}) i",
                Installation.Database);
            var (written, carried) = (await WrittenAsync(), await CarriedAsync());
            await using var users = TableWatch.Start(installation.TargetConnection(0), Name);
            var watch = Stopwatch.StartNew();
            var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
            await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.{Name}/resync");
            await Wait.UntilAsync(
                async () => await installation.Config.ScalarAsync<string>("SELECT state FROM pipeline_requests ORDER BY id DESC LIMIT 1", "rosetta") == "DONE", "the resync to end",
                Installation.Patience);
            var took = watch.Elapsed;
            // Exactly the damage: so many inserted, updated, deleted. The server counts a little later.
            long[] expected = [rows / 20_000, rows / 20_000, Extra];
            long[] now = [];
            await Wait.UntilAsync(
                async () => (now = [.. (await WrittenAsync()).Zip(written, (a, b) => a - b)]).Sum() >= expected.Sum(), "the server to count what was written", Installation.Patience);
            Assert.Equal(expected, now);
            Assert.True(users.Fewest >= rows - (rows / 20_000), $"A user saw {users.Fewest} rows.");
            return new Cost(took, await CarriedAsync() - carried, now.Sum());
        }

        async Task<long[]> WrittenAsync()
        {
            var row = (await target.RowsAsync($"SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = '{Name}'", Installation.Database))[0];
            return [.. row.Select(v => Convert.ToInt64(v, CultureInfo.InvariantCulture))];
        }

        async Task<long> CarriedAsync()
        {
            var found = Regex.Matches(await metrics.GetStringAsync("/metrics"), @"^rosetta_copied_rows\S*_total\{[^}]*\} (\S+)", RegexOptions.Multiline);
            return (long)found.Sum(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));
        }
    }

    sealed record Cost(TimeSpan Took, long Carried, long Written);
}
