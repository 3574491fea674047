using Npgsql;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Backfill and resync of tables with filters and computed columns: rows come as the copy and the stream make them.</summary>
public sealed class TransformedChunksTests(ITestOutputHelper output)
{
    const int Rows = 20_000;

    const string Schema =
        """
        CREATE TABLE orders (code text PRIMARY KEY, n int NOT NULL, status text NOT NULL, amount numeric(12,2), doc jsonb, secret text);
        INSERT INTO orders SELECT (CASE WHEN i % 2 = 0 THEN 'a' ELSE 'B' END) || i, i % 10, (ARRAY['open', 'paid', 'draft'])[1 + i % 3], i * 1.25, jsonb_build_object('city', 'c' || i % 5), 'secret'
          FROM generate_series(1, 20000) i;
        CREATE TABLE papers (id int PRIMARY KEY, open boolean NOT NULL, body text); ALTER TABLE papers ALTER body SET STORAGE EXTERNAL;
        INSERT INTO papers SELECT i, i % 2 = 0, repeat('body ' || i, 800) FROM generate_series(1, 300) i;
        """;

    static readonly IReadOnlyList<TableSync> Tables =
    [
        new("orders", FilterSql: "n > 2 AND status <> 'draft'", CustomSql: "SELECT code, n, status, amount, amount * 2 AS twice, doc->>'$.city' AS city, md5(secret) AS mask FROM orders"),
        new("papers", FilterSql: "open"),
    ];

    static readonly (string Source, string Target)[] Expected =
    [
        ("SELECT code, n, status, amount, (amount * 2)::numeric(18,2), doc->>'city', md5(secret) FROM orders WHERE n > 2 AND status <> 'draft' ORDER BY code COLLATE \"C\"",
            "SELECT code, n, status, amount, twice, city, mask FROM orders ORDER BY code COLLATE \"C\""),
        ("SELECT * FROM papers WHERE open ORDER BY id", "SELECT * FROM papers ORDER BY id"),
    ];

