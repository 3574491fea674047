using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Targets;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Keys are told apart by their bytes only where the destination does so too; a table of other keys is parked whole.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class KeyFormTests(DestinationServer server)
{
    const string Folded = "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";

    [Theory]
    [InlineData("text COLLATE folded", "'a'", "'A'")]
    [InlineData("varchar(10) COLLATE folded", "'a'", "'A'")]
    [InlineData("float8", "0", "'-0'")]
    [InlineData("char(5)", "'a'", "'a  '")]
    [InlineData("numeric", "1.0", "1.00")]
    public async Task Should_park_a_table_whole_whose_equal_keys_may_have_other_bytes(string type, string key, string same)
    {
        var tables = $"{Folded} CREATE TABLE bad (id {type} PRIMARY KEY, v int);";
        await using var replica = await server.ReplicaAsync($"{tables} INSERT INTO bad VALUES ({key}, 1)");
        await replica.TargetAsync(tables);
        var parked = new Letters();
        replica.Park(parked);
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT small CHECK (v < 100000)");
        await replica.SourceAsync($"UPDATE bad SET v = 100000 WHERE id = {key}");
        await replica.SyncWithStopsAsync();
        Assert.True(Assert.Single(replica.Parked).Value);
        // By its bytes it is another key, and would pass the one that is parked.
        await replica.SourceAsync($"DELETE FROM bad WHERE id = {key}; INSERT INTO bad VALUES ({same}, 2)");
        Assert.Equal(2, (await replica.SyncWithStopsAsync()).Parked);
        await replica.TargetAsync("ALTER TABLE bad DROP CONSTRAINT small");
        Assert.Empty(await parked.RecoverAsync(replica, new TableName("public", "bad")));
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData("text", "text COLLATE folded")]
    [InlineData("varchar(5)", "varchar(9) COLLATE folded")]
    public async Task Should_go_by_what_the_destination_takes_to_be_equal(string sourceType, string targetType)
    {
        await using var replica = await server.ReplicaAsync($"CREATE TABLE bad (id {sourceType} PRIMARY KEY, v int); INSERT INTO bad VALUES ('a', 1)");
        await replica.TargetAsync($"{Folded} CREATE TABLE bad (id {targetType} PRIMARY KEY, v int CHECK (v < 100000))");
        replica.Park(new Letters());
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = 100000 WHERE id = 'a'");
        await replica.SyncWithStopsAsync();
        Assert.True(Assert.Single(replica.Parked).Value);
    }

    [Theory]
    [InlineData(23, 20, true, true)]
    [InlineData(20, 23, true, true)]
    [InlineData(23, 1700, true, false)]
    [InlineData(25, 1043, true, true)]
    [InlineData(1043, 25, false, false)]
    [InlineData(25, 1042, true, false)]
    [InlineData(25, 20000, true, false)]
    [InlineData(700, 700, true, false)]
    [InlineData(701, 701, true, false)]
    [InlineData(1042, 1042, true, false)]
    [InlineData(1700, 1700, true, false)]
    [InlineData(1114, 1184, true, false)]
    [InlineData(2950, 2950, true, true)]
    public void Should_tell_by_bytes_what_has_one_form_on_both_sides(uint source, uint target, bool isDeterministic, bool isTold) =>
        Assert.Equal(isTold, KeyOrder.IsToldByBytes(source, new TargetColumn("k", target, -1, "t", "t", false) { IsDeterministic = isDeterministic }));
}
