using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.Tables;

public sealed class SqlIdentifierTests
{
    [Theory]
    [InlineData("orders", "\"orders\"")]
    [InlineData("Orders", "\"Orders\"")]
    [InlineData("a\"b", "\"a\"\"b\"")]
    [InlineData("\"; DROP TABLE x; --", "\"\"\"; DROP TABLE x; --\"")]
    public void Should_quote_an_identifier(string identifier, string sql) => Assert.Equal(sql, SqlIdentifier.Quote(identifier));

    [Theory]
    [InlineData("plain", "'plain'")]
    [InlineData("", "''")]
    [InlineData("it's", "'it''s'")]
    [InlineData("back\\slash", " E'back\\\\slash'")]
    [InlineData("\\'; --", " E'\\\\''; --'")]
    public void Should_write_a_literal_that_reads_the_same_under_any_setting(string text, string sql) =>
        Assert.Equal(sql, SqlIdentifier.Literal(text));

    [Fact]
    public void Should_name_a_type_with_its_schema() =>
        Assert.Equal("\"s\".\"My\"\"Type\"", new TypeDefinition(1, "s", "My\"Type", TypeKind.Enum, [], "").ToSql());
}