    [Fact]
    public async Task Should_bring_the_same_bytes_by_backfill_and_resync_as_by_copy_and_stream()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?> { ["ROSETTA__PIPELINES__CHUNKROWS"] = "3000" });
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: Tables);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await CompareAsync(installation);

        // Rows that come into the filter by an update which leaves their large values alone.
        await installation.Source.ExecuteAsync("UPDATE papers SET open = NOT open WHERE id <= 20; UPDATE papers SET open = true WHERE id > 100", Installation.Database);
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM papers", Installation.Database) == 250, "the papers to be read again", Installation.Patience);

        var random = new Random(seed);
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(10), () => Change(random));
        await DamageAsync(installation);
        foreach (var table in (string[])["orders", "papers"])
            await BackfillAsync(node.Api, pipeline, table);
        Assert.Equal(50, await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM orders WHERE n = -1", Installation.Database));
        await DamageAsync(installation);
        await using var users = TableWatch.Start(installation.TargetConnection(0), "orders");
        await ResyncAsync(installation, node.Api, pipeline, "orders");
        await ResyncAsync(installation, node.Api, pipeline, "papers");
        await traffic.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await CompareAsync(installation);
        output.WriteLine($"fewest rows that a user saw: {users.Fewest} in {users.Polls} looks; {traffic.Changes} changes");
        Assert.True(users.Fewest > Rows * 0.2, $"A user saw {users.Fewest} rows.");
        await Wait.UntilAsync(
            async () => (await Installation.PipelineAsync(node.Api, pipeline)).Destinations[0].Tables!.All(t => t.State == "STREAMING"), "both tables to stream", Installation.Patience);
    }

    /// <summary>Rows missing, rows changed, and rows that do not belong there.</summary>
    static Task<int> DamageAsync(Installation installation) => installation.Targets[0].ExecuteAsync(
        """
        DELETE FROM orders WHERE n = 3; UPDATE orders SET city = 'nowhere', twice = 0 WHERE n = 4; DELETE FROM orders WHERE n = -1;
        INSERT INTO orders (code, n, status) SELECT 'extra' || i, -1, 'extra' FROM generate_series(1, 50) i;
        DELETE FROM papers WHERE id % 3 = 0; INSERT INTO papers SELECT 10000 + i, true, 'extra' FROM generate_series(1, 5) i ON CONFLICT DO NOTHING
        """,
        Installation.Database);

    static async Task BackfillAsync(ApiClient api, int pipeline, string table)
    {
        var job = (await api.PostAsync($"pipelines/{pipeline}/backfill", new StartBackfill(table))).As<Backfill>();
        await Wait.UntilAsync(async () => !(job = (await api.GetAsync($"pipelines/{pipeline}/backfill/{job.Id}")).As<Backfill>()).IsOpen, "the job to end", Installation.Patience);
        Assert.True(job.Status == "COMPLETED", job.ToString());
    }

    async Task ResyncAsync(Installation installation, ApiClient api, int pipeline, string table)
    {
        var copied = $"SELECT since::text FROM rosetta.tables WHERE source_table = '{table}' AND copying IS NULL";
        var before = await installation.Targets[0].ScalarAsync<string>(copied, Installation.Database);
        var id = (await Installation.DestinationIdsAsync(api, pipeline))[0];
        await api.PostAsync($"pipelines/{pipeline}/destinations/{id}/tables/public.{table}/resync");
        var states = new List<string>();
        await Wait.UntilAsync(
            async () =>
            {
                var destination = (await Installation.PipelineAsync(api, pipeline)).Destinations[0];
                states.Add($"{destination.Lane} {destination.Tables!.Single(t => t.Table == $"public.{table}").State}");
                return await installation.Targets[0].ScalarAsync<string>(copied, Installation.Database) is { } since && since != before;
            },
            $"{table} to be copied again", Installation.Patience);
        output.WriteLine($"{table}: {string.Join(", ", states.Distinct())}");
        // By chunks beside the stream: the lane did not leave it.
        Assert.All(states, s => Assert.StartsWith("ATTACHED", s, StringComparison.Ordinal));
    }

    static async Task CompareAsync(Installation installation)
    {
        foreach (var (source, target) in Expected)
        {
            var (here, there) = (await BytesAsync(installation.Source, source), await BytesAsync(installation.Targets[0], target));
            Assert.True(here.AsSpan().SequenceEqual(there), $"{target}: {here.Length} and {there.Length} bytes.");
            Assert.True(here.Length > 1000);
        }
    }

    static async Task<byte[]> BytesAsync(PostgresServer server, string query)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString(Installation.Database));
        await connection.OpenAsync();
        await using var copy = await connection.BeginRawBinaryCopyAsync($"COPY ({query}) TO STDOUT (FORMAT binary)");
        using var bytes = new MemoryStream();
        await copy.CopyToAsync(bytes);
        return bytes.ToArray();
    }

    /// <summary>Rows that cross the filter in both directions, come, go and get other keys.</summary>
    static string Change(Random random)
    {
        var code = $"code IN ('a{random.Next(Rows)}', 'B{random.Next(Rows)}', 'A{random.Next(Rows)}')";
        return random.Next(8) switch
        {
            0 => $"UPDATE orders SET status = 'draft' WHERE {code}",
            1 => $"UPDATE orders SET status = 'open', n = 5 WHERE {code}",
            2 => $"UPDATE orders SET amount = amount + 1 WHERE {code}",
            3 => $"DELETE FROM orders WHERE {code}",
            4 => $"INSERT INTO orders VALUES ('a{random.Next(Rows)}', {random.Next(10)}, 'open', 3.5, NULL, 'new') ON CONFLICT DO NOTHING",
            5 => $"UPDATE orders SET code = upper(code) WHERE {code} AND NOT EXISTS (SELECT FROM orders o WHERE o.code = upper(orders.code))",
            6 => $"UPDATE papers SET open = NOT open WHERE id = {random.Next(300)}",
            _ => $"UPDATE papers SET body = repeat('other {random.Next(9)}', 700) WHERE id = {random.Next(300)}",
        };
    }
}
