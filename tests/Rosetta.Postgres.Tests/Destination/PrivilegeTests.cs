using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>What happens without the replica role, and without privileges.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class PrivilegeTests(DestinationServer server)
{
    async Task<Replica> AsPlainUserAsync(string sourceSql)
    {
        await server.Server.ExecuteAsync("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        return await server.ReplicaAsync(sourceSql, user: "plain");
    }

    static Task<int> GrantAsync(Replica replica) => replica.TargetAsync(
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$; GRANT CREATE ON SCHEMA public TO plain");

    [Fact]
    public async Task Should_say_what_to_grant_when_it_may_not_make_its_schema()
    {
        await using var replica = await AsPlainUserAsync("CREATE TABLE t (id int PRIMARY KEY)");
        var e = await Assert.ThrowsAsync<FaultException>(() => replica.StartAsync());
        Assert.Equal(ErrorClass.Operator, e.Fault.Class);
        Assert.StartsWith("GRANT CREATE ON DATABASE", e.Fault.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_keep_source_order_across_tables_that_foreign_keys_and_triggers_join()
    {
        await using var replica = await AsPlainUserAsync(
            "CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE, v int); INSERT INTO parent VALUES (1, 0)");
        await GrantAsync(replica);
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent ON DELETE CASCADE");
        await replica.SourceAsync(
            """
            INSERT INTO child VALUES (1, 1, 0);
            INSERT INTO parent SELECT i, 0 FROM generate_series(2, 100) i; INSERT INTO child SELECT i, i, 0 FROM generate_series(2, 100) i;
            UPDATE child SET parent = 1 WHERE id = 50; DELETE FROM parent WHERE id = 50;
            BEGIN; INSERT INTO parent VALUES (500, 1); UPDATE child SET parent = 500 WHERE id = 2; DELETE FROM parent WHERE id = 2; COMMIT;
            UPDATE parent SET id = 1000 WHERE id = 99 AND false; DELETE FROM parent WHERE id BETWEEN 10 AND 20
            """);
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_stop_the_table_it_may_not_write()
    {
        await using var replica = await AsPlainUserAsync("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)");
        await GrantAsync(replica);
        await replica.StartAsync();
        await replica.TargetAsync("ALTER TABLE u OWNER TO postgres");
        await replica.SourceAsync("INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)");
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops);
        Assert.Equal((new TableName("public", "u"), "42501"), (stop.Key, stop.Value.SqlState));
        Assert.StartsWith("GRANT", stop.Value.Remedy, StringComparison.Ordinal);
        await replica.AssertEqualAsync("t");
    }

    [Theory]
    [InlineData("ALTER TABLE s.t OWNER TO postgres", "INSERT INTO t VALUES (1000, 1)", "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON")]
    [InlineData("ALTER TABLE s.t OWNER TO postgres; GRANT INSERT, SELECT, UPDATE, DELETE ON s.t TO plain", "TRUNCATE t; INSERT INTO t VALUES (1000, 1)", "GRANT TRUNCATE ON")]
    [InlineData("ALTER SCHEMA s OWNER TO postgres; REVOKE ALL ON SCHEMA s FROM plain", "INSERT INTO t VALUES (1000, 1)", "GRANT USAGE ON SCHEMA \"s\" TO \"plain\";")]
    [InlineData("ALTER TABLE s.t OWNER TO postgres; GRANT ALL ON s.t TO plain", "ALTER TABLE t ADD w int; INSERT INTO t VALUES (1000, 1, 2)", "ALTER TABLE \"s\".\"t\" OWNER TO \"plain\";")]
    public async Task Should_go_on_after_the_remedy_for_a_missing_right(string harm, string change, string remedy)
    {
        await using var replica = await AsPlainUserAsync("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 100) i");
        await GrantAsync(replica);
        var t = new TableName("public", "t");
        replica.Routes[t] = new Core.Destinations.TableRoute(t, new TableName("s", "t"), null);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync(change);
        var stop = Assert.Single((await replica.SyncWithStopsAsync()).Stops).Value;
        Assert.Equal("42501", stop.SqlState);
        Assert.StartsWith(remedy, stop.Remedy, StringComparison.Ordinal);
        await replica.MendAsync(t, stop.Remedy);
        await replica.SourceAsync("UPDATE t SET v = v + 1; INSERT INTO t VALUES (1001, 1)");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Theory]
    [InlineData("CREATE SCHEMA s", "GRANT USAGE, CREATE ON SCHEMA \"s\" TO \"plain\"; Then")]
    [InlineData("CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO plain; CREATE TABLE s.t (id int PRIMARY KEY)", "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON \"s\".\"t\" TO \"plain\"; Then")]
    [InlineData("DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM plain', current_database()); END $$", "GRANT CREATE ON DATABASE")]
    public async Task Should_copy_after_the_remedy_for_a_missing_right(string harm, string remedy)
    {
        await using var replica = await AsPlainUserAsync("CREATE TABLE first (id int)");
        await GrantAsync(replica);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        await replica.SourceAsync("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        using (await replica.ReadAsync())
        {
            var t = new TableName("public", "t");
            replica.Routes[t] = new Core.Destinations.TableRoute(t, new TableName("s", "t"), null);
            var e = await Assert.ThrowsAsync<FaultException>(() => replica.ResyncAsync(t));
            Assert.Equal((ErrorClass.Table, "42501"), (e.Fault.Class, e.Fault.SqlState));
            Assert.StartsWith(remedy, e.Fault.Remedy, StringComparison.Ordinal);
            await replica.MendAsync(t, e.Fault.Remedy!);
        }

        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_share_a_destination_with_another_user_after_the_remedy()
    {
        await using var replica = await AsPlainUserAsync("CREATE TABLE t (id int PRIMARY KEY)");
        await using (var other = await new Postgres.Destination.PostgresDestination(replica.Endpoint(replica.Target)).OpenAsync(
            replica.Opening with { PipelineId = 4711, Generation = Guid.NewGuid() }, default))
        {
            var e = await Assert.ThrowsAsync<FaultException>(() => replica.StartAsync());
            Assert.Equal(ErrorClass.Operator, e.Fault.Class);
            await replica.TargetAsync(e.Fault.Remedy!);
        }

        await GrantAsync(replica);
        await replica.StartAsync();
        await replica.SourceAsync("INSERT INTO t VALUES (1)");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }

    [Fact]
    public async Task Should_not_let_triggers_and_cascades_act_a_second_time_with_the_replica_role()
    {
        await using var replica = await server.ReplicaAsync(
            """
            CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE SET NULL, n int);
            CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n = NEW.n + 1; RETURN NEW; END $$;
            CREATE TRIGGER bump BEFORE INSERT OR UPDATE ON child FOR EACH ROW EXECUTE FUNCTION bump();
            INSERT INTO parent SELECT generate_series(1, 100); INSERT INTO child SELECT i, i, 0 FROM generate_series(1, 100) i
            """);
        await replica.StartAsync();
        await replica.TargetAsync(
            """
            ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent ON DELETE SET NULL;
            CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n = NEW.n + 1; RETURN NEW; END $$;
            CREATE TRIGGER bump BEFORE INSERT OR UPDATE ON child FOR EACH ROW EXECUTE FUNCTION bump()
            """);
        await replica.SourceAsync("DELETE FROM parent WHERE id < 80; UPDATE child SET n = n + 10 WHERE id > 50; INSERT INTO child VALUES (200, 100, 0); DELETE FROM parent WHERE id = 90");
        await replica.SyncAsync();
        await replica.AssertEqualAsync();
    }
}
