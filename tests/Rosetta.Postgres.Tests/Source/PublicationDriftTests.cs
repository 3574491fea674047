using Rosetta.Core.Tables;
using Rosetta.Postgres.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

[Collection(SourceServerCollection.Name)]
public sealed class PublicationDriftTests(SourceServer source)
{
    static readonly CancellationToken None = CancellationToken.None;

    const string Tables = """
        CREATE SCHEMA s; CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE s.c (id int PRIMARY KEY);
        CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9);
        """;

    [Theory]
    [InlineData("SELECT 1", null)]
    [InlineData("ALTER PUBLICATION pub ADD TABLE b", null)]
    [InlineData("CREATE TABLE s.d (id int PRIMARY KEY)", null)]
    [InlineData("INSERT INTO a VALUES (1, 1); VACUUM FULL a", null)]
    [InlineData("ALTER TABLE a ADD w int", null)]
    [InlineData("ALTER PUBLICATION pub SET (publish = 'insert, update, delete, truncate')", null)]
    [InlineData("ALTER PUBLICATION pub ADD TABLE part; ALTER PUBLICATION pub DROP TABLE part", null)]
    [InlineData("DROP PUBLICATION pub", "gap")]
    [InlineData("DROP PUBLICATION pub; CREATE PUBLICATION pub FOR TABLE a, parted, TABLES IN SCHEMA s", "gap")]
    [InlineData("ALTER PUBLICATION pub RENAME TO other", "gap")]
    [InlineData("ALTER PUBLICATION pub DROP TABLE a", "public.a")]
    [InlineData("ALTER PUBLICATION pub DROP TABLE a; ALTER PUBLICATION pub ADD TABLE a", "public.a")]
    [InlineData("ALTER PUBLICATION pub DROP TABLES IN SCHEMA s; ALTER PUBLICATION pub ADD TABLES IN SCHEMA s", "s.c")]
    [InlineData("ALTER PUBLICATION pub DROP TABLE parted; ALTER PUBLICATION pub ADD TABLE parted", "public.part")]
    [InlineData("DROP TABLE a", "public.a")]
    [InlineData("DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY); ALTER PUBLICATION pub ADD TABLE a", "public.a")]
    [InlineData("ALTER TABLE a RENAME TO a2", "public.a")]
    [InlineData("ALTER PUBLICATION pub DROP TABLE a; ALTER PUBLICATION pub ADD TABLE a WHERE (v > 1)", "public.a")]
    [InlineData("ALTER PUBLICATION pub SET (publish = 'insert')", "public.a public.part s.c")]
    [InlineData("ALTER PUBLICATION pub SET (publish_via_partition_root = true)", "public.part")]
    public async Task Should_tell_what_was_lost(string change, string? lost)
    {
        // Schemas in publications and row filters came with 15.
        var old = source.Server.Version < 15;
        if (old && (change.Contains("SCHEMA", StringComparison.Ordinal) || change.Contains("WHERE", StringComparison.Ordinal)))
            return;
        var name = await source.EmptyDatabaseAsync(
            Tables + $"CREATE PUBLICATION pub FOR TABLE a, parted, {(old ? "s.c" : "TABLES IN SCHEMA s")} WITH (publish = 'insert, update, delete')");
        await using var database = source.Database(name);
        var publications = new Publications(database, "pub", Guid.NewGuid());
        var stored = PublicationFacts.FromJson((await publications.FindUsersAsync(None))!.ToJson());
        Assert.Equal(new HashSet<string> { "public.a", "public.part", "s.c" }, stored.Tables.Select(t => t.ToString()).ToHashSet());
        foreach (var statement in change.Split(';'))
            await source.Server.ExecuteAsync(statement, name);
        var drift = PublicationDrift.Between(stored, await publications.ReadAsync(stored, None));
        Assert.Equal(lost ?? "", drift.Gap is null ? string.Join(' ', drift.Tables.Select(t => t.Table.ToString())) : "gap");
        Assert.Equal(lost is null, drift.IsNone);
    }

    [Fact]
    public void Should_compare_without_a_server()
    {
        var table = new PublishedTable(new TableName("public", "t"), 5, ["r7", "n9"], null, ["id", "v"]);
        var one = new PublicationFacts(false, [new PublicationFact(1, "p", false, true, true, true, true, false, null, [table])]);
        PublicationFacts With(PublishedTable t) => new(false, [one.Publications[0] with { Tables = [t] }]);
        Assert.True(PublicationDrift.Between(one, With(table with { Memberships = ["n9"], Columns = ["id", "v"] })).IsNone);
        Assert.Single(PublicationDrift.Between(one, With(table with { Columns = null })).Tables);
        Assert.Single(PublicationDrift.Between(one, With(table with { Oid = 6 })).Tables);
        Assert.Single(PublicationDrift.Between(one, With(table with { Memberships = ["r8"] })).Tables);
    }
}
