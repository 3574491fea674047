using Npgsql;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Source;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

public sealed class PreflightTests
{
    static readonly PreflightRequest Request = new("rosetta", "rosetta_p1", SlotIsOurs: false);
    static readonly CancellationToken None = CancellationToken.None;

    static Task<PostgresServer> StartAsync(params (string Name, string Value)[] settings) =>
        PostgresServer.StartAsync(new PostgresServerOptions { Name = "preflight", Version = SourceServer.Version, Settings = settings.ToDictionary(s => s.Name, s => s.Value) });

    static async Task<PreflightReport> CheckAsync(PostgresServer server, string user = "postgres", PreflightRequest? request = null, string databaseName = "postgres")
    {
        await using var database = new SourceDatabase(SourceServer.EndpointOf(server, databaseName, user));
        return await Preflight.RunAsync(database, request ?? Request, None);
    }

    // As psql runs a script: statement by statement, each in a transaction of its own.
    static async Task MendAsync(PostgresServer server, IEnumerable<PreflightFinding> findings, string databaseName = "postgres")
    {
        foreach (var statement in findings.Where(f => f.FixSql is not null).SelectMany(f => f.FixSql!.Split(";\n")))
            await server.ExecuteAsync(statement, databaseName);
    }

    static void AssertFindings(PreflightReport report, params string[] expected) =>
        Assert.Equal(
            expected.Order(StringComparer.Ordinal),
            report.Findings.Where(f => f.Severity != FindingSeverity.Info).Select(f => $"{f.Severity} {f.Check}{(f.Table is { } t ? $" {t}" : "")}").Order(StringComparer.Ordinal));

