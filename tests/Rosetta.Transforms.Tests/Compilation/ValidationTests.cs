using Xunit;

namespace Rosetta.Transforms.Tests.Compilation;

/// <summary>What may be saved, and what is refused with words that say what to do.</summary>
public sealed class ValidationTests
{
    [Theory]
    [InlineData("status = 'open'")]
    [InlineData("status = 'open' -- a comment that ends with the line")]
    [InlineData("status = 'open' /* and a comment */ AND n > 3")]
    [InlineData("amount > 10.50 AND free IS NOT NULL")]
    [InlineData("flag")]
    [InlineData("NOT flag OR n IN (1, 2, 3)")]
    [InlineData("orders.n BETWEEN 1 AND 10")]
    [InlineData("public.orders.n <> 3")]
    [InlineData("name LIKE 'a%' AND name NOT ILIKE '%z_'")]
    [InlineData("regexp_matches(name, '^[a-z]+$')")]
    [InlineData("doc->>'kind' = 'x' AND js->'a'->>'b' IS NULL")]
    [InlineData("json_extract_string(doc, '$.a.b[0]') = 'x'")]
    [InlineData("date_trunc('month', ts) = DATE '2026-01-01' AND extract(year FROM day) > 2020")]
    [InlineData("atz > TIMESTAMPTZ '2026-01-01 00:00:00+00' - INTERVAL 3 DAY")]
    [InlineData("uid = '00000000-0000-0000-0000-000000000001'")]
    [InlineData("mood = 'happy' AND length(raw::VARCHAR) < 5")]
    [InlineData("\"Odd \"\"Name\" = 3 AND \"a\" = 1 AND \"A\" = 'x'")]
    [InlineData("coalesce(n, small, 0) % 2 = 0 AND (CASE WHEN flag THEN 1 ELSE 2 END) = 1")]
    [InlineData("split_part(status, ',', 1) = 'a' AND nullif(n, 0) IS DISTINCT FROM 3")]
    [InlineData("TRY_CAST(status AS INTEGER) > 3;")]
    public void Should_take_a_condition_over_one_row(string filter)
    {
        var result = Orders.Compile(filter);

        Assert.True(result.Problems.Count == 0, result.Describe());
        Assert.True(result.Transform!.HasFilter);
    }

