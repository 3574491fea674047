using System.Globalization;
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

/// <summary>Filters, computed columns and a choice of columns, in the copy and in the stream alike.</summary>
public sealed class TransformTests(ITestOutputHelper output)
{
    const string Schema =
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE orders (id bigint PRIMARY KEY, customer text, status text NOT NULL, amount numeric(12,2), region int, doc jsonb, mood mood, secret text, at timestamptz);
        CREATE TABLE notes (id int PRIMARY KEY, open boolean, body text, tag text); ALTER TABLE notes REPLICA IDENTITY FULL; ALTER TABLE notes ALTER body SET STORAGE EXTERNAL;
        CREATE TABLE events (kind text, n int); ALTER TABLE events REPLICA IDENTITY FULL;
        CREATE TABLE plain (id int PRIMARY KEY, v text);
        INSERT INTO orders SELECT i, 'Customer ' || i, (ARRAY['open', 'paid', 'draft'])[1 + i % 3], i * 1.25, i % 7, jsonb_build_object('city', 'c' || i % 5), 'sad', 'secret', '2026-01-01'::timestamptz + i * interval '1 min'
          FROM generate_series(1, 3000) i;
        INSERT INTO notes SELECT i, i % 2 = 0, repeat('body ' || i, 800), 'tag' || i FROM generate_series(1, 300) i;
        INSERT INTO events SELECT 'k' || i % 3, i % 10 FROM generate_series(1, 300) i;
        INSERT INTO plain SELECT i, 'v' || i FROM generate_series(1, 10) i;
        """;

    static readonly IReadOnlyList<TableSync> Tables =
    [
        new("orders", Columns: ["id", "status", "amount", "region", "at"], FilterSql: "status <> 'draft' AND region > 2",
            CustomSql: "SELECT *, upper(customer) AS who, amount * 2 AS twice, doc->>'$.city' AS city FROM orders"),
        new("notes", FilterSql: "open AND length(body) > 0", CustomSql: "SELECT id, body, md5(body) AS digest, left(tag, 3) || id::VARCHAR AS label FROM notes"),
        new("events", FilterSql: "kind <> 'k0'"),
        new("plain"),
    ];

    /// <summary>The same at the source, in PostgreSQL's words.</summary>
    static readonly (string Table, string Source, string Target)[] Expected =
    [
        ("orders",
            "SELECT id, status, amount, region, at, upper(customer), (amount * 2)::numeric(18,2), doc->>'city' FROM orders WHERE status <> 'draft' AND region > 2 ORDER BY id",
            "SELECT id, status, amount, region, at, who, twice, city FROM orders ORDER BY id"),
        ("notes", "SELECT id, body, md5(body), left(tag, 3) || id FROM notes WHERE open AND length(body) > 0 ORDER BY id", "SELECT id, body, digest, label FROM notes ORDER BY id"),
        ("events", "SELECT kind, n FROM events WHERE kind <> 'k0' ORDER BY kind COLLATE \"C\", n", "SELECT kind, n FROM events ORDER BY kind COLLATE \"C\", n"),
        ("plain", "SELECT id, v FROM plain ORDER BY id", "SELECT id, v FROM plain ORDER BY id"),
    ];

    [Fact]
    public async Task Should_filter_and_compute_in_copy_and_stream_alike()
    {
        await using var installation = await Installation.StartAsync();
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api, tables: Tables, attach: 1);
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        // Changes come while the copy is made, and after it.
        for (var i = 0; i < 40; i++)
            await ChangeAsync(installation, random);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        for (var i = 0; i < 150; i++)
            await ChangeAsync(installation, random);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await CompareAsync(installation, 0);
        Assert.Equal(
            "id bigint, status text, amount numeric(12,2), region integer, at timestamp with time zone, who text, twice numeric(18,2), city text",
            await installation.Targets[0].ScalarAsync<string>(
                "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0",
                Installation.Database));

        // What the first destination got change by change the second gets as a copy.
        await installation.AttachAsync(node.Api, pipeline, 1, "second", Tables);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await CompareAsync(installation, 1);

        // A new column of the source joins a choice that says *, unless it is not among the chosen ones.
        await installation.Source.ExecuteAsync(
            "ALTER TABLE events ADD COLUMN extra text; INSERT INTO events VALUES ('k1', 1, 'x'), ('k0', 1, 'y'); ALTER TABLE orders ADD COLUMN more int DEFAULT 3; UPDATE orders SET more = 4, region = 6 WHERE id < 50",
            Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await CompareAsync(installation, 0);
        Assert.Equal("x", await installation.Targets[0].ScalarAsync<string>("SELECT string_agg(extra, ',') FROM events", Installation.Database));
    }

    /// <summary>A transaction with rows that come, go, cross the filter in both directions, move to another key, and leave large values alone.</summary>
    static async Task ChangeAsync(Installation installation, Random random)
    {
        string Id() => random.Next(1, 3200).ToString(CultureInfo.InvariantCulture);
        string Note() => random.Next(1, 320).ToString(CultureInfo.InvariantCulture);
        string[] statements =
        [
            $"UPDATE orders SET status = 'draft' WHERE id BETWEEN {Id()} AND {Id()} AND id % 5 = {random.Next(5)}",
            $"UPDATE orders SET status = 'paid', amount = amount + 1.5 WHERE id % 97 = {random.Next(97)}",
            $"UPDATE orders SET region = {random.Next(7)} WHERE id = {Id()}",
            $"UPDATE orders SET secret = 'other' WHERE id % 31 = {random.Next(31)}",
            $"DELETE FROM orders WHERE id = {Id()}",
            $"INSERT INTO orders (id, status, region, customer, amount, doc) VALUES ({Id()}, 'open', {random.Next(7)}, NULL, {random.Next(1000)}.75, NULL) ON CONFLICT DO NOTHING",
            $"UPDATE orders SET id = id + 10000 WHERE id = {Id()}", $"UPDATE orders SET id = id + 20000, status = 'draft' WHERE id = {Id()}",
            $"UPDATE orders SET id = id - 10000, status = 'open', region = 5 WHERE id = (SELECT max(id) FROM orders WHERE id BETWEEN 10000 AND 19999) AND NOT EXISTS (SELECT FROM orders o WHERE o.id = orders.id - 10000)",
            $"UPDATE notes SET open = NOT open WHERE id % 13 = {random.Next(13)}",
            $"UPDATE notes SET tag = 't' || {random.Next(100)} WHERE id = {Note()}",
            $"UPDATE notes SET body = repeat('other' || {random.Next(100)}, 700) WHERE id = {Note()}",
            $"UPDATE notes SET id = id + 1000 WHERE id = {Note()}", $"DELETE FROM notes WHERE id = {Note()}",
            $"UPDATE events SET kind = 'k{random.Next(3)}' WHERE n = {random.Next(10)}", $"DELETE FROM events WHERE ctid = (SELECT min(ctid) FROM events WHERE n = {random.Next(10)})",
            $"INSERT INTO events VALUES ('k{random.Next(3)}', {random.Next(10)})", $"UPDATE plain SET v = 'w{random.Next(100)}' WHERE id = {random.Next(1, 11)}",
        ];
        var chosen = Enumerable.Range(0, random.Next(1, 5)).Select(_ => statements[random.Next(statements.Length)]);
        await installation.Source.ExecuteAsync($"BEGIN; {string.Join("; ", chosen)}; COMMIT", Installation.Database);
    }

    static async Task CompareAsync(Installation installation, int target)
    {
        foreach (var (table, source, there) in Expected)
        {
            var expected = await BytesAsync(installation.Source, source);
            var actual = await BytesAsync(installation.Targets[target], there);
            Assert.True(expected.AsSpan().SequenceEqual(actual), $"{table} at target {target + 1} is not what the source's SELECT gives ({expected.Length} and {actual.Length} bytes).");
            Assert.True(expected.Length > 100, $"{table} has next to no rows.");
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

    [Fact]
    public async Task Should_stop_a_table_whose_transform_fails_and_go_on_when_it_is_corrected()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync();
        var api = node.Api;
        var pipeline = await installation.CreatePipelineAsync(api, start: false, tables:
            [new("orders", CustomSql: "SELECT id, status, CAST(customer AS INTEGER) AS number FROM orders WHERE region = 100"), new("notes", FilterSql: "length(body) > 0"), new("plain")]);
        var destination = (await Installation.DestinationIdsAsync(api, pipeline))[0];
        var tables = $"pipelines/{pipeline}/destinations/{destination}/tables";

        foreach (var (filter, custom) in new[]
        {
            ("read_csv('/etc/passwd') IS NULL", null), ("true; DROP TABLE x", null), (null, "COPY orders TO '/tmp/x'"), (null, "SELECT * FROM read_text('/etc/passwd')"), ((string?)null, (string?)"SELECT status FROM orders"),
            ("nope = 1", null), ("length(repeat('x', 2000000000)) > 1", null), (null, "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM orders"),
        })
        {
            var refused = await Assert.ThrowsAsync<ApiException>(() => api.SendAsync(HttpMethod.Put, tables, new ReplaceTables([new TableSync("orders", FilterSql: filter, CustomSql: custom)])));
            Assert.Equal(422, refused.Status);
            Assert.Equal(filter is null ? "table_syncs[0].custom_sql" : "table_syncs[0].filter_sql", Assert.Single(refused.Errors).Key);
        }

        var preview = (await api.PostAsync($"{tables}/public.orders/preview", new PreviewTransform("region = 3", "SELECT id, upper(customer) AS who, region FROM orders", null, 3))).As<TransformPreview>();
        Assert.Equal(["id bigint False", "who text True", "region integer False"], preview.Columns.Select(c => $"{c.Name} {c.Type} {c.Computed}"));
        Assert.Equal(["3", "CUSTOMER 3", "3"], preview.Rows[0]);
        Assert.Equal((3, 500L), (preview.Rows.Count, preview.Read));
        Assert.InRange(preview.Kept, 60, 80);

        await api.PostAsync($"pipelines/{pipeline}/start");
        await installation.WaitUntilCaughtUpAsync(api, pipeline);
        await installation.Source.ExecuteAsync(
            "INSERT INTO orders (id, status, region, customer) VALUES (5001, 'x', 100, '17'); INSERT INTO plain VALUES (11, 'before')", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(api, pipeline);
        Assert.Equal(17, await installation.Targets[0].ScalarAsync<int>("SELECT number FROM orders", Installation.Database));

        // A row that the expression cannot take: that table stops and says which row it was; the others go on.
        await installation.Source.ExecuteAsync("BEGIN; INSERT INTO plain VALUES (12, 'with'); INSERT INTO orders (id, status, region, customer) VALUES (5002, 'x', 100, 'no number'); COMMIT; INSERT INTO plain VALUES (13, 'after')", Installation.Database);
        await Wait.UntilAsync(
            async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM plain", Installation.Database) == 13 && (await TableAsync(api, pipeline, "public.orders")).State == "ERROR",
            "the other tables to go on", Installation.Patience);
        var stopped = await TableAsync(api, pipeline, "public.orders");
        Assert.Contains("id=5002", stopped.Error, StringComparison.Ordinal);
        Assert.Contains("Could not convert", stopped.Error, StringComparison.Ordinal);
        Assert.Contains("TRY_CAST", stopped.Remedy, StringComparison.Ordinal);

        // Corrected, it is copied again by itself, since its rows are to be made otherwise.
        await api.PostAsync($"pipelines/{pipeline}/pause");
        await Wait.UntilAsync(async () => (await Installation.PipelineAsync(api, pipeline)).Runtime?.State == "STOPPED", "the pipeline to stop", Installation.Patience);
        await api.SendAsync(HttpMethod.Put, tables, new ReplaceTables(
            [new TableSync("orders", CustomSql: "SELECT id, status, TRY_CAST(customer AS INTEGER) AS number FROM orders WHERE region = 100 OR id < 3"), new TableSync("notes", FilterSql: "length(body) > 0"), new TableSync("plain")]));
        await api.PostAsync($"pipelines/{pipeline}/start");
        await installation.WaitUntilCaughtUpAsync(api, pipeline);
        Assert.Equal("1:,2:,5001:17,5002:", await installation.Targets[0].ScalarAsync<string>("SELECT string_agg(id || ':' || coalesce(number::text, ''), ',' ORDER BY id) FROM orders", Installation.Database));

        // A column that a filter reads disappears.
        await installation.Source.ExecuteAsync("ALTER TABLE notes RENAME body TO text; INSERT INTO notes VALUES (400, true, 'x', 'y'); INSERT INTO plain VALUES (14, 'x')", Installation.Database);
        await Wait.UntilAsync(async () => (await TableAsync(api, pipeline, "public.notes")).State == "ERROR", "notes to stop", Installation.Patience);
        Assert.Contains("no column body", (await TableAsync(api, pipeline, "public.notes")).Error, StringComparison.Ordinal);
        await Wait.UntilAsync(async () => await installation.Targets[0].ScalarAsync<long>("SELECT count(*) FROM plain", Installation.Database) == 14, "plain to go on", Installation.Patience);
    }

    static async Task<DestinationTable> TableAsync(ApiClient api, int pipeline, string table) =>
        (await Installation.PipelineAsync(api, pipeline)).Destinations[0].Tables!.Single(t => t.Table == table);
}
