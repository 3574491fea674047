using Rosetta.Client.Requests;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Tables that get the indexes, constraints and comments of the source's after their copy (<c>WithIndexes</c>).</summary>
public sealed class IndexTests(ITestOutputHelper output)
{
    const string Tables =
        """
        CREATE FUNCTION only_here(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
        CREATE TABLE makers ("Odd Key" int PRIMARY KEY, code text UNIQUE, note text);
        CREATE TABLE goods (
            id bigint PRIMARY KEY, maker int REFERENCES makers ON DELETE CASCADE, code text REFERENCES makers (code), price numeric CHECK (price >= 0), name text NOT NULL, tag text,
            CONSTRAINT "Fine, name" CHECK (length(name) < 100), EXCLUDE USING btree (tag WITH =), CONSTRAINT later UNIQUE (name, id) DEFERRABLE INITIALLY DEFERRED);
        CREATE INDEX goods_by_price ON goods (price DESC NULLS LAST) INCLUDE (name) WHERE price > 10;
        CREATE UNIQUE INDEX "Goods by Name" ON goods (lower(name), id);
        CREATE INDEX goods_by_function ON goods (only_here(name));
        CREATE INDEX goods_by_brin ON goods USING brin (id) WITH (pages_per_range = 16);
        COMMENT ON TABLE goods IS 'what is ''sold''';
        COMMENT ON COLUMN goods.name IS 'for people';
        INSERT INTO makers SELECT i, 'code ' || i, NULL FROM generate_series(1, 50) i;
        INSERT INTO goods SELECT i, 1 + i % 50, 'code ' || (1 + i % 50), i, 'name ' || i, 'tag ' || i FROM generate_series(1, 20000) i;
        """;

    // Names, definitions, validity: what is to be the same at both sides.
    const string What =
        """
        SELECT string_agg(line, E'\n' ORDER BY line) FROM (
          SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid AS line FROM pg_index WHERE indrelid IN ('goods'::regclass, 'makers'::regclass)
          UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('goods'::regclass, 'makers'::regclass) AND contype <> 'n'
          UNION ALL SELECT objsubid || ' ' || description FROM pg_description WHERE objoid = 'goods'::regclass) lines
         WHERE line NOT LIKE '%only_here%' AND line NOT LIKE '%later%'
        """;

    static readonly Dictionary<string, string?> Settings = new() { ["ROSETTA__PIPELINES__WITHINDEXES"] = "true" };

