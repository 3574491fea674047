using Rosetta.Client.Requests;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>What is replicated changes while it is replicated.</summary>
public sealed class TableChoiceTests(ITestOutputHelper output)
{
    const int Rows = 30_000;
    const string Schema =
        """
        CREATE TABLE extra (id int PRIMARY KEY, v text);
        INSERT INTO extra SELECT i, 'v' || i FROM generate_series(1, 500) i;
        CREATE TABLE moving (id int PRIMARY KEY, v text);
        INSERT INTO moving SELECT i, 'v' || i FROM generate_series(1, 500) i;
        """;

    static readonly TableSync Workload = new("shop.*");
    static readonly TableSync Narrow = new(LargeTable.Name, Columns: ["id", "n"]);
    static readonly TableSync Whole = new(LargeTable.Name);
    static readonly TableSync Extra = new("public.extra");
    static readonly TableSync Moving = new("public.moving");

    [Fact]
    public async Task Should_follow_a_changed_choice_of_tables_under_load_with_the_others_unaffected()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        await using var followed = await Followed.StartAsync(installation, 200);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "2000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: [Workload, Narrow, Moving]);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        followed.Watch();
        table.Start(400);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        var target = installation.Targets[0];
        await Wait.UntilAsync(async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Lane == "ATTACHED", "the lane to join", Installation.Patience);
        var lanes = new SortedSet<string>();

        // A table comes in.
        Assert.Empty((await PutAsync([Workload, Narrow, Moving, Extra])).Resyncing);
        await UntilAsync("public.extra", "STREAMING");
        // A table goes to another target: what was there stays.
        Assert.Equal(["public.moving"], (await PutAsync([Workload, Narrow, Moving with { TableNameTarget = "archive.moved" }, Extra])).Resyncing);
        await UntilAsync("public.moving", "STREAMING", "archive.moved");
        Assert.Equal((500L, 500L), (await target.ScalarAsync<long>("SELECT count(*) FROM moving", Installation.Database), await target.ScalarAsync<long>("SELECT count(*) FROM archive.moved", Installation.Database)));
        Assert.Equal(["ATTACHED"], lanes);

        // Other columns; the node dies before it can have done much about it.
        var wide = await PutAsync([Workload, Whole, Moving with { TableNameTarget = "archive.moved" }, Extra]);
        Assert.Equal([LargeTable.Name], wide.Resyncing);
        await node.KillAsync();
        await node.StartAsync();
        // What the node had reported before may be what is shown for a while: the destination tells.
        await Wait.UntilAsync(
            async () => await target.ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE source_table = 'large_table' AND transform IS NULL AND copying IS NULL", Installation.Database) == 1,
            "the other columns to arrive", Installation.Patience);
        await UntilAsync(LargeTable.Name, "STREAMING");
        Assert.Equal(5, await target.ScalarAsync<long>("SELECT count(*) FROM pg_attribute WHERE attrelid = 'large_table'::regclass AND attnum > 0", Installation.Database));

        // A table goes out: its target stays as it is, and the source publishes it no more.
        await PutAsync([Workload, Whole]);
        await Wait.UntilAsync(
            async () => await installation.Source.ScalarAsync<long>("SELECT count(*) FROM pg_publication_tables WHERE tablename IN ('extra', 'moving')", Installation.Database) == 0,
            "the tables to leave the publication", Installation.Patience);
        await installation.Source.ExecuteAsync("INSERT INTO extra VALUES (1001, 'missed'); UPDATE extra SET v = 'changed' WHERE id <= 10", Installation.Database);
        Assert.DoesNotContain((await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables!, t => t.Table == "public.extra");
        Assert.Equal(500, await target.ScalarAsync<long>("SELECT count(*) FROM extra", Installation.Database));
        // It comes back: nobody empties or mends it without being asked.
        await PutAsync([Workload, Whole, Extra]);
        await UntilAsync("public.extra", "ERROR");
        await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.extra/resync");
        await UntilAsync("public.extra", "STREAMING");

        await table.StopAsync();
        await followed.AssertEqualAsync(node.Api, pipeline);
        foreach (var name in (string[])["large_table", "extra"])
        {
            var result = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(0), [TablePair.Same("public", name)]);
            Assert.True(result.Equal, result.ToString());
        }

