using Rosetta.Core.Tables;
using Rosetta.Postgres.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

[Collection(SourceServerCollection.Name)]
public sealed class SourceMonitorQueriesTests(SourceServer source)
{
    static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Should_tell_the_wal_and_who_keeps_it_and_what_is_missing_to_see_it()
    {
        var name = await source.CreateDatabaseAsync("DO $$ BEGIN CREATE ROLE \"no;body\" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; REVOKE pg_monitor FROM \"no;body\"");
        var slot = $"monitor_{Guid.NewGuid():N}";
        await source.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", name);
        await using var weak = source.Database(name, "no;body");
        var unseen = await new SourceMonitorQueries(weak).WalAsync(None);
        Assert.Null(unseen.WalSizeBytes);
        await source.Server.ExecuteAsync(unseen.WalSizeSql!, name);
        var seen = await new SourceMonitorQueries(weak).WalAsync(None);
        Assert.True(seen.WalSizeBytes >= 16 * 1024 * 1024);
        Assert.Contains(seen.Slots, s => s.Name == slot && s.RetainedBytes >= 0);
        await source.Server.ExecuteAsync($"SELECT pg_drop_replication_slot('{slot}')", name);
    }

    [Theory]
    [InlineData("SELECT 1", "")]
    [InlineData("CREATE TABLE \"n;ew\" (id int)", "CREATED public.n;ew")]
    [InlineData("DROP TABLE t", "DROPPED public.t")]
    [InlineData("ALTER TABLE t ADD w int DEFAULT 5", "CHANGED public.t")]
    [InlineData("ALTER TABLE t ALTER v SET NOT NULL", "CHANGED public.t")]
    [InlineData("ALTER TABLE t RENAME v TO w", "CHANGED public.t")]
    [InlineData("ALTER TABLE t REPLICA IDENTITY FULL", "CHANGED public.t")]
    [InlineData("ALTER TYPE mood ADD VALUE 'c'", "CHANGED public.t")]
    [InlineData("ALTER TABLE t RENAME TO u", "RENAMED public.u")]
    [InlineData("ALTER TABLE t RENAME TO u; ALTER TABLE u ADD w int; CREATE TABLE t (id int)", "CHANGED public.u,CREATED public.t,RENAMED public.u")]
    [InlineData("DROP TABLE t; CREATE TABLE t (id int)", "RECREATED public.t")]
    [InlineData("INSERT INTO t VALUES (1); VACUUM FULL t; ANALYZE t", "")]
    public async Task Should_tell_what_changed_between_two_looks(string change, string expected)
    {
        var name = await source.EmptyDatabaseAsync("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE t (id int PRIMARY KEY, v text, m mood); CREATE TABLE other (id int)");
        await using var database = source.Database(name);
        var queries = new SourceMonitorQueries(database);
        async Task<List<TableShape>> LookAsync() => [.. (await queries.TablesAsync("rosetta", None)).Select(t => TableShape.Of(t.Description))];
        var before = await LookAsync();
        foreach (var statement in change.Split(';', StringSplitOptions.TrimEntries).Length > 2 || !change.Contains('"', StringComparison.Ordinal) ? change.Split(';') : [change])
            await source.Server.ExecuteAsync(statement, name);
        var changes = SchemaChanges.Between(before, await LookAsync());
        Assert.Equal(expected, string.Join(',', changes.Select(c => $"{c.Change} {c.Shape.Table}").Order(StringComparer.Ordinal)));
        Assert.All(changes.Where(c => c.Change == SchemaChange.Renamed), c => Assert.Equal(new TableName("public", "t"), c.RenamedFrom));
    }
}
