using System.Diagnostics;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Evaluation;
using Xunit;

namespace Rosetta.Transforms.Tests.Evaluation;

/// <summary>What expressions make of values in text form, and what becomes of values that they cannot hold.</summary>
public sealed class EvaluationTests
{
    [Theory]
    [InlineData("n + small", "42", "n", "40", "small", "2")]
    [InlineData("flag AND n > 3", "true", "flag", "t", "n", "4")]
    [InlineData("amount * 2", "-246.90", "amount", "-123.45")]
    [InlineData("free + 0", "12345678901234567890.0000000001", "free", "12345678901234567890.0000000001")]
    [InlineData("free + 0", "5.5000000000", "free", "5.50000000000000")]
    [InlineData("r * 2", "3.0", "r", "1.5")]
    [InlineData("d + 0", "nan", "d", "NaN")]
    [InlineData("d + 0", "-inf", "d", "-Infinity")]
    [InlineData("code || '!'", "ab!", "code", "ab  ")]
    [InlineData("name || '!'", "ab  !", "name", "ab  ")]
    [InlineData("uid::VARCHAR", "f0000000-0000-0000-0000-000000000001", "uid", "f0000000-0000-0000-0000-000000000001")]
    [InlineData("day::VARCHAR", "2026-02-28", "day", "2026-02-28")]
    [InlineData("day::VARCHAR", "infinity", "day", "infinity")]
    [InlineData("day::VARCHAR", "-infinity", "day", "-infinity")]
    [InlineData("day::VARCHAR", "0045-03-15 (BC)", "day", "0045-03-15 BC")]
    [InlineData("day::VARCHAR", "0001-01-01", "day", "0001-01-01")]
    [InlineData("ts::VARCHAR", "2026-02-28 12:34:56.789012", "ts", "2026-02-28 12:34:56.789012")]
    [InlineData("ts::VARCHAR", "infinity", "ts", "infinity")]
    [InlineData("ts::VARCHAR", "-infinity", "ts", "-infinity")]
    [InlineData("atz::VARCHAR", "2026-02-28 10:04:56+00", "atz", "2026-02-28 12:34:56+02:30")]
    [InlineData("clock::VARCHAR", "24:00:00", "clock", "24:00:00")]
    [InlineData("clock::VARCHAR", "01:02:03.5", "clock", "01:02:03.5")]
    [InlineData("doc->>'a'", "x", "doc", "{\"a\": \"x\"}")]
    [InlineData("(js->'a')", "{\"b\":[1,2]}", "js", "{\"a\":{\"b\":[1,2]}}")]
    [InlineData("hex(raw)", "00FF41", "raw", "\\x00ff41")]
    [InlineData("upper(mood)", "HAPPY", "mood", "happy")]
    [InlineData("coalesce(status, 'none')", "none")]
    [InlineData("length(status)", "0", "status", "")]
    [InlineData("length(status)", "5", "status", "größe")]
    [InlineData("left(name, 1) || repeat('*', 3)", "J***", "name", "Jane")]
    [InlineData("lpad(n::VARCHAR, 6, '0')", "000042", "n", "42")]
    [InlineData("TRY_CAST(status AS INTEGER)", null, "status", "x")]
    [InlineData("\"a\" || \"A\"", "1x", "a", "1", "A", "x")]
    [InlineData("\"Odd \"\"Name\" + 1", "4", "Odd \"Name", "3")]
    [InlineData("CASE WHEN n > 1 THEN 'many' ELSE 'one' END", "many", "n", "2")]
    [InlineData("md5(name)", "827ccb0eea8a706c4c34a16891f84e7b", "name", "12345")]
    public void Should_compute_from_text_form(string expression, string? expected, params string[] values)
    {
        var row = values.Chunk(2).Select(v => (v[0], (string?)v[1])).ToArray();

        Assert.Equal(expected, Rows.Evaluate(expression, null, row)[0]);
    }