    [Fact]
    public async Task Should_make_what_the_sources_tables_have_and_show_what_cannot_be_made_while_the_tables_stream()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Tables, Installation.Database);
        var node = await installation.StartNodeAsync(Settings);
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        // Names move between rows under the unique index that comes meanwhile.
        var n = 0;
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(10), () => Change(++n));
        // The node dies in the middle of it, whatever it is doing.
        await WaitForIndexAsync(installation);
        await node.KillAsync();
        await node.StartAsync();

        var wanted = await installation.Source.ScalarAsync<string>(What, Installation.Database);
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<string>(What, Installation.Database) == wanted
                && await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE lacks_extras", Installation.Database) == 0,
            "indexes and constraints to be there", Installation.Patience);
        await traffic.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var now = await Installation.PipelineAsync(node.Api, pipeline);
        var goods = now.Destinations[0].Tables!.Single(t => t.Table == "public.goods");
        output.WriteLine(goods.Error ?? "");
        output.WriteLine(goods.Remedy ?? "");
        Assert.Equal("STREAMING", goods.State);
        Assert.Equal("RUNNING", now.Runtime.State);
        Assert.Contains("goods_by_function", goods.Error, StringComparison.Ordinal);
        Assert.Contains("CREATE INDEX", goods.Remedy, StringComparison.Ordinal);
        Assert.Contains("DEFERRABLE", goods.Error, StringComparison.Ordinal);
        Assert.Null(now.Destinations[0].Tables!.Single(t => t.Table == "public.makers").Error);
        await AssertEqualAsync(installation);
        Assert.True(await installation.Targets[0].ScalarAsync<float>("SELECT reltuples FROM pg_class WHERE relname = 'goods'", Installation.Database) > 0, "ANALYZE has not been run.");
        output.WriteLine($"{traffic.Changes} changes meanwhile");
    }

    [Fact]
    public async Task Should_make_them_for_the_tables_that_ask_for_them_also_when_these_stream_already_and_again_once_they_are_asked_for_again()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Tables, Installation.Database);
        var node = await installation.StartNodeAsync();
        TableSync makers = new("makers", WithIndexes: true), goods = new("goods"), goodsToo = goods with { WithIndexes = true };
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: [makers, goods]);
        var n = 0;
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(10), () => Change(++n));
        await WaitUntilMadeAsync("makers");
        Assert.Equal("2 1", await CountsAsync());

        // One that streams, beside its changes: nothing is copied.
        var path = $"pipelines/{pipeline}/destinations/{(await Installation.DestinationIdsAsync(node.Api, pipeline))[0]}/tables";
        var answer = await node.Api.PutAsync(path, new { table_syncs = new[] { makers, goodsToo } });
        Assert.Empty(answer.As<Saved>().Resyncing!);
        await WaitUntilMadeAsync("goods");
        Assert.Equal("2 5", await CountsAsync());

        // Nobody asks for them any more: what is there stays, and once more they are made by their names.
        await node.Api.PutAsync(path, new { table_syncs = new[] { makers, goods } });
        await Wait.UntilAsync(async () => await LacksAsync("goods"), "the table to be without wishes", Installation.Patience);
        Assert.Equal("2 5", await CountsAsync());
        await installation.Targets[0].ExecuteAsync("DROP INDEX goods_by_price", Installation.Database);
        await node.Api.PutAsync(path, new { table_syncs = new[] { makers, goodsToo } });
        await WaitUntilMadeAsync("goods");
        Assert.Equal("2 5", await CountsAsync());

        // What the node is set to holds where the table says nothing, and nowhere else.
        await node.Api.PutAsync(path, new { table_syncs = new[] { makers, goods with { WithIndexes = false } } });
        await Wait.UntilAsync(async () => await LacksAsync("goods"), "the table to be without wishes", Installation.Patience);
        await installation.Targets[0].ExecuteAsync("DROP INDEX goods_by_price", Installation.Database);
        await node.KillAsync();
        await node.StartAsync(extra: Settings);
        await installation.Source.ExecuteAsync("CREATE TABLE third (id int PRIMARY KEY, n int); CREATE INDEX third_n ON third (n)", Installation.Database);
        await node.Api.PutAsync(path, new { table_syncs = new[] { makers, goods with { WithIndexes = false }, new TableSync("third") } });
        await WaitUntilMadeAsync("third");
        Assert.Equal("2 4", await CountsAsync());
        await traffic.StopAsync();
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await AssertEqualAsync(installation);

        async Task<bool> LacksAsync(string table) => await installation.Targets[0].ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM rosetta.tables WHERE source_table = '{table}' AND lacks_extras)", Installation.Database);

        Task WaitUntilMadeAsync(string table) => Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<bool>("SELECT to_regclass('rosetta.tables') IS NOT NULL", Installation.Database)
                && await installation.Targets[0].ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM rosetta.tables WHERE source_table = '{table}' AND NOT lacks_extras AND copying IS NULL AND since IS NOT NULL)", Installation.Database),
            $"the indexes of {table}", Installation.Patience);

        Task<string?> CountsAsync() => installation.Targets[0].ScalarAsync<string>(
            "SELECT string_agg(n::text, ' ' ORDER BY t DESC) FROM (SELECT indrelid::regclass::text AS t, count(*) AS n FROM pg_index WHERE indrelid IN ('goods'::regclass, 'makers'::regclass) GROUP BY 1) counts",
            Installation.Database);
    }

    [Fact]
    public async Task Should_make_them_all_when_the_node_is_killed_after_each_statement()
    {
        const string Few =
            """
            CREATE TABLE makers ("Odd Key" int PRIMARY KEY, code text UNIQUE, note text);
            CREATE TABLE goods (id bigint PRIMARY KEY, maker int REFERENCES makers, price numeric CHECK (price >= 0), name text, tag text);
            CREATE INDEX goods_by_price ON goods (price);
            COMMENT ON TABLE goods IS 'what is sold';
            INSERT INTO makers SELECT i, 'code ' || i, NULL FROM generate_series(1, 50) i;
            INSERT INTO goods SELECT i, 1 + i % 50, i, 'name ' || i, 'tag ' || i FROM generate_series(1, 2000) i;
            """;
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Few, Installation.Database);
        // As long as there is something left to be made, each start makes one more and dies.
        var deadly = new Dictionary<string, string?> { ["ROSETTA_FAILPOINTS"] = $"{FailpointNames.ExtrasStatementDone}=kill;{FailpointNames.ExtrasBeforeRecord}=kill@2" };
        var node = await installation.StartNodeAsync(Settings);
        var pipeline = await installation.CreatePipelineAsync(node.Api, start: false);
        await node.KillAsync();
        await installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'START'", "rosetta");
        var n = 0;
        await using var traffic = SteadyTraffic.Start(installation.SourceConnection, TimeSpan.FromMilliseconds(20), () => $"UPDATE goods SET price = price + 1, tag = 'x{++n}' WHERE id = {1 + (n % 2000)}");
        var deaths = 0;
        while (true)
        {
            await node.StartAsync(waitUntilReady: false, deadly);
            var made = false;
            await Wait.UntilAsync(
                async () => node.Process.HasExited || (made = await installation.Targets[0].ScalarAsync<bool>("SELECT to_regclass('rosetta.tables') IS NOT NULL", Installation.Database)
                    && await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE since IS NOT NULL AND NOT lacks_extras", Installation.Database) == 2),
                "the node to die or all to be made", Installation.Patience);
            if (made)
                break;
            deaths++;
        }

        await traffic.StopAsync();
        // The last incarnation may have died at its last word.
        if (node.Process.HasExited)
            await node.StartAsync();
        output.WriteLine($"{deaths} deaths");
        // An index, two unique or check constraints, the foreign key and its validation, a comment; some are there already when the node that made them is killed before it knew.
        Assert.InRange(deaths, 5, 30);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        const string Here = "SELECT string_agg(line, E'\n' ORDER BY line) FROM (SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid AS line FROM pg_index WHERE indrelid IN ('goods'::regclass, 'makers'::regclass) "
            + "UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('goods'::regclass, 'makers'::regclass) AND contype <> 'n') lines";
        Assert.Equal(await installation.Source.ScalarAsync<string>(Here, Installation.Database), await installation.Targets[0].ScalarAsync<string>(Here, Installation.Database));
        await AssertEqualAsync(installation);
    }

    sealed record Saved(IReadOnlyList<string>? Resyncing);

    static async Task AssertEqualAsync(Installation installation)
    {
        foreach (var table in (string[])["goods", "makers"])
        {
            var sql = $"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t";
            Assert.Equal(await installation.Source.ScalarAsync<string>(sql, Installation.Database), await installation.Targets[0].ScalarAsync<string>(sql, Installation.Database));
        }
    }

    static Task WaitForIndexAsync(Installation installation) => Wait.UntilAsync(
        async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'goods\\_by%' OR relname = 'Goods by Name'", Installation.Database) > 0,
        "the first index", Installation.Patience);

    /// <summary>Changes that move unique values between rows, add and remove.</summary>
    static string Change(int n)
    {
        var i = 1 + (n % 1900);
        return
            $"""
            UPDATE goods SET tag = tag || 'x' WHERE id = {1 + (i % 1000)};
            UPDATE goods SET tag = NULL WHERE id = {i}; UPDATE goods SET tag = 'tag {i}y' WHERE id = {i};
            UPDATE goods SET tag = 'between {i}' WHERE id = {2000 + i}; UPDATE goods SET tag = 'tag {2000 + i}' WHERE id = {4000 + i}; UPDATE goods SET tag = 'tag {4000 + i}' WHERE id = {2000 + i};
            UPDATE makers SET note = 'n {i}' WHERE "Odd Key" = {1 + (i % 50)};
            INSERT INTO goods VALUES ({100_000 + n}, 1, 'code 1', 1, 'new', NULL)
            """;
    }
}
