using System.Diagnostics;
using CsCheck;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Copies;
using Rosetta.Transforms.Engine;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Transforms.Tests.Evaluation;

/// <summary>
/// Random expressions over the bytes of a real server's rows, against what the server answers for the same SQL, byte for byte, where DuckDB and
/// PostgreSQL mean the same by it.
/// </summary>
public sealed class PostgresAnswerTests(ITestOutputHelper output) : IAsyncLifetime
{
    const int RowCount = 400;

    PostgresServer? _server;
    PgConnection? _connection;
    TableDescription? _table;

    public async Task InitializeAsync()
    {
        _server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "transform" });
        await _server.ExecuteAsync(Schema);
        var endpoint = new PgEndpoint { Host = _server.Host, Port = _server.Port, Database = "postgres", User = "postgres" };
        _connection = await PgConnection.OpenAsync(endpoint);
        await _connection.QueryAsync("SET TimeZone = 'UTC'");
        await using var database = new SourceDatabase(endpoint);
        _table = await new SourceCatalog(database).DescribeAsync(new TableName("public", "t"), CancellationToken.None);
    }

    public async Task DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
    }

    const string Schema =
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE t (id bigint PRIMARY KEY, n int, s smallint, b bigint, f boolean, r real, d float8, m numeric(10,2), q numeric, txt text, v varchar(30), c char(6),
            u uuid, dt date, ts timestamp, tz timestamptz, tm time, js json, jb jsonb, raw bytea, mo mood, tags text[], g bigint GENERATED ALWAYS AS (n::bigint * 2) STORED);
        SELECT setseed(0.4);
        INSERT INTO t SELECT i, (random()*200-100)::int, (random()*20-10)::int, (random()*1e9-5e8)::bigint, random() < 0.5, (random()*100)::int, random()*1e6,
            (random()*2000-1000)::numeric(10,2), (random()*1e8)::numeric(20,6), repeat(chr(97+(random()*20)::int), (random()*12)::int), 'v' || (random()*50)::int,
            'c' || (random()*9)::int, md5(i::text)::uuid, '2020-01-01'::date + (random()*3000-1500)::int, '2020-01-01'::timestamp + random()*1e8*interval '1 s',
            '2020-01-01'::timestamptz + random()*1e8*interval '1 s', '00:00'::time + random()*86399*interval '1 s', json_build_object('a', i, 'b', json_build_object('c', 'x' || i)),
            jsonb_build_object('k', 'v' || i % 7, 'l', jsonb_build_array(i, i + 1)), decode(md5(i::text), 'hex'), CASE WHEN i % 2 = 0 THEN 'sad' ELSE 'happy' END::mood, ARRAY['x']
          FROM generate_series(1, 390) i;
        INSERT INTO t (id) SELECT generate_series(391, 394);
        INSERT INTO t (id, n, r, d, q, txt, dt, ts, tz, tm, jb) VALUES
            (395, 2147483647, 'NaN', 'Infinity', 0, '', 'infinity', 'infinity', 'infinity', '24:00:00', '[]'),
            (396, -2147483648, '-Infinity', 'NaN', -0.0000000001, 'größe', '-infinity', '-infinity', '-infinity', '00:00', 'null'),
            (397, 0, '-0', '-0', 9999999999999999999999999999.9999999999, E'a\nb', '4713-01-01 BC', '4713-01-01 BC', '4713-01-01 BC', '23:59:59.999999', '"x"'),
            (398, 1, 1.5, 2.25, 1e20, 'Ünï', '5874897-12-31', '2262-04-11', '1969-12-31 23:59:59.999999', '12:00', '{}'),
            (399, 1, 1.5, 2.25, 10000, 'x', '1600-02-29', '0001-01-01', '0001-12-31 BC', '12:00', '1.50'), (400, 1, 1, 1, 0.5, 'y', '2000-02-29', '2000-01-01', '2000-01-01', '1:00', '1');
        """;

    static Gen<string> Of(params string[] choices) => Gen.Int[0, choices.Length - 1].Select(i => choices[i]);

    static readonly Gen<string> Number = Of("n", "s", "id", "7", "-3", "0", "length(txt)", "length(v)");

    static readonly Gen<string> Text = Of("txt", "v", "'x'", "''", "mo::text", "u::text", "(jb->>'k')", "(js->>'a')", "n::text", "dt::text", "f::text");

    static readonly Gen<string> Condition = Gen.Recursive<string>((depth, self) => depth > 3
        ? Of("f", "NOT f", "n IS NULL", "txt IS NOT NULL")
        : Gen.OneOf(
            Of("f", "d > 5", "r IS NULL", "dt = '2020-02-02'", "ts > '2021-01-01 10:00:00'", "tz < '2022-01-01 00:00:00+00'", "m >= 10.5", "q > 1000", "mo = 'sad'",
                "u = '00000000-0000-0000-0000-000000000000'", "tm > '12:00:00'", "b % 2 = 0", "v LIKE 'v1%'", "txt NOT LIKE '%a'", "c = 'c1'", "dt > '2019-06-01'", "n BETWEEN 1 AND 50", "s IN (1, 2, 3)"),
            Gen.Select(Number, Of("=", "<>", "<", ">=", "IS DISTINCT FROM"), Number, (a, o, b) => $"({a} {o} {b})"),
            Gen.Select(Text, Text, (a, b) => $"({a} = {b})"),
            Gen.Select(self, self, Of("AND", "OR"), (a, b, o) => $"({a} {o} {b})"),
            self.Select(a => $"(NOT {a})")));

    static readonly Gen<string> Expression = Gen.OneOf(
        Gen.Select(Number, Number, Of("+", "-", "*"), (a, b, o) => $"({a}::bigint {o} {b}::bigint)"),
        Gen.Select(Text, Text, (a, b) => $"({a} || {b})"),
        Gen.Select(Text, Gen.Int[1, 9], (a, n) => $"left({a}, {n})"),
        Gen.Select(Text, Gen.Int[1, 9], (a, n) => $"lpad({a}, {n}, '*')"),
        Text.Select(a => $"md5({a})"),
        Text.Select(a => $"replace({a}, 'v', 'ww')"),
        Text.Select(a => $"reverse({a})"),
        Text.Select(a => $"coalesce({a}, 'none')"),
        Gen.Select(Condition, Text, Text, (c, a, b) => $"(CASE WHEN {c} THEN {a} ELSE {b} END)"),
        Condition,
        Of(
            "m + 1", "m * 2", "m - m", "-m", "q", "q + 0", "abs(n::bigint)", "d * 2", "d + 1", "r + r", "dt + 1", "ts + INTERVAL '1' DAY", "date_trunc('month', ts)", "tm", "tz", "dt", "u", "raw", "md5(txt)",
            "upper(v)", "lower(v)", "split_part(v, '1', 1)", "n::float8", "n::numeric(20,3)", "m::text", "greatest(n, s)", "substring(txt FROM 2 FOR 3)", "starts_with(txt, 'a')", "strpos(txt, 'a')", "ltrim(txt, 'a')",
            "(js->'b')->>'c'", "trim(c)", "c || '.'", "b::text", "ascii(v)", "sign(m)", "n = 3"));

    [Fact]
    public async Task Should_answer_as_the_server_does_byte_for_byte()
    {
        using var engine = new DuckEngine();
        // Wrapped in coalesce-free CASE so that a bare column is computed, not passed through.
        await Gen.Select(Expression, Expression, Condition, Gen.Int[0, 3]).SampleAsync(
            async (a, b, filter, size) => await CompareAsync(engine, Computed(a), Computed(b), filter, size switch { 0 => 1 << 20, 1 => 4096, 2 => 517, _ => 61 }), iter: 150, threads: 1);
    }

    static string Computed(string expression) => $"(CASE WHEN true THEN {expression} END)";

    async Task CompareAsync(DuckEngine engine, string a, string b, string filter, int pieceSize)
    {
        // The two rows with numbers past an integer's or date's arithmetic have tests of their own.
        const string range = "id NOT IN (395, 396, 397, 398)";
        var request = TransformRequest.Of(_table!, null, new TransformChoice($"{range} AND {filter}", $"SELECT id, {a} AS a, tags, {b} AS b, txt AS other FROM t"));
        var compiled = TransformCompiler.Compile(request, engine);
        Assert.True(compiled.Transform is not null, compiled.Describe());
        var transform = compiled.Transform!;
        var names = transform.Needed.Select(i => transform.Columns[i].Name).ToList();
        var rows = await CopyBytes.OfAsync(_connection!, $"SELECT {string.Join(", ", names)} FROM t ORDER BY id");

        var source = new TransformedCopySource(new CopyBytes(names, rows, pieceSize), transform, engine);
        var actual = await CopyBytes.OfAsync(source);

        var types = transform.Output.ToDictionary(c => c.Name, c => c.TypeSql);
        var expected = await CopyBytes.OfAsync(
            _connection!, $"SELECT id, ({a})::{types["a"]}, tags, ({b})::{types["b"]}, txt FROM t WHERE {range} AND ({filter}) ORDER BY id");
        Assert.Equal(expected, actual);
        Assert.Equal(RowCount, source.Read);
    }

    [Fact]
    public async Task Should_give_special_values_back_as_they_were()
    {
        using var engine = new DuckEngine();
        string[] columns = ["n", "r", "d", "q", "txt", "dt", "ts", "tz", "tm", "u", "raw", "f", "b", "s", "m"];
        var list = string.Join(", ", columns.Select(c => $"CASE WHEN true THEN {c} END AS {c}_x"));
        var transform = TransformCompiler.Compile(TransformRequest.Of(_table!, null, new TransformChoice(null, $"SELECT id, {list} FROM t")), engine).Transform!;
        var names = transform.Needed.Select(i => transform.Columns[i].Name).ToList();
        var rows = await CopyBytes.OfAsync(_connection!, $"SELECT {string.Join(", ", names)} FROM t ORDER BY id");

        var actual = await CopyBytes.OfAsync(new TransformedCopySource(new CopyBytes(names, rows, 1000), transform, engine));

        // The scale of a numeric without one is not kept: it is DuckDB's.
        var expected = await CopyBytes.OfAsync(_connection!, $"SELECT id, {string.Join(", ", columns.Select(c => c == "q" ? "q::numeric(38,10)" : c))} FROM t ORDER BY id");
        Assert.Equal(expected, actual);
    }

    [Fact]
    public async Task Should_filter_and_compute_at_a_rate_that_a_copy_can_live_with()
    {
        using var engine = new DuckEngine();
        await _connection!.QueryAsync("CREATE TABLE big AS SELECT (t.id + 1000 * k) AS id, n, s, b, f, r, d, m, txt, v, u, ts FROM t, generate_series(1, 250) k WHERE t.id < 391");
        var transform = TransformCompiler.Compile(
            TransformRequest.Of(_table!, ["id", "n", "s", "b", "f", "r", "d", "m", "txt", "u", "ts"], new TransformChoice("n > -90", "SELECT *, upper(v) AS v, m * 2 AS m2 FROM t")), engine).Transform!;
        var names = transform.Needed.Select(i => transform.Columns[i].Name).ToList();
        var rows = await CopyBytes.OfAsync(_connection!, $"SELECT {string.Join(", ", names)} FROM big");

        var watch = Stopwatch.StartNew();
        var source = new TransformedCopySource(new CopyBytes(names, rows, 256 * 1024), transform, engine);
        await foreach (var _ in source.ReadAsync(CancellationToken.None))
        {
        }

        output.WriteLine($"{source.Read} rows, {rows.Length >> 20} MB in {watch.ElapsedMilliseconds} ms: {watch.Elapsed.TotalMicroseconds / source.Read:0.00} us a row");
        Assert.Equal(97_500, source.Read);
        Assert.InRange(source.Rows!.Value, 1, source.Read - 1);
    }
}
