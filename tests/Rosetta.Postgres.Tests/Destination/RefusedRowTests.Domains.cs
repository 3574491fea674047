using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

// A domain asks its conditions wherever one of its values comes to be, so also before a row is written.
public sealed partial class RefusedRowTests
{
    const string Check = "ALTER DOMAIN doc ADD CONSTRAINT small CHECK (VALUE NOT LIKE '1003%') NOT VALID";

    [Theory]
    [InlineData("CREATE DOMAIN doc AS text", "repeat(i::text, 3000)", Check, null)]
    [InlineData("CREATE DOMAIN long AS varchar(20000) COLLATE \"C\"; CREATE DOMAIN doc AS long", "repeat(i::text, 3000)", Check, null)]
    [InlineData("CREATE DOMAIN doc AS text[]", "ARRAY[repeat(i::text, 3000)]", "ALTER DOMAIN doc ADD CONSTRAINT small CHECK (VALUE[1] NOT LIKE '1003%') NOT VALID", null)]
    // Rows that are read as text.
    [InlineData("CREATE DOMAIN doc AS text", "repeat(i::text, 3000)", Check, "ALTER TABLE bad ADD a aclitem DEFAULT 'postgres=r/postgres'")]
    public async Task Should_park_the_row_that_only_the_domain_at_the_destination_refuses(string domain, string value, string harm, string? altered)
    {
        await using var replica = await StartAsync(
            $"""
            {domain};
            CREATE TABLE bad (id int PRIMARY KEY, big doc, v int);
            ALTER TABLE bad ALTER big SET STORAGE EXTERNAL;
            INSERT INTO bad (id, big, v) SELECT i, {value}, 0 FROM generate_series(1001, 1200) i
            """,
            harm);
        await replica.SourceAsync($"{altered}; UPDATE bad SET v = 2 WHERE id = 1100");
        await replica.FollowAsync(parks: true);
        await replica.TargetAsync("DELETE FROM bad WHERE id <= 1005");
        await replica.SourceAsync("UPDATE bad SET v = 1 WHERE id <= 1005");
        await replica.FollowAsync(parks: true);
        Assert.Equal([Bad], replica.Session.Pending);
        // Two of them are there after all, with other values.
        await replica.TargetAsync("INSERT INTO bad SELECT 1003 + i, big, 99 FROM bad, generate_series(0, 1) i WHERE id = 1006");
        await ReadAgainAsync(replica);
        Assert.Equal("1003!", await ParkedAsync(replica));
        Assert.Equal("1001 1, 1002 1, 1003 99, 1004 1, 1005 1", await replica.TargetScalarAsync<string>("SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM bad WHERE id <= 1005"));
        await replica.SourceAsync("UPDATE bad SET v = 5 WHERE id = 1003");
        await replica.FollowAsync(parks: true);
        Assert.Equal("1003! 1003", await ParkedAsync(replica));

        await replica.TargetAsync("ALTER DOMAIN doc DROP CONSTRAINT small");
        Assert.Empty(await _parked.RecoverAsync(replica, Bad));
        Assert.Empty(replica.Session.Parked);
        const string all = "SELECT string_agg(b::text, E'\n' ORDER BY id) FROM bad b";
        Assert.Equal(await replica.SourceScalarAsync<string>(all), await replica.TargetScalarAsync<string>(all));
    }
}
