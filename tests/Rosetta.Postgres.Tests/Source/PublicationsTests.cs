using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

[Collection(SourceServerCollection.Name)]
public sealed class PublicationsTests(SourceServer source)
{
    const string PublicationName = "Ro\"se'tta; ü";
    static readonly Guid Installation = Guid.NewGuid();
    static readonly CancellationToken None = CancellationToken.None;
    static readonly TableName Keyed = new("public", "a.\"b;c");
    static readonly TableName Keyless = new("Sch;ema", "keyless ö");
    static readonly TableName Plain = new("public", "plain");

    const string Tables = """
        CREATE SCHEMA "Sch;ema";
        CREATE TABLE "a.""b;c" (id int PRIMARY KEY, v text);
        CREATE TABLE "Sch;ema"."keyless ö" (id int, v text);
        CREATE TABLE plain (id int PRIMARY KEY, v text);
        """;

    async Task<(string Name, SourceDatabase Database, Publications Publications)> StartAsync(string sql = Tables)
    {
        var name = await source.CreateDatabaseAsync(sql);
        var database = source.Database(name);
        return (name, database, new Publications(database, PublicationName, Installation));
    }

    [Fact]
    public async Task Should_make_own_publications_so_that_no_statement_of_the_application_fails()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        var made = await publications.EnsureAsync(12, null, [Keyed, Keyless, Plain], None);
        Assert.Equal([PublicationName + "_p12", PublicationName + "_p12_insert_only"], made.Facts.Names);
        Assert.False(made.Facts.IsAdopted);
        Assert.Equal(3, made.Added.Count);
        Assert.Empty(made.Failed);
        Assert.Equal([Keyless], made.Facts.InsertOnlyTables);
        await source.Server.ExecuteAsync(
            "INSERT INTO \"Sch;ema\".\"keyless ö\" VALUES (1); UPDATE \"Sch;ema\".\"keyless ö\" SET v = 'x'; DELETE FROM \"Sch;ema\".\"keyless ö\"", name);

