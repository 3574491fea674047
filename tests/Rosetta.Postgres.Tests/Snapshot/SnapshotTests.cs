using System.Text;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Tests.Source;
using Xunit;

namespace Rosetta.Postgres.Tests.Snapshot;

[Collection(SourceServerCollection.Name)]
public sealed class SnapshotTests(SourceServer source)
{
    static readonly CancellationToken None = CancellationToken.None;
    static readonly TableName T = new("public", "t");

    static string Unique(string name) => $"{name}_{Guid.NewGuid():N}";

    static async Task<SnapshotWorkers> ImportAsync(SourceDatabase database, int workers = 1)
    {
        await using var export = await SnapshotExport.CreateAsync(database, Unique("snap"), isTemporary: true);
        return await export.ImportAsync(workers, None);
    }

    static async Task<byte[]> ReadAsync(SnapshotCopySource copy)
    {
        using var bytes = new MemoryStream();
        await foreach (var piece in copy.ReadAsync(None))
            bytes.Write(piece.Span);
        return bytes.ToArray();
    }

    static async Task<string> TextAsync(SnapshotWorker worker, string table, IReadOnlyList<string>? columns = null, string? filter = null)
    {
        var description = await worker.DescribeAsync(new TableName("public", table), None);
        return Encoding.UTF8.GetString(await ReadAsync(worker.CopyOut(description!, columns, filter)));
    }

