using System.Globalization;
using Npgsql;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>Marks in place of deletes, changes that are not wanted, and metadata columns: in stream, copy, resync and comparison alike.</summary>
public sealed class OptionTests(ITestOutputHelper output)
{
    const string Schema =
        """
        CREATE TABLE soft (id int PRIMARY KEY, v text, big text); ALTER TABLE soft ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE soft_full (id int PRIMARY KEY, v text, big text); ALTER TABLE soft_full ALTER big SET STORAGE EXTERNAL; ALTER TABLE soft_full REPLICA IDENTITY FULL;
        CREATE TABLE soft_flag (id int PRIMARY KEY, v text, big text); ALTER TABLE soft_flag ALTER big SET STORAGE EXTERNAL;
        CREATE TABLE keeps (id int PRIMARY KEY, v text);
        CREATE TABLE frozen (id int PRIMARY KEY, v text);
        CREATE TABLE appended (v text, n int);
        CREATE TABLE keyless (v text, n int); ALTER TABLE keyless REPLICA IDENTITY FULL;
        CREATE TABLE ever (t text, id int, PRIMARY KEY (t, id));
        CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ever VALUES (TG_TABLE_NAME, NEW.id) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
        CREATE TRIGGER remember AFTER INSERT OR UPDATE ON soft FOR EACH ROW EXECUTE FUNCTION remember();
        CREATE TRIGGER remember AFTER INSERT OR UPDATE ON soft_full FOR EACH ROW EXECUTE FUNCTION remember();
        CREATE TRIGGER remember AFTER INSERT OR UPDATE ON soft_flag FOR EACH ROW EXECUTE FUNCTION remember();
        INSERT INTO soft SELECT i, 'v' || i, CASE WHEN i % 5 = 0 THEN repeat(md5(i::text), 90) END FROM generate_series(1, 150) i;
        INSERT INTO soft_full SELECT * FROM soft; INSERT INTO soft_flag SELECT * FROM soft;
        INSERT INTO keeps SELECT i, 'v' || i FROM generate_series(1, 10) i;
        INSERT INTO frozen SELECT i, 'v' || i FROM generate_series(1, 10) i;
        INSERT INTO appended SELECT 'a' || i, i FROM generate_series(1, 10) i;
        INSERT INTO keyless SELECT 'k' || i % 3, i % 5 FROM generate_series(1, 30) i;
        """;

    static readonly string[] All = ["commit_time", "lsn", "operation"];

    static readonly IReadOnlyList<TableSync> Tables =
    [
        new("soft", DeleteMode: "soft", Metadata: All),
        new("soft_full", DeleteMode: "soft", DeletedColumn: "gone", Metadata: ["operation"], MetadataNames: new MetadataNames(Operation: "op")),
        new("soft_flag", DeleteMode: "soft", DeletedType: "boolean", Metadata: ["lsn"]),
        new("keeps", Ignore: ["delete", "truncate"]),
        new("frozen", Ignore: ["update"], Metadata: ["lsn"]),
        new("appended", Metadata: ["lsn", "operation"]),
        new("keyless", Metadata: ["operation"]),
    ];

