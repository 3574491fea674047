using System.Diagnostics;
using Npgsql;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Testing.Tests.Servers;

public sealed class PostgresServerTests(ITestOutputHelper output)
{
    PostgresServerOptions Options(string name) => new() { Name = name, Log = output.WriteLine };

    [Fact]
    public async Task Should_start_ready_for_logical_replication_and_remove_everything_when_disposed()
    {
        string directory;
        int pid;
        await using (var server = await PostgresServer.StartAsync(Options("plain")))
        {
            Assert.Equal("logical", await server.ScalarAsync<string>("SHOW wal_level"));
            Assert.Equal("off", await server.ScalarAsync<string>("SHOW fsync"));
            await server.ExecuteAsync("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
            directory = server.DataDirectory;
            pid = server.ProcessId!.Value;
        }
        Assert.False(Directory.Exists(directory));
        Assert.Null(ProcessIdentity.Find(pid));
    }

    [Fact]
    public async Task Should_remove_everything_though_a_small_disk_was_left_mounted()
    {
        string directory;
        await using (var server = await PostgresServer.StartAsync(Options("small")))
        {
            directory = Path.GetDirectoryName(server.DataDirectory)!;
            await server.ExecuteAsync("CREATE TABLE t (payload bytea)");
            // As by somebody who is killed before it is let go.
            await SmallDisk.MountAsync(server, "postgres", "t");
            Assert.Equal(Environment.IsPrivilegedProcess, File.ReadAllText("/proc/self/mounts").Contains(directory, StringComparison.Ordinal));
        }

        Assert.False(Directory.Exists(directory));
        Assert.DoesNotContain(directory, File.ReadAllText("/proc/self/mounts"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_give_each_server_a_system_identifier_of_its_own_that_survives_a_crash()
    {
        const string Identifier = "SELECT system_identifier FROM pg_control_system()";
        await using var a = await PostgresServer.StartAsync(Options("a"));
        await using var b = await PostgresServer.StartAsync(Options("b"));
        var before = await a.ScalarAsync<long>(Identifier);
        Assert.NotEqual(before, await b.ScalarAsync<long>(Identifier));
        await a.CrashAsync();
        await a.StartAsync();
        Assert.Equal(before, await a.ScalarAsync<long>(Identifier));
    }

    [Fact]
    public async Task Should_keep_committed_rows_and_the_port_over_stop_crash_and_restart()
    {
        await using var server = await PostgresServer.StartAsync(Options("restart"));
        var port = server.Port;
        await server.CreateDatabaseAsync("Shop \"1\"");
        await server.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY)", "Shop \"1\"");
        foreach (var mode in Enum.GetValues<PostgresStopMode>())
        {
            await server.ExecuteAsync($"INSERT INTO t VALUES ({(int)mode})", "Shop \"1\"");
            await server.StopAsync(mode);
            Assert.False(server.IsRunning);
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => server.ExecuteAsync("SELECT 1"));
            await server.StartAsync();
        }
        Assert.Equal(port, server.Port);
        Assert.Equal([0, 1, 2], await server.QueryAsync<int>("SELECT id FROM t ORDER BY id", "Shop \"1\""));
        Assert.Contains("database system was interrupted", server.LogTail(200), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_not_answer_while_frozen_and_go_on_when_thawed()
    {
        await using var server = await PostgresServer.StartAsync(Options("frozen"));
        await using var connection = await server.OpenAsync();
        await server.FreezeAsync();
        await using var command = new NpgsqlCommand("SELECT 7", connection);
        var answer = command.ExecuteScalarAsync();
        await Assert.ThrowsAsync<TimeoutException>(() => answer.WaitAsync(TimeSpan.FromMilliseconds(300)));
        await server.ThawAsync();
        Assert.Equal(7, await answer.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Should_be_removable_while_frozen()
    {
        var server = await PostgresServer.StartAsync(Options("frozen"));
        await server.FreezeAsync();
        var watch = Stopwatch.StartNew();
        await server.DisposeAsync();
        Assert.False(server.IsRunning);
        Assert.False(Directory.Exists(server.DataDirectory));
        output.WriteLine($"removed after {watch.Elapsed}");
    }

    [Theory]
    [InlineData("scram-sha-256", "SCRAM-SHA-256$%")]
    [InlineData("md5", "md5%")]
    [InlineData("password", "SCRAM-SHA-256$%")]
    public async Task Should_ask_for_the_password(string auth, string stored)
    {
        await using var server = await PostgresServer.StartAsync(Options("auth") with { Auth = auth });
        Assert.True(await server.ScalarAsync<bool>($"SELECT rolpassword LIKE '{stored}' FROM pg_authid WHERE rolname = 'postgres'"));
        await using var wrong = new NpgsqlConnection(server.ConnectionString(password: "wrong"));
        var error = await Assert.ThrowsAsync<PostgresException>(() => wrong.OpenAsync());
        Assert.Equal(PostgresErrorCodes.InvalidPassword, error.SqlState);
    }

    [Fact]
    public async Task Should_speak_tls_with_a_certificate_that_verifies_and_refuse_plain_when_asked_to()
    {
        await using var server = await PostgresServer.StartAsync(Options("tls") with { RequireSsl = true, Auth = "scram-sha-256" });
        var full = new NpgsqlConnectionStringBuilder(server.ConnectionString())
        {
            SslMode = SslMode.VerifyFull,
            RootCertificate = server.CertificateFile
        };
        await using (var connection = new NpgsqlConnection(full.ConnectionString))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", connection);
            Assert.Equal(true, await command.ExecuteScalarAsync());
        }
        full.SslMode = SslMode.Disable;
        full.RootCertificate = null;
        await using var plain = new NpgsqlConnection(full.ConnectionString);
        var error = await Assert.ThrowsAsync<PostgresException>(() => plain.OpenAsync());
        Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, error.SqlState);
    }

    [Fact]
    public async Task Should_take_settings_and_change_them_later()
    {
        await using var server = await PostgresServer.StartAsync(
            Options("settings") with { Durable = true, Settings = new Dictionary<string, string> { ["work_mem"] = "5MB" } });
        Assert.Equal("5MB", await server.ScalarAsync<string>("SHOW work_mem"));
        Assert.Equal("on", await server.ScalarAsync<string>("SHOW fsync"));
        await server.ConfigureAsync(new Dictionary<string, string> { ["wal_level"] = "replica" }, restart: true);
        Assert.Equal("replica", await server.ScalarAsync<string>("SHOW wal_level"));
    }

    [Fact]
    public async Task Should_terminate_the_backends_a_predicate_names()
    {
        await using var server = await PostgresServer.StartAsync(Options("kill"));
        await using var victim = await server.OpenAsync();
        Assert.Equal(1, await server.KillBackendsAsync($"pid = {victim.ProcessID}"));
        await using var command = new NpgsqlCommand("SELECT 1", victim);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => command.ExecuteScalarAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Should_end_a_server_whose_owner_was_killed(bool frozen)
    {
        await using var orphan = await PostgresServer.StartAsync(Options("orphan"));
        if (frozen)
            await orphan.FreezeAsync();
        // As if the process that started it were dead: same id, other start time.
        var owner = ProcessIdentity.Current with { StartTicks = ProcessIdentity.Current.StartTicks - 1 };
        await File.WriteAllTextAsync(Path.Combine(orphan.DataDirectory, "..", "owner"), owner.Format());
        await using var next = await PostgresServer.StartAsync(Options("next"));
        // Another test's start may be the one that removes it.
        await Wait.UntilAsync(() => !orphan.IsRunning && !Directory.Exists(orphan.DataDirectory), "the orphan to be removed");
    }

    [Fact]
    public async Task Should_say_why_a_server_did_not_start()
    {
        var options = Options("bad") with { Settings = new Dictionary<string, string> { ["shared_buffers"] = "nonsense" } };
        var error = await Assert.ThrowsAsync<PostgresServerException>(() => PostgresServer.StartAsync(options));
        Assert.Contains("invalid value for parameter \"shared_buffers\"", error.Message, StringComparison.Ordinal);
    }

    [TheoryNeeding("node", "npm")]
    [InlineData(14)]
    [InlineData(18)]
    public async Task Should_run_other_versions_from_npm(int version)
    {
        await using var server = await PostgresServer.StartAsync(Options("version") with { Version = version });
        Assert.Equal(version, server.Version);
        Assert.Equal(version, await server.ScalarAsync<int>("SELECT current_setting('server_version_num')::int / 10000"));
        await server.ExecuteAsync("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
        await server.CrashAsync();
        await server.StartAsync();
        Assert.Equal(1, await server.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots"));
    }
}
