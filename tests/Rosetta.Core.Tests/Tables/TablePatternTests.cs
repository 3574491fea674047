using CsCheck;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Tables;

public sealed class TablePatternTests
{
    [Theory]
    [InlineData("sales.*", true)]
    [InlineData("*", true)]
    [InlineData("sales.orders", false)]
    [InlineData("\"*\"", false)]
    [InlineData("sales.\"a*b\"", false)]
    [InlineData("\"s*\".*", true)]
    [InlineData("\"a\"\"*\"", false)]
    public void Should_be_a_pattern_when_a_star_stands_outside_of_quotes(string text, bool expected) =>
        Assert.Equal(expected, TablePattern.IsPattern(text));

    [Theory]
    [InlineData("sales.*", "sales", "orders", true)]
    [InlineData("sales.*", "Sales", "orders", false)]
    [InlineData("*", "public", "orders", true)]
    [InlineData("*", "sales", "orders", false)]
    [InlineData("*.*", "sales", "orders", true)]
    [InlineData("*.orders", "sales", "orders", true)]
    [InlineData("*.orders", "sales", "orders2", false)]
    [InlineData("ord*", "public", "orders", true)]
    [InlineData("ord*s", "public", "ord", false)]
    [InlineData("*_2024_*", "public", "orders_2024_01", true)]
    [InlineData("a*b*c", "public", "aXbYbZc", true)]
    [InlineData("a*b*c", "public", "aXbY", false)]
    [InlineData("**", "public", "x", true)]
    [InlineData("\"a*\".*", "a*", "t", true)]
    [InlineData("\"a*\".*", "ab", "t", false)]
    [InlineData("\"a.b\".*", "a.b", "t", true)]
    public void Should_match_whole_names(string pattern, string schema, string name, bool expected)
    {
        Assert.True(TablePattern.TryParse(pattern, out var parsed));
        Assert.Equal(expected, parsed!.Matches(new TableName(schema, name)));
    }

    [Theory]
    [InlineData("a.b.*")]
    [InlineData("\"a.*")]
    [InlineData("")]
    [InlineData("*.")]
    public void Should_refuse_what_is_no_name(string pattern) => Assert.False(TablePattern.TryParse(pattern, out _));

    [Fact]
    public void Should_match_as_a_regular_expression_would()
    {
        var text = Gen.Char["ab*"].Array[1, 7].Select(static c => new string(c));
        Gen.Select(text, Gen.Char["ab"].Array[1, 8].Select(static c => new string(c))).Sample(
            (pattern, name) =>
            {
                var regex = "^" + pattern.Replace("*", ".*", StringComparison.Ordinal) + "$";
                Assert.True(TablePattern.TryParse(pattern, out var parsed));
                Assert.Equal(System.Text.RegularExpressions.Regex.IsMatch(name, regex), parsed!.Matches(new TableName("public", name)));
            },
            Console.WriteLine);
    }
}