    [Theory]
    [InlineData("", "SELECT clause")]
    [InlineData("status =", "syntax error")]
    [InlineData("nope = 1", "no column nope")]
    [InlineData("other.n = 1", "not a column")]
    [InlineData("n", "BOOLEAN")]
    [InlineData("n = 1, flag", "one condition")]
    [InlineData("n = 1 AS x", "one condition")]
    [InlineData("*", "one condition")]
    [InlineData("true FROM orders", "without FROM")]
    [InlineData("true FROM read_csv('/etc/passwd')", "without FROM")]
    [InlineData("true WHERE n = 1", "without FROM")]
    [InlineData("DISTINCT flag", "DISTINCT")]
    [InlineData("flag ORDER BY 1", "ORDER BY")]
    [InlineData("flag LIMIT 1", "LIMIT")]
    [InlineData("flag GROUP BY n", "GROUP BY")]
    [InlineData("flag HAVING true", "HAVING")]
    [InlineData("flag QUALIFY true", "QUALIFY")]
    [InlineData("flag UNION SELECT true", "UNION")]
    [InlineData("true; DROP TABLE x", "only a SELECT")]
    [InlineData("true; SELECT 1", "one statement")]
    [InlineData("true /* x */; /* y */ COPY (SELECT 1) TO '/tmp/x'", "only a SELECT")]
    [InlineData("true --x\n; ATTACH '/tmp/x'", "only a SELECT")]
    [InlineData("true) OR (true", "syntax error")]
    [InlineData("(SELECT true)", "subquery")]
    [InlineData("n IN (SELECT 1)", "subquery")]
    [InlineData("EXISTS (SELECT 1)", "subquery")]
    [InlineData("n = ANY (SELECT 1)", "subquery")]
    [InlineData("n > (SELECT count(*) FROM range(100000000000))", "subquery")]
    [InlineData("n > sum(n)", "sum()")]
    [InlineData("count(*) > 1", "count_star()")]
    [InlineData("row_number() OVER () = 1", "window")]
    [InlineData("n > random()", "random()")]
    [InlineData("uid = uuid()", "uuid()")]
    [InlineData("uid = gen_random_uuid()", "gen_random_uuid()")]
    [InlineData("ts > now()", "now()")]
    [InlineData("day > today()", "today()")]
    [InlineData("day > current_date", "no column current_date")]
    [InlineData("n = nextval('s')", "nextval()")]
    [InlineData("status = current_setting('secret_directory')", "current_setting()")]
    [InlineData("status = getvariable('x')", "getvariable()")]
    [InlineData("status = getenv('HOME')", "getenv()")]
    [InlineData("status = current_user", "no column current_user")]
    [InlineData("status = version()", "version()")]
    [InlineData("read_text('/etc/passwd') IS NULL", "read_text()")]
    [InlineData("json_execute_serialized_sql('x') IS NULL", "json_execute_serialized_sql()")]
    [InlineData("json_serialize_sql('x') IS NULL", "json_serialize_sql()")]
    [InlineData("write_log('x') IS NULL", "write_log()")]
    [InlineData("sleep_ms(1000000) IS NULL", "sleep_ms()")]
    [InlineData("error('x') IS NULL", "error()")]
    [InlineData("hash(status) = 1", "hash()")]
    [InlineData("age(ts) > INTERVAL 1 DAY", "age()")]
    [InlineData("levenshtein(status, status) = 1", "levenshtein()")]
    [InlineData("main.x.upper(status) = 'A'", "without a name and a dot")]
    [InlineData("pg_catalog.upper(status) = 'A'", "without a name and a dot")]
    [InlineData("status.upper() = 'A'", "without a name and a dot")]
    [InlineData("upper(DISTINCT status) = 'A'", "upper()")]
    [InlineData("n = ?", "parameter")]
    [InlineData("n = $1", "parameter")]
    [InlineData("n = #1", "positional reference")]
    [InlineData("status COLLATE nocase = 'a'", "COLLATE")]
    [InlineData("len(list_transform([1], lambda x: x + 1)) = 1", "list_transform()")]
    [InlineData("len(list_transform([1], x -> x + 1)) = 1", "list_transform()")]
    [InlineData("js->n = 1", "path literal")]
    [InlineData("(js->'$.a[*]') IS NULL", "with *")]
    [InlineData("js->'a' IS NULL", "parentheses")]
    [InlineData("COLUMNS('.*') = 1", "* is allowed")]
    [InlineData("tags IS NULL", "cannot read")]
    [InlineData("ip IS NULL", "cannot read")]
    [InlineData("total > 1", "generated")]
    [InlineData("status = 'x'::mood", "cast to that type")]
    [InlineData("unnest([true])", "unnest()")]
    [InlineData("len(range(1000000000000)) > 1", "range()")]
    [InlineData("len(generate_series(1, 1000000000000)) > 1", "generate_series()")]
    [InlineData("length(repeat('x', 1000000000)) > 1", "at most")]
    [InlineData("length(repeat(status, n)) > 1", "has to be a literal")]
    [InlineData("length(repeat(repeat(repeat(status, 1000), 1000), 1000)) > 1", "far larger")]
    [InlineData("length(repeat(repeat('x', 10000), 10000)) > 1", "far larger")]
    [InlineData("length(lpad(status, 1000000000, 'x')) > 1", "at most")]
    [InlineData("length(printf('%1000000000d', n)) > 1", "printf()")]
    [InlineData("length(format('{:1000000000}', n)) > 1", "format()")]
    [InlineData("length(bar(n, 0, 1, 1000000000)) > 1", "bar()")]
    [InlineData("replace(replace(replace(replace(status, 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa') = 'x'", "far larger")]
    [InlineData("replace(status, 'a', name) = 'x'", "has to be a literal")]
    [InlineData("name LIKE status", "has to be a literal")]
    [InlineData("name LIKE '%a_%b_%c_%d_%e'", "wildcards")]
    public void Should_refuse_what_is_no_condition_over_one_row(string filter, string says)
    {
        var result = Orders.Compile(filter);

        Assert.Null(result.Transform);
        Assert.All(result.Problems, p => Assert.Equal("filter_sql", p.Field));
        Assert.Contains(says, result.Describe(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SELECT * FROM orders")]
    [InlineData("select o.* exclude (raw) replace (md5(status) as status) from public.orders as o where o.n > 1")]
    [InlineData("SELECT id, status AS \"State\", amount * 2 AS twice FROM \"orders\"")]
    [InlineData("SELECT id, tags, ip, n + 1 AS next FROM orders")]
    [InlineData("SELECT id, left(name, 1) || '***' AS name, doc->>'$.city' AS city, doc->'tags' AS tags2 FROM orders WHERE flag")]
    [InlineData("SELECT id, to_json(name) AS a, amount::DOUBLE AS b, ts::DATE AS c, n::VARCHAR AS e, uid::VARCHAR AS f FROM orders;")]
    public void Should_take_a_select_row_by_row(string custom)
    {
        var result = Orders.Compile(custom: custom);

        Assert.True(result.Problems.Count == 0, result.Describe());
    }

    [Theory]
    [InlineData("", "there is no statement")]
    [InlineData("SELECT 1 AS id", "no FROM")]
    [InlineData("SELECT * FROM customers", "reads customers")]
    [InlineData("SELECT * FROM sales.orders", "reads orders")]
    [InlineData("SELECT * FROM orders, orders", "one relation only")]
    [InlineData("SELECT a.* FROM orders a, orders b, orders c, orders d, range(1000000000)", "one relation only")]
    [InlineData("SELECT a.* FROM orders a CROSS JOIN orders b", "one relation only")]
    [InlineData("SELECT * FROM (SELECT * FROM orders)", "one relation only")]
    [InlineData("SELECT * FROM read_csv('/etc/passwd')", "one relation only")]
    [InlineData("SELECT * FROM '/etc/passwd'", "reads /etc/passwd")]
    [InlineData("SELECT * FROM 'https://example.com/x.parquet'", "reads https")]
    [InlineData("SELECT * FROM glob('/*')", "one relation only")]
    [InlineData("SELECT * FROM duckdb_secrets()", "one relation only")]
    [InlineData("SELECT * FROM duckdb_settings()", "one relation only")]
    [InlineData("SELECT * FROM information_schema.tables", "reads tables")]
    [InlineData("SELECT * FROM orders TABLESAMPLE 10%", "TABLESAMPLE")]
    [InlineData("SELECT * FROM orders USING SAMPLE 3", "USING SAMPLE")]
    [InlineData("SELECT DISTINCT * FROM orders", "DISTINCT")]
    [InlineData("SELECT * FROM orders ORDER BY id", "ORDER BY")]
    [InlineData("SELECT * FROM orders LIMIT 10", "LIMIT")]
    [InlineData("SELECT id, count(*) AS c FROM orders GROUP BY id", "GROUP BY")]
    [InlineData("SELECT id, count(*) AS c FROM orders GROUP BY ALL", "GROUP BY")]
    [InlineData("SELECT id, sum(n) OVER (PARTITION BY a) AS s FROM orders", "window")]
    [InlineData("SELECT * FROM orders UNION ALL SELECT * FROM orders", "UNION")]
    [InlineData("WITH x AS (SELECT 1) SELECT * FROM orders", "WITH")]
    [InlineData("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM orders", "WITH")]
    [InlineData("VALUES (1)", "one relation only")]
    [InlineData("SELECT * FROM orders; SELECT * FROM orders", "one statement")]
    [InlineData("SELECT * FROM orders; -- harmless\nCOPY orders TO '/tmp/x'", "only a SELECT")]
    [InlineData("COPY orders TO '/tmp/x'", "only a SELECT")]
    [InlineData("ATTACH '/tmp/x.db' AS y", "only a SELECT")]
    [InlineData("INSTALL httpfs", "only a SELECT")]
    [InlineData("LOAD httpfs", "only a SELECT")]
    [InlineData("PRAGMA database_list", "only a SELECT")]
    [InlineData("SET memory_limit = '100GB'", "only a SELECT")]
    [InlineData("CREATE SECRET s (TYPE s3)", "only a SELECT")]
    [InlineData("EXPORT DATABASE '/tmp/x'", "only a SELECT")]
    [InlineData("CALL pragma_version()", "only a SELECT")]
    [InlineData("DELETE FROM orders", "only a SELECT")]
    [InlineData("SELECT * FROM orders WHERE n", "BOOLEAN")]
    [InlineData("SELECT status FROM orders", "key column id")]
    [InlineData("SELECT id + 1 AS id FROM orders", "key column id")]
    [InlineData("SELECT id AS key FROM orders", "key column id")]
    [InlineData("SELECT * REPLACE (id + 0 AS id) FROM orders", "key column id")]
    [InlineData("SELECT id, n + 1 FROM orders", "needs a name")]
    [InlineData("SELECT *, upper(status) AS status FROM orders", "two columns status")]
    [InlineData("SELECT id, total FROM orders", "generated")]
    [InlineData("SELECT id, [n] AS l FROM orders", "cast it to JSON")]
    [InlineData("SELECT id, {'a': n} AS s FROM orders", "struct_pack()")]
    [InlineData("SELECT id, INTERVAL 1 DAY AS i FROM orders", "another type")]
    [InlineData("SELECT id, ts::TIMESTAMP_S AS t FROM orders", "cast to that type")]
    [InlineData("SELECT id, upper(n) AS u FROM orders", "column u")]
    [InlineData("SELECT id, 'x' AS \"\" FROM orders", "zero-length delimited identifier")]
    [InlineData("SELECT id, n AS m, n * 2 AS n2, m + 1 AS m1 FROM orders", "no column m")]
    [InlineData("SELECT COLUMNS('a') FROM orders", "not supported")]
    [InlineData("SELECT * LIKE 'a%' FROM orders", "needs a name")]
    public void Should_refuse_what_is_no_select_row_by_row(string custom, string says)
    {
        var result = Orders.Compile(custom: custom);

        Assert.Null(result.Transform);
        Assert.All(result.Problems, p => Assert.Equal("custom_sql", p.Field));
        Assert.Contains(says, result.Describe(), StringComparison.Ordinal);
    }

    [Fact]
    public void Should_refuse_nesting_and_length_without_harm()
    {
        foreach (var text in new[]
        {
            new string('(', 8_000) + "n" + new string(')', 8_000),
            string.Concat(Enumerable.Repeat("NOT ", 4_000)) + "flag",
            "n = 1" + string.Concat(Enumerable.Repeat("+1", 7_000)),
            "n = " + string.Concat(Enumerable.Repeat("abs(", 3_000)) + "n" + new string(')', 3_000),
            "n IN (" + string.Join(',', Enumerable.Range(0, 3_400)) + ")",
            new string('x', 20_000),
        })
        {
            var result = Orders.Compile(text);
            Assert.Null(result.Transform);
            Assert.Single(result.Problems);
        }
    }

    [Fact]
    public void Should_tell_pass_through_from_computed_and_what_is_read()
    {
        var transform = Orders.Compile("n > 1", "SELECT id, name AS label, upper(status) AS up, n + small AS s FROM orders WHERE flag").Transform!;

        Assert.Equal(["id", "label", "up", "s"], transform.Output.Select(c => c.Name));
        Assert.Equal([false, false, true, true], transform.Output.Select(c => c.IsComputed));
        Assert.Equal(["bigint", "character varying(20)", "text", "integer"], transform.Output.Select(c => c.TypeSql));
        string[] Named(IEnumerable<int> columns) => [.. columns.Select(c => Orders.Columns[c].Name)];
        Assert.Equal(["flag", "n"], Named(transform.FilterReads));
        Assert.Equal(["status", "flag", "small", "n"], Named(transform.Reads));
        Assert.Equal(["id", "status", "flag", "small", "n", "name"], Named(transform.Needed));
        Assert.Equal(["small", "n"], Named(transform.Output[3].Reads));
    }

    [Fact]
    public void Should_stand_for_the_chosen_columns_by_a_star()
    {
        var result = Orders.Compile(null, "SELECT *, upper(name) AS up FROM orders", "id", "status");
        Assert.Equal(["id", "status", "up"], result.Transform!.Output.Select(c => c.Name));

        Assert.Contains("not among the chosen", Orders.Compile(null, "SELECT id, name FROM orders", "id", "status").Describe(), StringComparison.Ordinal);
        Assert.Contains("key column id", Orders.Compile("flag", null, "status").Describe(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("n = 1 AND flag AND status = 'x'", "\"n\" = (1) AND \"flag\"")]
    [InlineData("5 < n AND small IN (1, 2) AND day >= '2026-01-01' AND day < DATE '2026-02-01'", "\"n\" > (5) AND \"small\" IN (1, 2) AND \"day\" >= '2026-01-01'::date AND \"day\" < '2026-02-01'::date")]
    [InlineData("uid = '00000000-0000-0000-0000-000000000001' AND NOT flag", "\"uid\" = '00000000-0000-0000-0000-000000000001'::uuid AND NOT \"flag\"")]
    [InlineData("n IS NULL AND flag = false", "\"n\" IS NULL AND \"flag\" = false")]
    [InlineData("n = 1 OR flag", null)]
    [InlineData("n + 1 = 2 AND name > 'x' AND status IS NULL AND day > 'infinity'", null)]
    [InlineData("n = 1.5 AND n > NULL AND n IN (1, small)", null)]
    public void Should_push_down_what_both_servers_read_alike(string filter, string? expected) =>
        Assert.Equal(expected?.Replace("IN (1, 2)", "IN ((1), (2))", StringComparison.Ordinal), Orders.Compile(filter).Transform!.Pushdown);

    [Fact]
    public void Should_warn_of_values_that_an_update_may_not_bring()
    {
        Assert.Equal(2, Orders.Compile("status = 'x'").Transform!.Warnings(hasFullIdentity: false).Count);
        Assert.Single(Orders.Compile("n = 1").Transform!.Warnings(hasFullIdentity: false));
        Assert.Empty(Orders.Compile("status = 'x'").Transform!.Warnings(hasFullIdentity: true));
        Assert.Empty(Orders.Compile(custom: "SELECT id, n, upper(status) AS u FROM orders").Transform!.Warnings(hasFullIdentity: false));
        Assert.Contains("REPLICA IDENTITY FULL", Orders.Compile("status = 'x'").Transform!.Warnings(false)[0], StringComparison.Ordinal);
    }
}