    [Fact]
    public async Task Should_find_nothing_wrong_with_a_server_that_is_ready()
    {
        await using var server = await StartAsync();
        await server.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY)");
        var report = await CheckAsync(server);
        AssertFindings(report);
        Assert.True(report.Ok);
        Assert.Equal([PreflightChecks.WalRetention], report.Findings.Select(f => f.Check));
    }

    [Fact]
    public async Task Should_name_settings_that_are_in_the_way_and_mend_them()
    {
        await using var server = await StartAsync(
            ("wal_level", "replica"), ("max_replication_slots", "1"), ("max_wal_senders", "2"), ("max_slot_wal_keep_size", "64MB"), ("wal_sender_timeout", "0"));
        var report = await CheckAsync(server);
        AssertFindings(
            report, "Error wal_level", "Warning replication_slots", "Warning wal_senders", "Warning wal_retention", "Warning wal_sender_timeout");
        Assert.Equal("wal_level", report.Blocking!.Check);
        await MendAsync(server, report.Findings);
        await server.RestartAsync();
        AssertFindings(await CheckAsync(server));
    }

    [Fact]
    public async Task Should_count_slots_that_others_have_and_a_slot_of_our_name()
    {
        await using var server = await StartAsync(("max_replication_slots", "2"));
        await server.ExecuteAsync("SELECT pg_create_logical_replication_slot('rosetta_p1', 'pgoutput'), pg_create_logical_replication_slot('other', 'pgoutput')");
        var report = await CheckAsync(server);
        AssertFindings(report, "Error slot_name", "Warning replication_slots");
        AssertFindings(await CheckAsync(server, request: Request with { SlotIsOurs = true }), "Warning replication_slots");
        AssertFindings(await CheckAsync(server, request: Request with { SlotName = "new_p2" }), "Error replication_slots");
        AssertFindings(await CheckAsync(server, request: Request with { SlotName = "No;t", SlotIsOurs = true }), "Error slot_name", "Error replication_slots");
        await MendAsync(server, report.Findings);
        await server.RestartAsync();
        AssertFindings(await CheckAsync(server));
    }

    [Fact]
    public async Task Should_name_missing_rights_and_mend_them()
    {
        await using var server = await StartAsync();
        const string Database = "D\"b; 1";
        await server.CreateDatabaseAsync(Database);
        await server.ExecuteAsync("""
            CREATE ROLE "We;ak ""r" LOGIN; CREATE ROLE "App;" ; CREATE SCHEMA "S;"; CREATE TABLE "S;"."t ""1" (id int PRIMARY KEY); ALTER TABLE "S;"."t ""1" OWNER TO "App;";
            CREATE TABLE r (id int PRIMARY KEY); ALTER TABLE r ENABLE ROW LEVEL SECURITY; GRANT SELECT ON r TO "We;ak ""r";
            """, Database);
        var report = await CheckAsync(server, "We;ak \"r", databaseName: Database);
        AssertFindings(
            report, "Error replication_role", "Error publication_privilege", "Error select_privilege S;.\"t \"\"1\"", "Error publication_privilege S;.\"t \"\"1\"",
            "Error publication_privilege public.r", "Error row_security public.r");
        Assert.Equal(2, report.BlockedTables.Count);
        await MendAsync(server, report.Findings, Database);
        AssertFindings(await CheckAsync(server, "We;ak \"r", databaseName: Database));

        // What was made with rights that are gone again goes on.
        await server.ExecuteAsync("""
            CREATE PUBLICATION rosetta_p1 FOR TABLE "S;"."t ""1", r; REVOKE "App;" FROM "We;ak ""r"; ALTER TABLE r OWNER TO postgres; GRANT SELECT ON r, "S;"."t ""1" TO "We;ak ""r";
            REVOKE CREATE ON DATABASE "D""b; 1" FROM "We;ak ""r";
            """, Database);
        AssertFindings(await CheckAsync(server, "We;ak \"r", Request with { UsesOwnPublication = true }, Database));
    }

    [Fact]
    public async Task Should_name_tables_that_cannot_be_replicated_wholly_and_mend_them()
    {
        await using var server = await StartAsync();
        await server.ExecuteAsync("""
            CREATE TABLE "key;less" (id int); CREATE TABLE indexed (id int NOT NULL); CREATE UNIQUE INDEX "i ""1" ON indexed (id);
            CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
            CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE);
            CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
            CREATE TABLE strange (id int PRIMARY KEY, "a ""b" aclitem[], c regclass, d money);
            """);
        var report = await CheckAsync(server);
        AssertFindings(
            report, "Warning replica_identity public.key;less", "Warning replica_identity public.indexed", "Warning replica_identity public.nothing",
            "Warning replica_identity public.deferred", "Error unlogged public.quick", "Error types public.strange", "Error types public.strange",
            "Warning types public.strange");
        await MendAsync(server, report.Findings);
        // Whole rows are an identity, a dear one.
        var again = await CheckAsync(server);
        AssertFindings(again, "Warning types public.strange", "Warning replica_identity public.key;less");
        Assert.Contains("whole table", again.Findings.Single(f => f.Check == PreflightChecks.ReplicaIdentity).Detail, StringComparison.Ordinal);
        await MendAsync(server, again.Findings);
        AssertFindings(await CheckAsync(server), "Warning types public.strange");
        await server.ExecuteAsync("ALTER TABLE indexed REPLICA IDENTITY FULL");
        var full = await CheckAsync(server);
        AssertFindings(full, "Warning types public.strange", "Warning replica_identity public.indexed");
        await MendAsync(server, full.Findings);
        AssertFindings(await CheckAsync(server), "Warning types public.strange");
        Assert.Equal("i", (await server.ScalarAsync<char>("SELECT relreplident FROM pg_class WHERE relname = 'indexed'")).ToString());
        AssertFindings(await CheckAsync(server, request: Request with { Tables = [new TableName("public", "indexed")] }));
    }

    [Fact]
    public async Task Should_look_at_the_users_publication_and_mend_it()
    {
        await using var server = await StartAsync();
        // Column lists and row filters came with 15.
        var narrows = server.Version >= 15;
        await server.ExecuteAsync($"""
            CREATE TABLE a (id int PRIMARY KEY, v int, w int); CREATE TABLE b (id int PRIMARY KEY, v int); CREATE TABLE c (id int); CREATE TABLE d (id int PRIMARY KEY);
            CREATE PUBLICATION rosetta FOR TABLE {(narrows ? "a (v, w), b WHERE (v > 1), c" : "a, b, c")} WITH (publish = 'insert, update');
            """);
        TableName[] all = [.. new[] { "a", "b", "c", "d" }.Select(n => new TableName("public", n))];
        var report = await CheckAsync(server, request: Request with { Tables = all });
        string[] narrowed = narrows ? ["Error column_list public.a", "Error row_filter public.b"] : [];
        AssertFindings(report, ["Warning publication", .. narrowed, "Warning replica_identity public.c", "Error publication public.d"]);
        await MendAsync(server, report.Findings);
        var after = await CheckAsync(server, request: Request with { Tables = all });
        AssertFindings(after, "Warning replica_identity public.c");
        Assert.Equal(narrows, after.Findings.Any(f => f is { Check: PreflightChecks.RowFilter, Severity: FindingSeverity.Info }));
        AssertFindings(await CheckAsync(server, request: Request with { UsesOwnPublication = true }), "Warning replica_identity public.c");
        await MendAsync(server, after.Findings);
        AssertFindings(await CheckAsync(server, request: Request with { Tables = all }));
    }

    [Fact]
    public async Task Should_warn_of_a_publication_for_all_tables()
    {
        await using var server = await StartAsync();
        await server.ExecuteAsync("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int); CREATE PUBLICATION rosetta FOR ALL TABLES");
        var report = await CheckAsync(server);
        AssertFindings(report, "Warning publication", "Warning replica_identity public.b");
        await MendAsync(server, report.Findings);
        AssertFindings(await CheckAsync(server), "Warning replica_identity public.b");
    }

    [Fact]
    public async Task Should_name_transactions_that_would_hold_up_the_slot()
    {
        await using var server = await StartAsync(("max_prepared_transactions", "5"));
        await server.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY)");
        await using var connection = await server.OpenAsync();
        await using var command = new NpgsqlCommand("BEGIN; INSERT INTO t VALUES (1)", connection);
        await command.ExecuteNonQueryAsync();
        await server.ExecuteAsync("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s; 1'");
        var request = Request with { LongTransaction = TimeSpan.Zero };
        var report = await CheckAsync(server, request: request);
        AssertFindings(report, "Warning long_transaction", "Warning prepared_transaction");
        var finding = report.Findings.Single(f => f.Check == PreflightChecks.LongTransaction);
        Assert.Contains(FormattableString.Invariant($"process {connection.ProcessID}"), finding.Detail, StringComparison.Ordinal);
        Assert.Contains("INSERT INTO t", finding.Detail, StringComparison.Ordinal);
        AssertFindings(await CheckAsync(server));
        await MendAsync(server, report.Findings);
        await Testing.Waiting.Wait.UntilAsync(
            async () => (await CheckAsync(server, request: request)).Findings.All(f => f.Severity == FindingSeverity.Info), "the transactions to be gone");
    }

    [Fact]
    public async Task Should_report_a_source_that_cannot_be_reached()
    {
        await using var database = new SourceDatabase(new Postgres.Wire.PgEndpoint { Host = "127.0.0.1", Port = FreePorts.Next(), Database = "d", User = "u" });
        var report = await Preflight.RunAsync(database, Request, None);
        Assert.False(report.Ok);
        Assert.Equal(PreflightChecks.Connection, report.Blocking!.Check);
        Assert.Contains("Nothing listens", report.Blocking.Detail, StringComparison.Ordinal);
    }
}
