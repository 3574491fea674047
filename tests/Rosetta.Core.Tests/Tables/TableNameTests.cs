using CsCheck;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Tables;

public sealed class TableNameTests
{
    [Theory]
    [InlineData("orders", "public", "orders")]
    [InlineData("sales.orders", "sales", "orders")]
    [InlineData("Sales.Orders", "Sales", "Orders")]
    [InlineData("\"sales\".\"orders\"", "sales", "orders")]
    [InlineData("sales.\"a.b\"", "sales", "a.b")]
    [InlineData("\"a.b\".orders", "a.b", "orders")]
    [InlineData("\"say \"\"hi\"\"\"", "public", "say \"hi\"")]
    [InlineData("\"*\"", "public", "*")]
    [InlineData("with space.über", "with space", "über")]
    [InlineData("a'b;--.c", "a'b;--", "c")]
    public void Should_read_a_name_as_the_catalog_has_it(string text, string schema, string name) =>
        Assert.Equal(new TableName(schema, name), TableName.Parse(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("a.")]
    [InlineData(".a")]
    [InlineData("a.b.c")]
    [InlineData("a.b.")]
    [InlineData("\"\"")]
    [InlineData("\"a")]
    [InlineData("\"a\"b")]
    [InlineData("a\"b")]
    [InlineData("\"a\"\"")]
    [InlineData("a\0b")]
    [InlineData("\"a\0b\"")]
    public void Should_refuse_what_is_no_name(string? text)
    {
        Assert.False(TableName.TryParse(text, out _));
        Assert.Contains("schema.table", Assert.Throws<FormatException>(() => TableName.Parse(text!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Should_put_a_bare_name_into_the_given_schema_or_refuse_it()
    {
        Assert.Equal(new TableName("mine", "t"), TableName.Parse("t", "mine"));
        Assert.False(TableName.TryParse("t", out _, null));
        Assert.True(TableName.TryParse("s.t", out _, null));
    }

    [Fact]
    public void Should_quote_for_sql_and_only_where_needed_for_people()
    {
        var name = new TableName("My \"schema\"", "a.b");
        Assert.Equal("\"My \"\"schema\"\"\".\"a.b\"", name.ToSql());
        Assert.Equal("\"My \"\"schema\"\"\".\"a.b\"", name.ToString());
        Assert.Equal("\"public\".\"Orders\"", new TableName("public", "Orders").ToSql());
        Assert.Equal("public.Orders", new TableName("public", "Orders").ToString());
        Assert.Equal("public.\"*\"", new TableName("public", "*").ToString());
    }

    [Fact]
    public void Should_read_back_what_it_prints()
    {
        var part = Gen.Char["ab.\"* ;'ü"].Array[1, 6].Select(static c => new string(c));
        Gen.Select(part, part).Sample(
            (schema, name) =>
            {
                var table = new TableName(schema, name);
                Assert.Equal(table, TableName.Parse(table.ToString()));
                Assert.Equal(table, TableName.Parse(table.ToSql()));
            },
            Console.WriteLine);
    }
}