    [Theory]
    [InlineData("amount + 0", "amount", "NaN", "NaN")]
    [InlineData("free + 0", "free", "Infinity", "infinite")]
    [InlineData("free + 0", "free", "0.00000000001", "after the point")]
    [InlineData("free + 0", "free", "12345678901234567890123456789", "before the point")]
    [InlineData("ts + INTERVAL 0 DAY", "ts", "294250-01-01 00:00:00", "past DuckDB's last one")]
    [InlineData("status::INTEGER", "status", "secret", "Could not convert")]
    [InlineData("n * 2000000000", "n", "2000000000", "Overflow")]
    [InlineData("doc->>'a'", "doc", "{bad", "Malformed JSON")]
    public void Should_name_the_row_and_never_make_a_null_of_what_it_cannot_hold(string expression, string column, string value, string says)
    {
        var good = value switch { "secret" => "1", "{bad" => "{}", _ when column == "ts" => "2026-01-01 00:00:00", _ => "1" };
        var rows = Enumerable.Range(0, 1500).Select(i => new[] { (column, (string?)(i == 1234 ? value : good)) }).ToArray();

        var error = Assert.Throws<EvaluationException>(() => Rows.Evaluate(expression, null, rows));

        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Equal(1234, error.Row);
        Assert.DoesNotContain("rosetta_rows", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chr(0) || 'x'", "code 0")]
    [InlineData("make_date(5880000, 1, 1)", "outside of what PostgreSQL's date")]
    [InlineData("make_timestamp(-20000, 1, 1, 0, 0, 0)", "outside of what PostgreSQL's timestamp")]
    public void Should_refuse_a_computed_value_that_PostgreSQL_cannot_hold(string expression, string says)
    {
        using var engine = new DuckEngine();
        var transform = TransformCompiler.Compile(Orders.Request(null, $"SELECT id, {expression} AS x FROM orders"), engine).Transform!;
        using var evaluator = new TransformEvaluator(transform, engine);

        var error = Assert.Throws<EvaluationException>(() => evaluator.Evaluate(Rows.Set(transform, [("n", "1")]), new EvaluatedRows()));

        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, error.Row);
    }

    [Fact]
    public void Should_leave_rows_out_before_their_expressions_are_looked_at()
    {
        Assert.Equal(
            (IEnumerable<string?>)["1", "(out)", "(out)", "2"],
            Rows.Evaluate("status::INTEGER", "flag", [("flag", "t"), ("status", "1")], [("flag", "f"), ("status", "x")], [("status", "y")], [("flag", "t"), ("status", "2")]));
    }

    [Fact]
    public void Should_evaluate_again_and_again_and_by_several_at_once()
    {
        using var engine = new DuckEngine();
        var transform = TransformCompiler.Compile(Orders.Request("n % 2 = 0", "SELECT id, n * 2 AS x FROM orders"), engine).Transform!;

        Parallel.For(0, 3, worker =>
        {
            using var evaluator = new TransformEvaluator(transform, engine);
            var evaluated = new EvaluatedRows();
            for (var round = 0; round < 20; round++)
            {
                var count = 100 * (round + worker);
                evaluator.Evaluate(Rows.Set(transform, [.. Enumerable.Range(0, count).Select(i => new[] { ("n", (string?)$"{i}") })]), evaluated);
                Assert.Equal((count + 1) / 2, evaluated.Kept);
            }
        });
    }

    [Fact]
    public void Should_be_interrupted_when_it_takes_too_long_and_go_on_afterwards()
    {
        using var engine = new DuckEngine(new EngineLimits(128, TimeSpan.FromMilliseconds(300)));
        // As much work as the size bound allows, over rows that are large.
        var heavy = string.Join(" + ", Enumerable.Range(0, 30).Select(i => $"length(regexp_replace(status, '([a-z]+{i})*x', 'y', 'g'))"));
        var transform = TransformCompiler.Compile(Orders.Request(null, $"SELECT id, {heavy} AS x FROM orders"), engine).Transform!;
        using var evaluator = new TransformEvaluator(transform, engine);
        var large = new string('a', 20_000);
        var watch = Stopwatch.StartNew();

        var error = Assert.Throws<EvaluationException>(() =>
            evaluator.Evaluate(Rows.Set(transform, [.. Enumerable.Range(0, 3000).Select(_ => new[] { ("status", (string?)large) })]), new EvaluatedRows()));

        Assert.Contains("took longer", error.Message, StringComparison.Ordinal);
        Assert.Equal(-1, error.Row);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"It took {watch.Elapsed} to be interrupted.");
        evaluator.Evaluate(Rows.Set(transform, [("status", "a")]), new EvaluatedRows());
    }

    [Fact]
    public void Should_reach_nothing_even_if_SQL_got_past_the_checks()
    {
        using var engine = new DuckEngine();
        using var connection = engine.Connect();
        foreach (var sql in new[]
        {
            "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/*')", "COPY (SELECT 1) TO '/tmp/rosetta-x'",
            "ATTACH '/tmp/rosetta-x.db'", "INSTALL httpfs", "LOAD httpfs", "SET threads = 8", "SET memory_limit = '100GB'", "SET enable_external_access = true",
            "RESET lock_configuration", "PRAGMA memory_limit='10GB'", "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')", "EXPORT DATABASE '/tmp/rosetta-x'",
        })
            Assert.Throws<DuckException>(() => connection.Query(sql));
        Assert.False(File.Exists("/tmp/rosetta-x") || File.Exists("/tmp/rosetta-x.db") || Directory.Exists("/tmp/rosetta-x"));

        using var impatient = new DuckEngine(new EngineLimits(64, TimeSpan.FromSeconds(1)));
        using var short1 = impatient.Connect();
        Assert.Contains("took longer", Assert.Throws<DuckException>(() => short1.Query("WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x FROM r) SELECT count(*)::VARCHAR FROM r")).Message, StringComparison.Ordinal);
        Assert.Throws<DuckException>(() => short1.Query("SELECT (count(DISTINCT a.range * b.range))::VARCHAR FROM range(1000000) a, range(1000000) b"));
        Assert.Equal("1", short1.Query("SELECT 1::VARCHAR")[0][0]);
    }

    [Fact]
    public void Should_allow_only_functions_that_DuckDB_has_and_calls_deterministic()
    {
        using var engine = new DuckEngine();
        using var connection = engine.Connect();
        var known = connection.Query("SELECT lower(function_name), string_agg(DISTINCT coalesce(stability, function_type), ',') FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') GROUP BY 1")
            .ToDictionary(r => r[0]!, r => r[1]!);

        foreach (var name in AllowedFunctions.Names.Where(n => n is not "->"))
        {
            Assert.True(known.TryGetValue(name, out var stability), $"DuckDB has no function {name}.");
            Assert.True(stability is "CONSISTENT" or "macro", $"{name} is {stability}.");
        }
    }
}
