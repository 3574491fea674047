using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Tables without a key, which cannot be taken in chunks.</summary>
public sealed class KeylessTests(ITestOutputHelper output)
{
    const int Rows = 3_000;

    static readonly string[] s_tables = ["keyless", "log_only"];

    [Fact]
    public async Task Should_resync_tables_without_a_key_under_load_and_never_show_them_empty()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        await using var installation = await Installation.StartAsync(targets: 2);
        await installation.Source.ExecuteAsync(
            $"""
            CREATE TABLE keyless (v int, at timestamptz DEFAULT now(), t text); ALTER TABLE keyless REPLICA IDENTITY FULL;
            CREATE TABLE log_only (v int, t text);
            INSERT INTO keyless SELECT i / 2, 'epoch', md5((i / 2)::text) FROM generate_series(1, {Rows}) i; INSERT INTO log_only SELECT i / 2, 'row' FROM generate_series(1, {Rows}) i
            """,
            Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var target = installation.Targets[0];
        await target.ExecuteAsync(
            "DELETE FROM keyless WHERE v % 10 = 3; INSERT INTO keyless SELECT -1, now(), 'extra' FROM generate_series(1, 20); UPDATE log_only SET t = 'damaged' WHERE v < 9; DELETE FROM log_only WHERE v = 99",
            Installation.Database);
        var before = await SinceAsync();

        var random = new Random(seed);
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => Change(random));
        await using var users = TableWatch.Start(installation.TargetConnection(0), "keyless");
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        foreach (var table in s_tables)
            await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.{table}/resync");
        var others = new SortedSet<string>();
        await Wait.UntilAsync(
            async () =>
            {
                var now = await Installation.PipelineAsync(node.Api, pipeline);
                others.Add(now.Destinations.Single(d => d.DestinationId != id).Lane ?? "");
                var since = await SinceAsync();
                return since.Zip(before).All(s => s.First != s.Second) && now.Destinations.Single(d => d.DestinationId == id).Tables!.All(t => t.State is "STREAMING" or "INSERT_ONLY");
            },
            "both tables to be copied again", Installation.Patience);
        await traffic.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);

        output.WriteLine($"fewest rows that a user saw: {users.Fewest} in {users.Polls} looks; {traffic.Changes} changes meanwhile");
        Assert.True(users.Fewest > Rows * 0.8, $"A user saw {users.Fewest} rows.");
        // What is held back of one destination holds back no other.
        Assert.Equal(["ATTACHED"], others);
        for (var i = 0; i < 2; i++)
        {
            var result = await DatabaseComparison.CompareAsync(
                installation.SourceConnection, installation.TargetConnection(i), [.. s_tables.Select(t => TablePair.Same("public", t))]);
            Assert.True(result.Equal, $"target {i + 1}, seed {seed}: {result}");
        }

        async Task<List<string>> SinceAsync() =>
            [.. (await target.RowsAsync("SELECT since::text FROM rosetta.tables WHERE source_table IN ('keyless', 'log_only') ORDER BY source_table", Installation.Database)).Select(r => (string)r[0]!)];
    }

    [Fact]
    public async Task Should_compare_tables_without_a_key_as_a_whole_under_load_and_copy_again_what_differs()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(
            $"""
            CREATE TABLE keyless (v int, at timestamptz DEFAULT now(), t text); ALTER TABLE keyless REPLICA IDENTITY FULL;
            CREATE TABLE log_only (v int, t text);
            CREATE TYPE pair AS (a int, b int); CREATE TABLE odd (p pair[]); INSERT INTO odd VALUES (ARRAY[ROW(1, 2)::pair]);
            INSERT INTO keyless SELECT i / 2, 'epoch', md5((i / 2)::text) FROM generate_series(1, {Rows}) i; INSERT INTO log_only SELECT i / 2, 'row' FROM generate_series(1, {Rows}) i
            """,
            Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var n = 0;
        // Rows that are damaged below are none of these.
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(50), () => ++n % 2 == 0
            ? "INSERT INTO keyless VALUES (-7, now(), 'more'); UPDATE keyless SET t = t || '.' WHERE ctid = (SELECT max(ctid) FROM keyless WHERE v = -7)"
            : "INSERT INTO log_only VALUES (-7, 'more')");

        var equal = await VerifyAsync(repair: false);
        Assert.Equal(("EQUAL", "EQUAL"), (equal["public.keyless"].State, equal["public.log_only"].State));
        Assert.True(equal["public.keyless"].RowsCompared >= Rows, $"{equal["public.keyless"]}");
        Assert.Equal("NOT_COMPARED", equal["public.odd"].State);
        Assert.Contains("digests", equal["public.odd"].Error, StringComparison.Ordinal);

        await installation.Targets[0].ExecuteAsync(
            "UPDATE keyless SET t = 'damaged' WHERE ctid = (SELECT min(ctid) FROM keyless WHERE v = 77); DELETE FROM log_only WHERE v BETWEEN 40 AND 42", Installation.Database);
        foreach (var dry in (bool[])[true, false])
        {
            var found = dry
                ? await EndedAsync((await node.Api.PostAsync($"pipelines/{pipeline}/resync?dry_run=true")).As<VerifyStarted>().RunId)
                : await VerifyAsync(repair: false);
            Assert.Equal(("DIFFERENT", 0L, 0L), (found["public.keyless"].State, found["public.keyless"].Missing, found["public.keyless"].Extra));
            Assert.Equal(("DIFFERENT", 6L, 0L), (found["public.log_only"].State, found["public.log_only"].Missing, found["public.log_only"].Extra));
            Assert.Matches("[0-9]+ rows at the source, [0-9]+ at the destination", found["public.keyless"].Error);
        }

        await using var users = TableWatch.Start(installation.TargetConnection(0), "keyless");
        var repaired = await VerifyAsync(repair: true);
        Assert.Equal(("REPAIRED", "REPAIRED"), (repaired["public.keyless"].State, repaired["public.log_only"].State));
        Assert.True(users.Fewest > Rows * 0.8, $"A user saw {users.Fewest} rows.");
        equal = await VerifyAsync(repair: false);
        Assert.Equal(("EQUAL", "EQUAL"), (equal["public.keyless"].State, equal["public.log_only"].State));
        await traffic.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var result = await DatabaseComparison.CompareAsync(
            installation.SourceConnection, installation.TargetConnection(0), [.. s_tables.Select(t => TablePair.Same("public", t))]);
        Assert.True(result.Equal, result.ToString());
        output.WriteLine($"{traffic.Changes} changes meanwhile");

        async Task<Dictionary<string, VerifiedTable>> VerifyAsync(bool repair) =>
            await EndedAsync((await node.Api.PostAsync($"pipelines/{pipeline}/verify", new StartVerify(Repair: repair))).As<VerifyStarted>().RunId);

        async Task<Dictionary<string, VerifiedTable>> EndedAsync(long id)
        {
            Verify? run = null;
            await Wait.UntilAsync(async () => !(run = (await node.Api.GetAsync($"pipelines/{pipeline}/verify/{id}")).As<Verify>()).IsOpen, "the comparison to end", Installation.Patience);
            output.WriteLine(string.Join("; ", run!.Tables));
            return run.Tables.ToDictionary(t => t.Table);
        }
    }

    /// <summary>Changes of both tables.</summary>
    static string Change(Random random)
    {
        var some = $"ctid = (SELECT ctid FROM keyless OFFSET {random.Next(Rows / 2).ToString(CultureInfo.InvariantCulture)} LIMIT 1)";
        return random.Next(4) switch
        {
            0 => $"DELETE FROM keyless WHERE {some}; INSERT INTO keyless VALUES (7, now(), 'instead')",
            1 => "INSERT INTO keyless SELECT v, at, t FROM keyless ORDER BY random() LIMIT 1",
            2 => $"UPDATE keyless SET v = v + 1 WHERE {some}",
            _ => "INSERT INTO log_only VALUES (random() * 100, 'new')",
        };
    }
}