        var again = await publications.EnsureAsync(12, made.Facts, [Keyed, Keyless, Plain], None);
        Assert.Empty(again.Added.Concat(again.Moved).Concat(again.Removed));
        Assert.True(PublicationDrift.Between(made.Facts, again.Facts).IsNone);
        Assert.Equal(made.Facts.ToJson(), PublicationFacts.FromJson(again.Facts.ToJson()).ToJson());
    }

    [Theory]
    [InlineData("ALTER TABLE \"Sch;ema\".t OWNER TO \"Publ;isher\"", "GRANT USAGE ON SCHEMA \"Sch;ema\" TO \"Publ;isher\";")]
    [InlineData("GRANT USAGE ON SCHEMA \"Sch;ema\" TO \"Publ;isher\"; ALTER TABLE \"Sch;ema\".t OWNER TO app", "GRANT SELECT ON \"Sch;ema\".\"t\" TO \"Publ;isher\";\nGRANT \"app\" TO \"Publ;isher\";")]
    [InlineData("SELECT 1", "GRANT USAGE ON SCHEMA \"Sch;ema\" TO \"Publ;isher\";\nGRANT SELECT ON \"Sch;ema\".\"t\" TO \"Publ;isher\";\nALTER TABLE \"Sch;ema\".\"t\" OWNER TO \"Publ;isher\";")]
    public async Task Should_publish_a_table_after_the_remedy_for_missing_rights(string rights, string remedy)
    {
        var name = await source.CreateDatabaseAsync("""
            CREATE SCHEMA "Sch;ema"; CREATE TABLE "Sch;ema".t (id int PRIMARY KEY);
            DO $$ BEGIN
              IF to_regrole('app') IS NULL THEN CREATE ROLE app; CREATE ROLE "Publ;isher" LOGIN; END IF;
              EXECUTE format('GRANT CREATE ON DATABASE %I TO "Publ;isher"', current_database());
              REVOKE app FROM "Publ;isher";
            END $$;
            """ + rights);
        var table = new TableName("Sch;ema", "t");
        await using var database = source.Database(name, "Publ;isher");
        var publications = new Publications(database, PublicationName, Installation);
        var first = await publications.EnsureAsync(1, null, [table], None);
        Assert.Equal((table, remedy), (Assert.Single(first.Failed).Table, first.Failed[0].FixSql));
        await source.Server.ExecuteAsync(remedy, name);
        var second = await publications.EnsureAsync(1, first.Facts, [table], None);
        Assert.Empty(second.Failed);
        Assert.Equal([table], second.Added);
    }

    [Fact]
    public async Task Should_follow_the_wanted_tables_and_their_identity()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        var first = await publications.EnsureAsync(1, null, [Keyed, Keyless], None);
        await source.Server.ExecuteAsync("ALTER TABLE \"Sch;ema\".\"keyless ö\" REPLICA IDENTITY FULL; ALTER TABLE \"a.\"\"b;c\" REPLICA IDENTITY NOTHING", name);
        var second = await publications.EnsureAsync(1, first.Facts, [Keyed, Keyless, Plain], None);
        Assert.Equal([Plain], second.Added);
        Assert.Equal(new HashSet<TableName> { Keyed, Keyless }, second.Moved.ToHashSet());
        Assert.Equal([Keyed], second.Facts.InsertOnlyTables);
        var third = await publications.EnsureAsync(1, second.Facts, [Plain], None);
        Assert.Equal(new HashSet<TableName> { Keyed, Keyless }, third.Removed.ToHashSet());
        Assert.Equal(new HashSet<TableName> { Plain }, third.Facts.Tables);
        await publications.DropOwnAsync(1, None);
        await publications.DropOwnAsync(1, None);
        Assert.Equal(0, await source.Server.ScalarAsync<long>("SELECT count(*) FROM pg_publication", name));
    }

    [Fact]
    public async Task Should_use_the_users_publication_as_it_is_and_say_what_it_lacks()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        await source.Server.ExecuteAsync($"CREATE PUBLICATION {SqlIdentifier.Quote(PublicationName)} FOR TABLE \"a.\"\"b;c\" WITH (publish = 'insert, update, delete')", name);
        var adopted = await publications.EnsureAsync(3, null, [Keyed, Plain], None);
        Assert.True(adopted.Facts.IsAdopted);
        Assert.Equal([PublicationName], adopted.Facts.Names);
        Assert.Equal([Plain], adopted.Failed.Select(f => f.Table));
        await source.Server.ExecuteAsync(adopted.Failed[0].FixSql!, name);
        Assert.Empty((await publications.EnsureAsync(3, adopted.Facts, [Keyed, Plain], None)).Failed);
        // A pipeline that has publications of its own stays with them; one that followed the user's never silently makes its own.
        await source.Server.ExecuteAsync($"DROP PUBLICATION {SqlIdentifier.Quote(PublicationName)}", name);
        var gone = await Assert.ThrowsAsync<FaultException>(() => publications.EnsureAsync(3, adopted.Facts, [Keyed], None));
        Assert.Equal(ErrorClass.Operator, gone.Fault.Class);
        var own = await publications.EnsureAsync(3, null, [Keyed], None);
        await source.Server.ExecuteAsync($"CREATE PUBLICATION {SqlIdentifier.Quote(PublicationName)}", name);
        Assert.False((await publications.EnsureAsync(3, own.Facts, [Keyed], None)).Facts.IsAdopted);
    }

    [Fact]
    public async Task Should_never_touch_publications_of_another_installation()
    {
        var (_, database, publications) = await StartAsync();
        await using var __ = database;
        await publications.EnsureAsync(1, null, [Keyed], None);
        var other = new Publications(database, PublicationName, Guid.NewGuid());
        var refused = await Assert.ThrowsAsync<FaultException>(() => other.EnsureAsync(1, null, [Plain], None));
        Assert.Contains("not made by this installation", refused.Message, StringComparison.Ordinal);
        await other.DropOwnAsync(1, None);
        Assert.Equal(new HashSet<TableName> { Keyed }, (await publications.EnsureAsync(1, null, [Keyed], None)).Facts.Tables);
    }

    [Fact]
    public async Task Should_publish_the_others_when_one_table_is_locked_or_gone()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        await using var blocker = await source.Server.OpenAsync(name);
        await using var command = new NpgsqlCommand("BEGIN; LOCK TABLE plain IN SHARE UPDATE EXCLUSIVE MODE", blocker);
        await command.ExecuteNonQueryAsync();
        var missing = new TableName("public", "never");
        var made = await publications.EnsureAsync(1, null, [Keyed, Plain, missing], None);
        Assert.Equal([Keyed], made.Added);
        Assert.Equal([missing, Plain], made.Failed.Select(f => f.Table));
        Assert.Contains("locked", made.Failed[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_not_make_an_application_wait_while_it_waits_for_a_lock_itself()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        await using var blocker = await source.Server.OpenAsync(name);
        await using var command = new NpgsqlCommand("BEGIN; LOCK TABLE plain IN SHARE UPDATE EXCLUSIVE MODE", blocker);
        await command.ExecuteNonQueryAsync();
        var ensuring = publications.EnsureAsync(1, null, [Plain], None);
        await Testing.Waiting.Wait.UntilAsync(
            async () => await source.Server.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareUpdateExclusiveLock'", name) > 0,
            "ALTER PUBLICATION to wait");
        await source.Server.ExecuteAsync("SET statement_timeout = 2000; INSERT INTO plain VALUES (1); UPDATE plain SET v = 'x'; SELECT * FROM plain", name);
        await ensuring;
    }

    [Fact]
    public async Task Should_refuse_unlogged_partitioned_and_undecodable_tables_with_the_remedy()
    {
        var (name, database, publications) = await StartAsync("""
            CREATE UNLOGGED TABLE "quick ""1" (id int PRIMARY KEY);
            CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9);
            CREATE TABLE strange (id int PRIMARY KEY, "a;b" aclitem[]);
            """);
        await using var _ = database;
        TableName[] wanted = [new("public", "quick \"1"), new("public", "parted"), new("public", "part"), new("public", "strange")];
        var made = await publications.EnsureAsync(1, null, wanted, None);
        Assert.Equal([new TableName("public", "part")], made.Added);
        foreach (var failure in made.Failed.Where(f => f.FixSql is not null))
            await source.Server.ExecuteAsync(failure.FixSql!, name);
        Assert.Equal(["parted"], (await publications.EnsureAsync(1, made.Facts, wanted, None)).Failed.Select(f => f.Table.Name));
    }

    [Fact]
    public async Task Should_say_what_a_role_without_rights_needs()
    {
        var (name, database, _) = await StartAsync();
        await database.DisposeAsync();
        await source.Server.ExecuteAsync("""
            DO $$ BEGIN CREATE ROLE "App Owner" ; CREATE ROLE "plain;user" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            ALTER TABLE plain OWNER TO "App Owner";
            """, name);
        await using var weak = source.Database(name, "plain;user");
        var publications = new Publications(weak, PublicationName, Installation);
        var refused = await Assert.ThrowsAsync<FaultException>(() => publications.EnsureAsync(1, null, [Plain, Keyed], None));
        await source.Server.ExecuteAsync(refused.Fault.Remedy!, name);
        var made = await publications.EnsureAsync(1, null, [Plain, Keyed], None);
        Assert.Equal(2, made.Failed.Count);
        foreach (var failure in made.Failed)
            await source.Server.ExecuteAsync(failure.FixSql!, name);
        Assert.Empty((await publications.EnsureAsync(1, made.Facts, [Plain, Keyed], None)).Failed);
    }

    [Fact]
    public async Task Should_create_and_drop_the_sources_publication_on_request()
    {
        var (name, database, publications) = await StartAsync();
        await using var _ = database;
        var unknown = Assert.IsType<PublicationCreation.Unknown>(await publications.CreateAsync([new TableName("public", "never")], None));
        Assert.Single(unknown.Tables);
        var created = Assert.IsType<PublicationCreation.Created>(await publications.CreateAsync(null, None));
        Assert.Equal([Keyed, Plain], created.Tables);
        Assert.Equal([Keyless], created.InsertOnly);
        Assert.Equal(0, await source.Server.ScalarAsync<long>("SELECT count(*) FROM pg_publication WHERE puballtables", name));
        Assert.IsType<PublicationCreation.Exists>(await publications.CreateAsync([Plain], None));
        Assert.Equal(3, (await publications.FindUsersAsync(None))!.Tables.Count);
        Assert.True(await publications.DropUsersAsync(None));
        Assert.False(await publications.DropUsersAsync(None));
    }

    [Fact]
    public async Task Should_publish_only_inserts_of_tables_whose_identity_is_generated()
    {
        var (name, database, publications) = await StartAsync("""
            CREATE TABLE by_key (id int, g int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY, v text);
            CREATE TABLE by_row (id int, g int GENERATED ALWAYS AS (id * 2) STORED, v text); ALTER TABLE by_row REPLICA IDENTITY FULL;
            INSERT INTO by_key (id) VALUES (1); INSERT INTO by_row (id) VALUES (1);
            """);
        await using var _ = database;
        TableName[] tables = [new("public", "by_key"), new("public", "by_row")];
        var made = await publications.EnsureAsync(1, null, tables, None);
        // Since 18 a generated column spoils FULL too.
        Assert.Equal(tables.Take(source.Server.Version >= 18 ? 2 : 1).ToHashSet(), made.Facts.InsertOnlyTables.ToHashSet());
        await source.Server.ExecuteAsync("UPDATE by_key SET v = 'x'; UPDATE by_row SET v = 'x'; DELETE FROM by_key; DELETE FROM by_row", name);
    }

    [Fact]
    public async Task Should_know_which_tables_would_end_the_stream()
    {
        var (name, database, publications) = await StartAsync("""
            CREATE DOMAIN acl AS aclitem; CREATE TYPE pair AS (n int, a aclitem);
            CREATE TABLE a_plain (id int PRIMARY KEY, a aclitem); CREATE TABLE b_domain (id int PRIMARY KEY, a acl);
            CREATE TABLE c_array (id int PRIMARY KEY, a aclitem[]); CREATE TABLE d_composite (id int PRIMARY KEY, a pair);
            """);
        await using var _ = database;
        foreach (var (table, value, sent) in new[]
        {
            ("a_plain", "'postgres=r/postgres'::aclitem", true), ("b_domain", "'postgres=r/postgres'::aclitem", true),
            ("c_array", "ARRAY['postgres=r/postgres'::aclitem]", false), ("d_composite", "ROW(1, 'postgres=r/postgres'::aclitem)::pair", false),
        })
        {
            var made = await publications.EnsureAsync(1, null, [new TableName("public", table)], None);
            Assert.Equal(sent ? 0 : 1, made.Failed.Count);
            var slot = $"decode_{Guid.NewGuid():N}";
            await source.Server.ExecuteAsync($"CREATE PUBLICATION {slot} FOR TABLE {table}", name);
            await source.Server.ExecuteAsync($"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", name);
            await source.Server.ExecuteAsync($"INSERT INTO {table} VALUES (1, {value})", name);
            var decoding = source.Server.ExecuteAsync(
                $"SELECT count(*) FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', 'publication_names', '{slot}', 'binary', 'true')", name);
            if (sent)
                await decoding;
            else
                Assert.Contains("no binary output function", (await Assert.ThrowsAsync<PostgresException>(() => decoding)).MessageText, StringComparison.Ordinal);
            await source.Server.ExecuteAsync($"SELECT pg_drop_replication_slot('{slot}')", name);
        }
    }
}