    [Fact]
    public async Task Should_mark_what_is_deleted_and_leave_out_what_is_not_wanted_in_stream_copy_and_comparison()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var installation = await Installation.StartAsync();
        var (source, target) = (installation.Source, installation.Targets[0]);
        await source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: Tables, attach: 1);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        Assert.Equal(150, await CountAsync("soft", "_rosetta_operation = 'copy' AND _rosetta_lsn IS NOT NULL AND _rosetta_commit_time IS NULL AND _deleted_at IS NULL"));
        Assert.Equal(10, await CountAsync("appended", "_rosetta_operation = 'copy'"));

        for (var i = 0; i < 250; i++)
            await source.ExecuteAsync($"BEGIN; {string.Join("; ", Enumerable.Range(0, random.Next(1, 7)).Select(_ => Statement(random)))}; COMMIT", Installation.Database);
        await source.ExecuteAsync(
            """
            DELETE FROM keeps WHERE id <= 5; INSERT INTO keeps VALUES (1, 'again'); UPDATE keeps SET id = 2 WHERE id = 1; TRUNCATE keeps; INSERT INTO keeps VALUES (3, 'third');
            UPDATE frozen SET v = 'changed' WHERE id <= 5; DELETE FROM frozen WHERE id = 6; INSERT INTO frozen VALUES (11, 'new');
            INSERT INTO appended VALUES ('last', 11);
            UPDATE keyless SET n = 77 WHERE ctid = (SELECT min(ctid) FROM keyless WHERE v = 'k2'); DELETE FROM keyless WHERE v = 'k1';
            """, Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await AssertSoftAsync(target, "after the stream");
        Assert.Equal(0, await CountAsync("soft", "_rosetta_lsn IS NULL OR (_rosetta_commit_time IS NULL AND _rosetta_operation <> 'copy') OR _rosetta_operation NOT IN ('insert', 'update', 'delete', 'truncate', 'copy')"));
        Assert.Equal(0, await CountAsync("soft", "_deleted_at IS NOT NULL AND _rosetta_operation NOT IN ('delete', 'truncate')"));
        await AssertRowsAsync("keeps", "id, v", "SELECT i, CASE i WHEN 2 THEN 'again' WHEN 3 THEN 'third' ELSE 'v' || i END FROM generate_series(2, 10) i");
        await AssertRowsAsync("frozen", "id, v", "SELECT id, CASE WHEN id <= 5 THEN 'v' || id ELSE v END FROM frozen");
        await AssertRowsAsync("appended", "v, n", "SELECT v, n FROM appended");
        await AssertRowsAsync("keyless", "v, n", "SELECT v, n FROM keyless");
        Assert.Equal(("insert", "update"), (
            await target.ScalarAsync<string>("SELECT _rosetta_operation FROM appended WHERE v = 'last'", Installation.Database),
            await target.ScalarAsync<string>("SELECT _rosetta_operation FROM keyless WHERE n = 77 LIMIT 1", Installation.Database)));

        // A comparison finds all of that right.
        await AssertVerifiedAsync();
        // What came change by change the second destination gets as a copy: marks are of rows that were there.
        await installation.AttachAsync(node.Api, pipeline, 1, "second", Tables);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await AssertLiveAsync(installation.Targets[1], "the copy");

        // Damage of each kind, mended by a resync that keeps the marks.
        await source.ExecuteAsync("INSERT INTO soft SELECT i, 'more', NULL FROM generate_series(301, 310) i; DELETE FROM soft WHERE id > 305; INSERT INTO ever VALUES ('soft_flag', 5000), ('soft_flag', 5001)", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        Assert.True(await CountAsync("soft", "_deleted_at IS NOT NULL") >= 5, $"seed {seed}");
        await target.ExecuteAsync(
            """
            DELETE FROM soft WHERE id = (SELECT min(id) FROM soft WHERE _deleted_at IS NULL);
            UPDATE soft SET _deleted_at = now() WHERE id = (SELECT max(id) FROM soft WHERE _deleted_at IS NULL);
            UPDATE soft SET _deleted_at = NULL WHERE id = (SELECT min(id) FROM soft WHERE _deleted_at IS NOT NULL);
            DELETE FROM soft_flag WHERE id = (SELECT min(id) FROM soft_flag WHERE NOT _deleted);
            UPDATE soft_flag SET _deleted = true WHERE id = (SELECT max(id) FROM soft_flag WHERE NOT _deleted);
            UPDATE soft_flag SET _deleted = false WHERE id = (SELECT min(id) FROM soft_flag WHERE _deleted);
            INSERT INTO soft_flag VALUES (5000, 'nobody asked', NULL, NULL), (5001, 'a mark', NULL, true);
            """, Installation.Database);
        await ResyncAsync("soft", "keeps", "soft_full", "soft_flag", "frozen");
        Assert.Equal(2, await CountAsync("soft_flag", "id > 4999 AND _deleted"));
        await AssertSoftAsync(target, "after the resync");
        Assert.Equal(9, await CountAsync("keeps", "true"));
        Assert.Equal(0, await CountAsync("frozen", "v = 'changed'"));
        await AssertVerifiedAsync();

        // Other options while it runs.
        var id = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
        await node.Api.PutAsync($"pipelines/{pipeline}/destinations/{id}/tables", new { table_syncs = (TableSync[])[Tables[0] with { DeleteMode = "hard" }, new("keeps", Metadata: All), .. Tables.Skip(4)] });
        await Wait.UntilAsync(
            async () => await target.ScalarAsync<long>("SELECT count(*) FROM rosetta.tables WHERE copying IS NOT NULL", Installation.Database) == 0
                && await CountAsync("soft", "_deleted_at IS NOT NULL") == 0 && await CountAsync("keeps", "true") == 1,
            "the marks to go", Installation.Patience);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await AssertRowsAsync("soft", "id, v, big", "SELECT id, v, big FROM soft");
        Assert.Equal(1, await CountAsync("keeps", "_rosetta_operation = 'copy'"));

        Task<long> CountAsync(string table, string where) => target.ScalarAsync<long>($"SELECT count(*) FROM {table} WHERE {where}", Installation.Database);

        async Task AssertSoftAsync(PostgresServer at, string when)
        {
            await AssertLiveAsync(at, when);
            foreach (var (table, isMarked) in ((string, string)[])[("soft", "_deleted_at IS NOT NULL"), ("soft_full", "gone IS NOT NULL"), ("soft_flag", "_deleted")])
            {
                var gone = await RowsAsync(source, $"SELECT id FROM ever WHERE t = '{table}' EXCEPT SELECT id FROM {table} ORDER BY id");
                Assert.Equal(gone, await RowsAsync(at, $"SELECT id FROM {table} WHERE {isMarked} ORDER BY id"));
            }
        }

        async Task AssertLiveAsync(PostgresServer at, string when)
        {
            foreach (var (table, isMarked) in ((string, string)[])[("soft", "_deleted_at IS NOT NULL"), ("soft_full", "gone IS NOT NULL"), ("soft_flag", "_deleted")])
            {
                var live = await RowsAsync(source, $"SELECT id, v, md5(big) FROM {table} ORDER BY id");
                var there = await RowsAsync(at, $"SELECT id, v, md5(big) FROM {table} WHERE NOT ({isMarked}) ORDER BY id");
                Assert.True(live.SequenceEqual(there), $"{table} {when}, seed {seed}: {string.Join(" | ", live.Except(there).Take(5))} <> {string.Join(" | ", there.Except(live).Take(5))}");
            }
        }

        async Task AssertRowsAsync(string table, string columns, string wanted) =>
            Assert.Equal(await RowsAsync(source, $"SELECT * FROM ({wanted}) w ORDER BY w::text COLLATE \"C\""), await RowsAsync(target, $"SELECT * FROM (SELECT {columns} FROM {table}) w ORDER BY w::text COLLATE \"C\""));

        async Task ResyncAsync(params string[] tables)
        {
            var destination = (await Installation.DestinationIdsAsync(node.Api, pipeline))[0];
            foreach (var table in tables)
                await node.Api.PostAsync($"pipelines/{pipeline}/destinations/{destination}/tables/public.{table}/resync");
            await Wait.UntilAsync(
                async () => await installation.Config.ScalarAsync<long>("SELECT count(*) FROM pipeline_requests WHERE state IN ('PENDING', 'EXECUTING')", "rosetta") == 0,
                "the resyncs to end", Installation.Patience);
            await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        }

        async Task AssertVerifiedAsync()
        {
            var run = (await node.Api.PostAsync($"pipelines/{pipeline}/verify")).As<VerifyStarted>().RunId;
            Verify? found = null;
            await Wait.UntilAsync(
                async () => !(found = (await node.Api.GetAsync($"pipelines/{pipeline}/verify/{run}")).As<Verify>()).IsOpen, "the comparison to end", Installation.Patience);
            var compared = found!.Tables.Where(t => t.Table is "public.soft" or "public.soft_full" or "public.soft_flag" or "public.keeps" or "public.frozen").ToList();
            Assert.True(compared.Count >= 5 && compared.All(t => t.State == "EQUAL"), string.Join("; ", found.Tables));
        }
    }

    static string Statement(Random random)
    {
        var table = random.Next(3) switch { 0 => "soft", 1 => "soft_full", _ => "soft_flag" };
        var (id, other) = (random.Next(1, 201).ToString(CultureInfo.InvariantCulture), random.Next(1, 201).ToString(CultureInfo.InvariantCulture));
        // Under the default identity a moved row whose large value is not in the stream leaves no mark.
        var movable = table != "soft_full" ? "AND big IS NULL" : "";
        return random.Next(40) switch
        {
            < 10 => $"INSERT INTO {table} VALUES ({id}, 'i{other}', NULL) ON CONFLICT (id) DO UPDATE SET v = 'u{other}'",
            < 18 => $"DELETE FROM {table} WHERE id = {id}",
            < 24 => $"UPDATE {table} SET v = v || '.' WHERE id = {id}",
            < 30 => $"UPDATE {table} SET id = {other} WHERE id = {id} {movable} AND NOT EXISTS (SELECT FROM {table} WHERE id = {other})",
            < 34 => $"UPDATE {table} SET big = repeat(md5('{other}'), 90) WHERE id = {id}",
            < 36 => $"DELETE FROM {table} WHERE id % 3 = {random.Next(3)}",
            < 38 => $"INSERT INTO {table} SELECT i, 'many', NULL FROM generate_series(1, 200) i ON CONFLICT DO NOTHING",
            38 => $"UPDATE {table} SET v = 'all'",
            _ => random.Next(4) == 0 ? $"TRUNCATE {table}" : $"DELETE FROM {table} WHERE id = {id}; INSERT INTO {table} VALUES ({id}, 'twice', repeat(md5('{other}'), 90))",
        };
    }

    static async Task<IReadOnlyList<string>> RowsAsync(PostgresServer server, string sql)
    {
        await using var connection = await server.OpenAsync(Installation.Database);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
            rows.Add(string.Join('\u0001', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "NULL" : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))));
        return rows;
    }
}