    [Fact]
    public async Task Should_show_all_workers_the_same_moment_and_outlive_the_export()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, a aclitem); INSERT INTO t SELECT generate_series(1, 3)");
        await using var database = source.Database(name);
        var slot = Unique("main");
        SnapshotWorkers workers;
        await using (var export = await SnapshotExport.CreateAsync(database, slot, isTemporary: false))
        {
            Assert.Equal(slot, export.SlotName);
            await source.Server.ExecuteAsync("INSERT INTO t VALUES (4); DELETE FROM t WHERE id = 1", name);
            workers = await export.ImportAsync(3, None);
            Assert.Equal(export.Since, workers.Since);
        }

        await using (workers)
        {
            await source.Server.ExecuteAsync("INSERT INTO t VALUES (5)", name);
            Assert.Equal(3, workers.Workers.Count);
            foreach (var worker in workers.Workers)
                Assert.Equal("1\t\\N\n2\t\\N\n3\t\\N\n", await TextAsync(worker, "t"));
        }

        var slots = new Slots(database);
        var made = await slots.FindAsync(slot, None);
        Assert.Equal(workers.Since, made!.ConfirmedFlush);
        Assert.Null(made.ActivePid);
        await slots.DropAsync(slot, "rosetta/", None);
    }

    [Fact]
    public async Task Should_pass_binary_copies_through_to_another_table_byte_for_byte()
    {
        const string Odd = "\"Sch.\"\"; ü\".\"t;--\"";
        var name = await source.CreateDatabaseAsync($$"""
            CREATE SCHEMA "Sch.""; ü"; CREATE TYPE mood AS ENUM ('a', 'b');
            CREATE TABLE {{Odd}} ("i""d" bigint PRIMARY KEY, "g;" bigint GENERATED ALWAYS AS ("i""d" * 2) STORED, v text, n numeric, m mood[], j jsonb, f float8, ts timestamptz);
            INSERT INTO {{Odd}} ("i""d", v, n, m, j, f, ts) SELECT i, repeat('ü' || i, (i % 50)::int), i / 7.0, ARRAY['a', NULL, 'b']::mood[], jsonb_build_object('k', i), 'NaN', now()
              FROM generate_series(1, 20000) i;
            CREATE TABLE copy (LIKE {{Odd}} INCLUDING ALL);
            """);
        await using var database = source.Database(name);
        await using var workers = await ImportAsync(database);
        var worker = workers.Workers[0];
        var table = await worker.DescribeAsync(new TableName("Sch.\"; ü", "t;--"), None);
        var copy = worker.CopyOut(table!);
        Assert.Equal(CopyFormat.Binary, copy.Format);
        Assert.Equal(["i\"d", "v", "n", "m", "j", "f", "ts"], copy.ColumnNames);
        await using (var connection = await source.Server.OpenAsync(name))
        await using (var into = await connection.BeginRawBinaryCopyAsync(
            $"COPY copy ({string.Join(", ", copy.ColumnNames.Select(SqlIdentifier.Quote))}) FROM STDIN (FORMAT binary)"))
        {
            await foreach (var piece in copy.ReadAsync(None))
                await into.WriteAsync(piece);
        }

        Assert.Equal(20000, copy.Rows);
        Assert.Equal(0, await source.Server.ScalarAsync<long>($"SELECT count(*) FROM (SELECT x::text FROM {Odd} x EXCEPT ALL SELECT y::text FROM copy y) d", name));
        Assert.Equal(20000, await source.Server.ScalarAsync<long>("SELECT count(*) FROM copy", name));
    }

    [Fact]
    public async Task Should_copy_only_the_table_itself_the_wanted_columns_and_the_published_rows()
    {
        var name = await source.CreateDatabaseAsync("""
            CREATE TABLE t (id int PRIMARY KEY, v text, a aclitem); INSERT INTO t VALUES (1, E'x\ty'), (2, 'z');
            CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (3, 'child');
            CREATE TABLE parted (id int, a aclitem) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); INSERT INTO parted VALUES (7);
            CREATE TABLE bare ();
            """);
        await using var database = source.Database(name);
        await using var workers = await ImportAsync(database);
        var worker = workers.Workers[0];
        Assert.Equal("1\tx\\ty\t\\N\n2\tz\t\\N\n", await TextAsync(worker, "t"));
        Assert.Equal("2\t\\N\n", await TextAsync(worker, "t", ["id", "a"], "(id > 1)"));
        Assert.Equal("7\t\\N\n", await TextAsync(worker, "parted"));
        Assert.Equal(21, (await ReadAsync(worker.CopyOut((await worker.DescribeAsync(new TableName("public", "bare"), None))!))).Length);
        Assert.Null(await worker.DescribeAsync(new TableName("public", "never"), None));
    }

    [Fact]
    public async Task Should_describe_a_table_as_it_was()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY)");
        await using var database = source.Database(name);
        await using var workers = await ImportAsync(database);
        await source.Server.ExecuteAsync("ALTER TABLE t ADD v text", name);
        Assert.Equal(["id"], (await workers.Workers[0].DescribeAsync(T, None))!.Columns.Select(c => c.Name));
    }

    [Theory]
    [InlineData("ALTER TABLE t ALTER id TYPE bigint")]
    [InlineData("TRUNCATE t")]
    [InlineData("DROP TABLE t")]
    [InlineData("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)")]
    [InlineData("ALTER TABLE t RENAME TO u")]
    public async Task Should_refuse_a_table_that_was_rewritten_since_and_go_on_with_others(string change)
    {
        var name = await source.EmptyDatabaseAsync(
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE other (id int, a aclitem); INSERT INTO other VALUES (5)");
        await using var database = source.Database(name);
        await using var workers = await ImportAsync(database);
        var worker = workers.Workers[0];
        var table = await worker.DescribeAsync(T, None);
        await source.Server.ExecuteAsync(change, name);
        var refused = await Assert.ThrowsAsync<TableRewrittenException>(() => ReadAsync(worker.CopyOut(table!)));
        Assert.Equal((T, ErrorClass.Transient), (refused.Table, ErrorPolicy.Classify(refused)));
        Assert.False(worker.IsBroken);
        Assert.Equal("5\t\\N\n", await TextAsync(worker, "other"));
    }

    [Fact]
    public async Task Should_not_keep_the_lock_of_a_copied_table()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, a aclitem); INSERT INTO t VALUES (1)");
        await using var database = source.Database(name);
        await using var workers = await ImportAsync(database);
        await TextAsync(workers.Workers[0], "t");
        await source.Server.ExecuteAsync("SET statement_timeout = 5000; ALTER TABLE t ADD v text", name);
    }

    [Fact]
    public async Task Should_outlast_the_sources_time_limits()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, a aclitem); INSERT INTO t VALUES (1)");
        var role = Unique("limited");
        await source.Server.ExecuteAsync($"""
            CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON t TO {role};
            ALTER ROLE {role} SET idle_in_transaction_session_timeout = 200; ALTER ROLE {role} SET statement_timeout = 200; ALTER ROLE {role} SET idle_session_timeout = 200;
            """, name);
        await using var database = source.Database(name, role);
        await using var export = await SnapshotExport.CreateAsync(database, Unique("limits"), isTemporary: true);
        // The server's own clock: five times the limit passes there.
        await source.Server.ExecuteAsync("SELECT pg_sleep(1)");
        await using var workers = await export.ImportAsync(1, None);
        await source.Server.ExecuteAsync("SELECT pg_sleep(1)");
        Assert.Equal("1\t\\N\n", await TextAsync(workers.Workers[0], "t"));
    }

    [Fact]
    public async Task Should_fail_rather_than_leave_out_rows_that_a_policy_hides()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, a aclitem); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY");
        var role = Unique("policy");
        await source.Server.ExecuteAsync($"CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON t TO {role}", name);
        await using var database = source.Database(name, role);
        await using var workers = await ImportAsync(database);
        var error = await Assert.ThrowsAsync<Postgres.Wire.PgServerException>(() => TextAsync(workers.Workers[0], "t"));
        Assert.Equal("42501", error.SqlState);
        Assert.False(workers.Workers[0].IsBroken);
    }

    [Fact]
    public async Task Should_say_that_a_snapshot_is_gone()
    {
        var name = await source.CreateDatabaseAsync();
        await using var database = source.Database(name);
        await using var export = await SnapshotExport.CreateAsync(database, Unique("gone"), isTemporary: true);
        await source.Server.KillBackendsAsync("backend_type = 'walsender' AND datname = " + SqlIdentifier.Literal(name));
        await Testing.Waiting.Wait.UntilAsync(
            async () => await source.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = {SqlIdentifier.Literal(name)}") == 0,
            "the walsender to end");
        var gone = await Assert.ThrowsAsync<FaultException>(() => export.ImportAsync(2, None));
        Assert.Equal(ErrorClass.Transient, gone.Fault.Class);
    }

    [Fact]
    public async Task Should_make_the_next_slot_with_the_walsender_that_was_kept_and_read_in_sessions_that_were_opened_before()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, a aclitem); INSERT INTO t SELECT generate_series(1, 3)");
        await using var database = source.Database(name);
        await using var spare = new SpareSender(TimeProvider.System);
        var first = await ReplicationConnection.OpenAsync(database.Endpoint);
        var walsender = first.ProcessId;
        await first.CreateSlotAsync(new SlotRequest(Unique("first")) { IsTemporary = true });
        await spare.KeepAsync(first);
        var sessions = await ReaderSessions.OpenAsync(database.Endpoint, 2, None);
        // One that waits may be ended; another takes its place.
        var ended = await source.Server.ScalarAsync<int>(
            $"SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'rosetta/test' AND backend_type = 'client backend' AND datname = {SqlIdentifier.Literal(name)}");
        await source.Server.KillBackendsAsync($"pid = {ended}");
        await Testing.Waiting.Wait.UntilAsync(async () => await source.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE pid = {ended}") == 0, "the session to end");

        var slot = Unique("second");
        SnapshotWorkers workers;
        await using (var export = await SnapshotExport.CreateAsync(database, slot, isTemporary: true, walsender: await spare.TakeAsync(None)))
        {
            Assert.Equal(walsender, await source.Server.ScalarAsync<int>($"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'"));
            Assert.Null(await spare.TakeAsync(None));
            await source.Server.ExecuteAsync("INSERT INTO t VALUES (4)", name);
            workers = await export.ImportAsync(sessions, None);
        }

        await using (workers)
        {
            Assert.Equal(2, workers.Workers.Count);
            foreach (var worker in workers.Workers)
                Assert.Equal("1\t\\N\n2\t\\N\n3\t\\N\n", await TextAsync(worker, "t"));
        }

        await Testing.Waiting.Wait.UntilAsync(
            async () => await source.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = {SqlIdentifier.Literal(name)}") == 0,
            "the walsender to end, and its slots with it");
    }

    [Fact]
    public async Task Should_end_a_walsender_that_nobody_took_and_give_none_that_is_lost()
    {
        var name = await source.CreateDatabaseAsync();
        await using var database = source.Database(name);
        await using var spare = new SpareSender(TimeProvider.System);
        await spare.KeepAsync(await ReplicationConnection.OpenAsync(database.Endpoint));
        await EndedAsync();
        Assert.Null(await spare.TakeAsync(None));

        await spare.KeepAsync(await ReplicationConnection.OpenAsync(database.Endpoint));
        await source.Server.KillBackendsAsync($"backend_type = 'walsender' AND datname = {SqlIdentifier.Literal(name)}");
        await EndedAsync();
        Assert.Null(await spare.TakeAsync(None));
        await spare.DisposeAsync();
        await spare.KeepAsync(await ReplicationConnection.OpenAsync(database.Endpoint));
        await EndedAsync();

        Task EndedAsync() => Testing.Waiting.Wait.UntilAsync(
            async () => await source.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = {SqlIdentifier.Literal(name)}") == 0,
            "the walsender to end");
    }

    [Fact]
    public async Task Should_leave_nothing_behind_when_a_copy_is_given_up()
    {
        var name = await source.CreateDatabaseAsync("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i");
        await using var database = source.Database(name);
        var workers = await ImportAsync(database);
        var table = await workers.Workers[0].DescribeAsync(T, None);
        await foreach (var piece in workers.Workers[0].CopyOut(table!).ReadAsync(None))
        {
            Assert.False(piece.IsEmpty);
            break;
        }

        Assert.True(workers.Workers[0].IsBroken);
        await workers.DisposeAsync();
        await Testing.Waiting.Wait.UntilAsync(
            async () => await source.Server.ScalarAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rosetta/test' AND datname = {SqlIdentifier.Literal(name)}") == 0,
            "our sessions to end");
    }
}