        async Task<Saved> PutAsync(IReadOnlyList<TableSync> tables) =>
            (await node.Api.PutAsync($"pipelines/{pipeline}/destinations/{id}/tables", new { table_syncs = tables })).As<Saved>();

        async Task UntilAsync(string name, string state, string? at = null) => await Wait.UntilAsync(
            async () =>
            {
                var now = (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0];
                lanes.Add(now.Lane ?? "");
                return now.Tables?.FirstOrDefault(t => t.Table == name) is { } found && found.State == state && (at is null || found.Target == at);
            },
            $"{name} to be {state}", Installation.Patience);
    }

    public static TheoryData<string> Deaths => [.. FailpointNames.Choice];

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task Should_come_to_a_changed_choice_when_the_node_is_killed_in_the_middle_of_following_it(string failpoint)
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: [Narrow, Extra]);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        table.Start(400);
        await node.KillAsync();
        await node.StartAsync(extra: new Dictionary<string, string?> { [Failpoint.SettingName] = $"{failpoint}=kill" });
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        // Other columns of one table, and the other one goes out.
        await node.Api.PutAsync($"pipelines/{pipeline}/destinations/{id}/tables", new { table_syncs = new[] { Whole } });
        await Wait.UntilAsync(() => node.Process.HasExited, $"the node to be killed at {failpoint}", Installation.Patience);
        var target = installation.Targets[0];
        await node.StartAsync();
        await Wait.UntilAsync(
            async () => await Installation.PipelineAsync(node.Api, pipeline) is not null
                && await target.ScalarAsync<string>("SELECT string_agg(concat_ws(' ', source_table, transform, copying), ',') FROM rosetta.tables", Installation.Database) == "large_table",
            "the other columns to arrive, and the table that went out to be forgotten", Installation.Patience);
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation, 0);
        // Its target stays as it was.
        Assert.Equal(500, await target.ScalarAsync<long>("SELECT count(*) FROM extra", Installation.Database));
    }

    [Fact]
    public async Task Should_converge_on_the_last_of_many_changes_that_come_at_once_whatever_dies_meanwhile()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var table = await LargeTable.CreateAsync(installation.Source, Rows, output.WriteLine);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "1000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: [Narrow]);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        table.Start(400);
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        string[][] choices = [["id", "n"], ["id", "n", "at"], ["id", "n", "t", "big"], ["id", "n", "at", "t", "big"]];

        for (var round = 0; round < 4; round++)
        {
            for (var i = 0; i < 3; i++)
            {
                await node.Api.PutAsync(
                    $"pipelines/{pipeline}/destinations/{id}/tables", new { table_syncs = new[] { Narrow with { Columns = choices[random.Next(choices.Length)] } } });
                // The moment of the next change or of the death is anywhere in what the one before sets going.
                await installation.Source.ExecuteAsync($"SELECT pg_sleep({random.Next(0, 600)} / 1000.0)", Installation.Database);
            }

            await node.KillAsync();
            await node.StartAsync();
        }

        await node.Api.PutAsync($"pipelines/{pipeline}/destinations/{id}/tables", new { table_syncs = new[] { Whole } });
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables is [{ State: "STREAMING" }]
                && await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE transform IS NULL AND copying IS NULL", Installation.Database) == 1,
            "the last choice to stream", Installation.Patience);
        await table.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await table.AssertEqualAsync(installation);
    }

    sealed record Saved(IReadOnlyList<string> Resyncing, IReadOnlyList<string> Warnings);
}
