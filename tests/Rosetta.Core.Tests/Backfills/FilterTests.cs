using System.Text.Json;
using Rosetta.Core.Backfills;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Backfills;

public sealed class FilterTests
{
    static readonly TableDescription Table = new(
        1, new TableName("public", "orders"),
        [
            Column("id", 20, "bigint"), Column("status", 25, "text"), Column("Odd \"name", 25, "text"), Column("code", 1043, "character varying(3)", 7),
            Column("fixed", 1042, "character(3)", 7), Column("price", 1700, "numeric(5,2)", 327686), Column("created_at", 1184, "timestamp(0) with time zone", 0),
            Column("kind", 20_001, "shop.\"order kind(1)\""), Column("ok", 16, "boolean"), Column("Mixed", 23, "integer"),
        ],
        ["id"], 'd', ["id"], -1, 0);

    static ColumnDescription Column(string name, uint type, string sql, int modifier = -1) => new(name, type, modifier, sql, false, null, null, null, true);

    [Theory]
    [InlineData("id = 5", "\"id\" = '5'::bigint")]
    [InlineData("id>=-5", "\"id\" >= '-5'::bigint")]
    [InlineData("  id <> 1.5e3 ", "\"id\" <> '1.5e3'::bigint")]
    [InlineData("status != 'it''s'", "\"status\" != 'it''s'::text")]
    [InlineData("STATUS like 'a%'", "\"status\" LIKE 'a%'::text")]
    [InlineData("\"Odd \"\"name\" ILIKE '%'", "\"Odd \"\"name\" ILIKE '%'::text")]
    [InlineData("ok = TRUE", "\"ok\" = 'true'::boolean")]
    [InlineData("status is  not\tnull", "\"status\" IS NOT NULL")]
    [InlineData("status IS NULL", "\"status\" IS NULL")]
    [InlineData("Mixed < 3", "\"Mixed\" < '3'::integer")]
    // Without the length: a cast to it would cut or round the value.
    [InlineData("code = 'abcd'", "\"code\" = 'abcd'::character varying")]
    [InlineData("fixed = 'abcd'", "\"fixed\" = 'abcd'::bpchar")]
    [InlineData("price > 1.005", "\"price\" > '1.005'::numeric")]
    [InlineData("created_at >= '2026-01-01'", "\"created_at\" >= '2026-01-01'::timestamp with time zone")]
    [InlineData("kind = 'a'", "\"kind\" = 'a'::shop.\"order kind(1)\"")]
    public void Should_read_column_operator_literal(string filter, string condition) => Assert.Equal(condition, Condition($"[{JsonSerializer.Serialize(filter)}]"));

    [Theory]
    [InlineData("""{"column": "status", "operator": "IN", "value": ["a", "b'c"]}""", "\"status\" IN ('a'::text, 'b''c'::text)")]
    [InlineData("""{"column": "id", "operator": "not  in", "value": [1, "2"]}""", "\"id\" NOT IN ('1'::bigint, '2'::bigint)")]
    [InlineData("""{"column": "id", "operator": "BETWEEN", "value": [1, 2]}""", "\"id\" BETWEEN '1'::bigint AND '2'::bigint")]
    [InlineData("""{"column": "id", "operator": "is null", "value": null}""", "\"id\" IS NULL")]
    [InlineData("""{"column": "ok", "operator": "=", "value": true}""", "\"ok\" = 'true'::boolean")]
    [InlineData("""{"column": "Mixed", "operator": "<=", "value": -3}""", "\"Mixed\" <= '-3'::integer")]
    public void Should_read_objects(string filter, string condition) => Assert.Equal(condition, Condition($"[{filter}]"));

    [Fact]
    public void Should_join_up_to_five_by_and_and_refuse_six()
    {
        Assert.Equal("\"id\" > '1'::bigint AND \"ok\" IS NOT NULL", Condition("""["id > 1", "ok IS NOT NULL"]"""));
        Assert.Null(Condition("[]"));
        Assert.Contains(Errors("""["id > 1", "id > 1", "id > 1", "id > 1", "id > 1", "id > 1"]"""), e => e.Index == -1);
        Assert.Empty(Errors("""["id > 1", "id > 1", "id > 1", "id > 1", "id > 1"]"""));
    }

