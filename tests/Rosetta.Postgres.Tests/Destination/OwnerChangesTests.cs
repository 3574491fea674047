using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>
/// What the owner of a destination may do to its tables while changes come, where changes can be parked: rows that do not fit are parked and come back, a table that does
/// not fit stops and says what to do; both heal.
/// </summary>
[Collection(DestinationServerCollection.Name)]
public sealed class OwnerChangesTests(DestinationServer server) : ParkingStage(server)
{
    readonly DestinationServer _server = server;

    const string Bads = "CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int PRIMARY KEY, v int, n numeric(10,2), note varchar(20)); INSERT INTO bad SELECT i, i, i, 'note' FROM generate_series(1, 100) i";

    [Theory]
    [InlineData("ALTER TABLE bad ALTER n TYPE numeric(6,2)", "n = 12345.67", "22003", "ALTER TABLE bad ALTER n TYPE numeric(10,2)")]
    [InlineData("ALTER TABLE bad ALTER note TYPE varchar(5)", "note = 'longer than five'", "22001", "ALTER TABLE bad ALTER note TYPE varchar(20)")]
    [InlineData("ALTER TABLE bad ALTER note SET NOT NULL", "note = NULL", "23502", "ALTER TABLE bad ALTER note DROP NOT NULL")]
    [InlineData("CREATE UNIQUE INDEX one ON bad (note) WHERE note <> 'note'", "note = 'same'", "23505", "DROP INDEX one")]
    public async Task Should_park_rows_that_do_not_fit_and_bring_them_back(string harm, string change, string sqlState, string mend)
    {
        await using var replica = await StartAsync(Bads, "SELECT 1");
        await replica.SourceAsync("UPDATE bad SET v = v + 1");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync($"INSERT INTO good VALUES (1, 1); UPDATE bad SET {change} WHERE id IN (7, 8); UPDATE bad SET v = 0 WHERE id IN (7, 9)");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET v = -1 WHERE id IN (7, 8, 10); INSERT INTO good VALUES (2, 2)");
        Assert.Equal(sqlState == "23505" ? 1 : 2, (await replica.SyncWithStopsAsync()).Parked);
        var failed = Parked.All.Where(l => l.Failure is not null).ToList();
        // Of two with the same value the first fits.
        Assert.Equal(sqlState == "23505" ? 1 : 2, failed.Count);
        Assert.All(failed, l => Assert.Equal(sqlState, l.Failure!.SqlState));
        await replica.AssertEqualAsync("good");
        Assert.NotEmpty(await Parked.RecoverAsync(replica, Bad));
        await replica.TargetAsync(mend);
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Theory]
    [InlineData("DROP TABLE bad", "42P01", "the copy makes it")]
    [InlineData("ALTER TABLE bad DROP COLUMN v", null, null)]
    [InlineData("ALTER TABLE bad DROP COLUMN v; ALTER TABLE bad ADD v text", null, "ALTER TABLE \"public\".\"bad\" DROP COLUMN \"v\";")]
    [InlineData("ALTER TABLE bad ALTER v TYPE uuid USING NULL", null, "ALTER TABLE \"public\".\"bad\" DROP COLUMN \"v\";")]
    public async Task Should_stop_a_table_that_does_not_fit_any_more_and_go_on_after_the_remedy(string harm, string? sqlState, string? remedy)
    {
        await using var replica = await StartAsync(Bads, "SELECT 1");
        // There is a plan for it.
        await replica.SourceAsync("UPDATE bad SET v = v + 1; INSERT INTO bad VALUES (1000, 1, 1, 'x')");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync("INSERT INTO good VALUES (1, 1); INSERT INTO bad VALUES (1001, 1, 1, 'x'), (1002, 1, 1, 'x'); UPDATE bad SET v = 7 WHERE id = 3; INSERT INTO good VALUES (2, 2)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
        Assert.Equal(sqlState, stop.SqlState);
        Assert.Contains(remedy ?? "POST /api/v1/pipelines/", stop.Remedy, StringComparison.Ordinal);
        Assert.Empty(Parked.All);
        await replica.AssertEqualAsync("good");
        if (stop.Remedy.StartsWith("ALTER", StringComparison.Ordinal))
            await replica.MendAsync(Bad, stop.Remedy);
        else
            await replica.ResyncAsync(Bad);
        await replica.SourceAsync("UPDATE bad SET v = v + 1 WHERE id < 5; INSERT INTO bad VALUES (1003, 1, 1, 'x')");
        Assert.Empty((await replica.SyncWithStopsAsync()).Stops);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_not_make_a_column_anew_that_was_dropped_at_the_destination()
    {
        await using var replica = await StartAsync(Bads, "SELECT 1");
        await replica.TargetAsync("ALTER TABLE bad DROP COLUMN v");
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id = 3");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
        Assert.Equal("Column v was dropped at the destination.", stop.Reason);
        await replica.MendAsync(Bad, stop.Remedy);
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_go_on_by_itself_where_the_owner_widens_a_column()
    {
        await using var replica = await StartAsync(Bads, "SELECT 1");
        await replica.SourceAsync("UPDATE bad SET v = v + 1; INSERT INTO bad VALUES (1000, 1, 1, 'x')");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync("ALTER TABLE bad ALTER v TYPE bigint");
        await replica.SourceAsync("INSERT INTO bad VALUES (1001, 1, 1, 'x'), (1002, 1, 1, 'x')");
        await replica.SyncWithStopsAsync();
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id = 1001");
        await replica.SyncWithStopsAsync();
        Assert.Empty(Parked.All);
        Assert.Equal(await replica.SourceScalarAsync<long>("SELECT sum(v) FROM bad"), (long)await replica.TargetScalarAsync<decimal>("SELECT sum(v) FROM bad"));
        Assert.Equal(103, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad"));
    }

    [Fact]
    public async Task Should_stop_and_park_nothing_where_a_privilege_is_missing()
    {
        await _server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        await using var replica = await _server.ReplicaAsync(Bads, user: "plain");
        replica.Park(Parked);
        await replica.TargetAsync("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");
        await replica.StartAsync();
        await replica.SourceAsync("UPDATE bad SET v = v + 1");
        await replica.SyncWithStopsAsync();
        await replica.TargetAsync("ALTER TABLE bad OWNER TO postgres; GRANT SELECT, INSERT, DELETE ON bad TO plain");
        await replica.SourceAsync("UPDATE bad SET v = 7 WHERE id = 3; INSERT INTO good VALUES (1, 1)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
        Assert.Equal("42501", stop.SqlState);
        Assert.StartsWith("GRANT TRUNCATE, UPDATE ON \"public\".\"bad\" TO \"plain\";", stop.Remedy.Replace("UPDATE, TRUNCATE", "TRUNCATE, UPDATE"), StringComparison.Ordinal);
        Assert.Empty(Parked.All);
        await replica.MendAsync(Bad, stop.Remedy);
        await replica.SourceAsync("UPDATE bad SET v = 8 WHERE id = 3");
        await replica.SyncWithStopsAsync();
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData(" DEFERRABLE INITIALLY DEFERRED")]
    public async Task Should_park_what_a_foreign_key_refuses_without_the_replica_role(string deferral)
    {
        await _server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        await using var replica = await _server.ReplicaAsync(
            "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int, v int); INSERT INTO parent SELECT generate_series(1, 100); INSERT INTO child SELECT i, i, 0 FROM generate_series(1, 100) i", user: "plain");
        replica.Park(Parked);
        await replica.TargetAsync("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");
        await replica.StartAsync();
        await replica.TargetAsync($"ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent{deferral}");
        var child = new TableName("public", "child");
        // The source has no such key: some children have no parent; others get theirs later in the same transaction, which is right where the check is deferred.
        await replica.SourceAsync("UPDATE child SET v = 1; INSERT INTO child VALUES (200, 900, 0), (201, 1, 0), (202, 901, 0)");
        await replica.SourceAsync("BEGIN; INSERT INTO parent VALUES (500); INSERT INTO child VALUES (500, 500, 0); UPDATE child SET v = 2 WHERE id IN (200, 201); COMMIT");
        var result = await replica.SyncWithStopsAsync();
        Assert.Empty(result.Stops);
        Assert.Equal(["200 !", "202 !", "200"], Parked.All.OrderBy(l => l.At).Select(l => $"{l.Key[0]}{(l.Failure is null ? "" : " !")}"));
        Assert.All(Parked.All.Where(l => l.Failure is not null), l => Assert.Equal("23503", l.Failure!.SqlState));
        Assert.Equal(2, (await Parked.RecoverAsync(replica, child)).Count);
        await replica.SourceAsync("INSERT INTO parent VALUES (900), (901)");
        await replica.SyncWithStopsAsync();
        Assert.Empty(await Parked.RecoverAsync(replica, child));
        await replica.AssertEqualAsync();
        Assert.Empty(replica.Session.Parked);
    }

    [Fact]
    public async Task Should_park_the_change_that_a_deferred_constraint_refuses_at_commit()
    {
        await using var replica = await StartAsync("CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int PRIMARY KEY, v int); INSERT INTO bad SELECT i, i FROM generate_series(1, 1000) i", "SELECT 1");
        await replica.TargetAsync("ALTER TABLE bad ADD CONSTRAINT one UNIQUE (v) DEFERRABLE INITIALLY DEFERRED");
        await replica.SourceAsync("BEGIN; INSERT INTO good VALUES (1, 1); UPDATE bad SET v = 5 WHERE id = 900; COMMIT");
        // Values that move between rows are right at the end of their transaction.
        await replica.SourceAsync("BEGIN; UPDATE bad SET v = 1001 - v WHERE id BETWEEN 300 AND 701; INSERT INTO good VALUES (2, 2); COMMIT");
        await replica.SourceAsync("UPDATE bad SET v = 2000 WHERE id = 10");
        var result = await replica.SyncWithStopsAsync();
        Assert.Empty(result.Stops);
        Assert.Equal(("900", "23505"), (Assert.Single(Parked.All).Key[0], Parked.All[0].Failure!.SqlState));
        await replica.AssertEqualAsync("good");
        Assert.Equal(999, await replica.TargetScalarAsync<long>("SELECT count(*) FROM bad WHERE v = CASE WHEN id BETWEEN 300 AND 701 THEN 1001 - id WHEN id = 10 THEN 2000 ELSE id END AND id <> 900"));
        Assert.Single(await Parked.RecoverAsync(replica, Bad));
        await replica.SourceAsync("UPDATE bad SET v = 3000 WHERE id = 5");
        await replica.SyncWithStopsAsync();
        Assert.Empty(await Parked.RecoverAsync(replica, Bad));
        await replica.AssertEqualAsync();
    }
}