    [Theory]
    [InlineData("")]
    [InlineData("id")]
    [InlineData("id =")]
    [InlineData("id = 5; DROP TABLE orders")]
    [InlineData("id = 5 OR true")]
    [InlineData("id = 5 --")]
    [InlineData("id = 5 /* */")]
    [InlineData("id = (SELECT 1)")]
    [InlineData("id = pg_sleep(10)")]
    [InlineData("id = status")]
    [InlineData("id = NULL")]
    [InlineData("id = 5::text")]
    [InlineData("id = 0x10")]
    [InlineData("id = 1e")]
    [InlineData("id = .")]
    [InlineData("id = $1")]
    [InlineData("id = $$5$$")]
    [InlineData("status = E'a\\'b'")]
    [InlineData("status = 'a' 'b'")]
    [InlineData("status = 'a\\'; DROP TABLE orders; --'")]
    [InlineData("status = 'a")]
    [InlineData("status = \"status\"")]
    [InlineData("lower(status) = 'a'")]
    [InlineData("status || 'x' = 'a'")]
    [InlineData("orders.status = 'a'")]
    [InlineData("(status) = 'a'")]
    [InlineData("\"status = 'a'")]
    [InlineData("\"status\" ~ 'a'")]
    [InlineData("\"id\" = 1) OR (1=1")]
    [InlineData("1 = 1")]
    [InlineData("'a' = 'a'")]
    [InlineData("status IN ('a')")]
    [InlineData("id BETWEEN 1 AND 2")]
    [InlineData("status NOT LIKE 'a'")]
    [InlineData("status IS NOT DISTINCT FROM 'a'")]
    [InlineData("status IS TRUE")]
    [InlineData("status SIMILAR TO 'a'")]
    [InlineData("status = ANY ('{a}')")]
    [InlineData("status OPERATOR(pg_catalog.=) 'a'")]
    [InlineData("status =\u00a0'a'")]
    [InlineData("id LIKE '5'")]
    [InlineData("nothing = 1")]
    [InlineData("ctid = '(0,1)'")]
    [InlineData("\"STATUS\" = 'a'")]
    public void Should_refuse_any_other_text(string filter) => Assert.Equal(0, Assert.Single(Errors($"[{JsonSerializer.Serialize(filter)}]")).Index);

    [Theory]
    [InlineData("5")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"column": "id", "operator": "="}""")]
    [InlineData("""{"column": "id", "operator": "=", "value": null}""")]
    [InlineData("""{"column": "id", "operator": "=", "value": [1]}""")]
    [InlineData("""{"column": "id", "operator": "=", "value": {"a": 1}}""")]
    [InlineData("""{"column": "id", "operator": "= 1 OR 1 =", "value": 1}""")]
    [InlineData("""{"column": "id", "operator": "~", "value": 1}""")]
    [InlineData("""{"column": "id", "operator": 5, "value": 1}""")]
    [InlineData("""{"column": "id\" = 1 OR \"id", "operator": "=", "value": 1}""")]
    [InlineData("""{"column": "lower(status)", "operator": "=", "value": 1}""")]
    [InlineData("""{"column": "ID", "operator": "=", "value": 1}""")]
    [InlineData("""{"column": "", "operator": "=", "value": 1}""")]
    [InlineData("""{"column": ["id"], "operator": "=", "value": 1}""")]
    [InlineData("""{"column": "id", "operator": "IN", "value": []}""")]
    [InlineData("""{"column": "id", "operator": "IN", "value": "1"}""")]
    [InlineData("""{"column": "id", "operator": "IN", "value": [1, null]}""")]
    [InlineData("""{"column": "id", "operator": "BETWEEN", "value": [1]}""")]
    [InlineData("""{"column": "id", "operator": "IS NULL", "value": 1}""")]
    [InlineData("""{"column": "id", "operator": "=", "value": 1, "cast": "text"}""")]
    [InlineData("""{"column": "status", "operator": "=", "value": "a\u0000b"}""")]
    [InlineData("""{"column": "status", "operator": "=", "value": "\ud800"}""")]
    public void Should_refuse_any_other_object(string filter) => Assert.Equal(0, Assert.Single(Errors($"[{filter}]")).Index);

    /// <summary>Whatever a value holds, it stays inside its literal.</summary>
    [Theory]
    [InlineData("'; DROP TABLE orders; --", "'''; DROP TABLE orders; --'::text")]
    [InlineData("\\'; DROP TABLE orders; --", "E'\\\\''; DROP TABLE orders; --'::text")]
    [InlineData("\\", "E'\\\\'::text")]
    [InlineData("''", "''''''::text")]
    [InlineData("$$) OR 1=1", "'$$) OR 1=1'::text")]
    [InlineData("a\nb", "'a\nb'::text")]
    public void Should_keep_values_inside_their_literals(string value, string literal)
    {
        Assert.Equal($"\"status\" = {literal}", Condition(JsonSerializer.Serialize(new[] { new { column = "status", @operator = "=", value } })));
        Assert.Equal($"\"status\" = {literal}", Condition(JsonSerializer.Serialize(new[] { $"status = '{value.Replace("'", "''", StringComparison.Ordinal)}'" })));
    }

    static string? Condition(string filters)
    {
        var condition = FilterSql.Condition(List(filters), Table, out var errors);
        Assert.Empty(errors);
        return condition;
    }

    static IReadOnlyList<(int Index, string Message)> Errors(string filters)
    {
        FilterSql.Condition(List(filters), Table, out var errors);
        return errors;
    }

    static IReadOnlyList<JsonElement> List(string filters) => [.. JsonDocument.Parse(filters).RootElement.EnumerateArray()];
}
