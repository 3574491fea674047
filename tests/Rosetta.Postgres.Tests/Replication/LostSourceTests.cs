using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Replication;

/// <summary>Each test has a server of its own, because it takes it away.</summary>
public sealed class LostSourceTests
{
    static Task<PostgresServer> ServerAsync(string name) => PostgresServer.StartAsync(new PostgresServerOptions { Name = name, Version = Tests.Source.SourceServer.Version });

    [Fact]
    public async Task Should_report_a_crash_of_the_source_and_continue_after_its_recovery()
    {
        await using PostgresServer server = await ServerAsync("stream-crash");
        await using SourceFixture source = await SourceFixture.CreateAsync(server, "CREATE TABLE t (id int PRIMARY KEY)", "FOR TABLE t");
        await source.ExecuteAsync("INSERT INTO t VALUES (1)");
        var before = new RecordingConsumer();
        Lsn position;
        await using (RunningStream stream = await RunningStream.StartAsync(source, before))
        {
            await before.UntilCommitsAsync(1);
            position = before.Spans[0].EndLsn;
            await source.ExecuteAsync("INSERT INTO t VALUES (2)");
            await server.CrashAsync();
            PgException error = await Assert.ThrowsAnyAsync<PgException>(() => stream.Completion);
            Assert.True(error is PgConnectionException or PgServerException { SqlState: "57P02" or "57P01" }, error.ToString());
        }

        await server.StartAsync();
        var after = new RecordingConsumer();
        await using RunningStream again = await RunningStream.StartAsync(source, after, source.Options with { Start = position });
        await after.UntilCommitsAsync(1);
        Assert.Equal(["Insert t new(2)"], after.Lines);
    }

    [Fact]
    public async Task Should_give_a_frozen_source_up_after_its_silence_has_lasted()
    {
        await using PostgresServer server = await ServerAsync("stream-freeze");
        await using SourceFixture source = await SourceFixture.CreateAsync(server, "CREATE TABLE t (id int PRIMARY KEY)", "FOR TABLE t");
        await using RunningStream stream = await RunningStream.StartAsync(
            source, new RecordingConsumer(),
            source.Options with { StatusInterval = TimeSpan.FromMilliseconds(200), SilenceLimit = TimeSpan.FromSeconds(2) });
        await server.FreezeAsync();
        try
        {
            var error = await Assert.ThrowsAsync<PgConnectionException>(() => stream.Completion.WaitAsync(TimeSpan.FromSeconds(60)));
            Assert.Contains("said nothing for 2 s", error.Message);
        }
        finally
        {
            await server.ThawAsync();
        }
    }

    [Fact]
    public async Task Should_let_the_source_shut_down_once_everything_is_acknowledged()
    {
        await using PostgresServer server = await ServerAsync("stream-stop");
        await using SourceFixture source = await SourceFixture.CreateAsync(server, "CREATE TABLE t (id int PRIMARY KEY)", "FOR TABLE t");
        RunningStream? acknowledged = null;
        var consumer = new RecordingConsumer
        {
            // Everything handed out counts as durable here.
            Before = (batch, token) => acknowledged is null ? ValueTask.CompletedTask
                : acknowledged.Stream.SendStatusAsync(batch.DeliveredUpTo, batch.DeliveredUpTo, batch.DeliveredUpTo, cancellationToken: token),
        };
        await using RunningStream stream = acknowledged = await RunningStream.StartAsync(source, consumer);
        await source.ExecuteAsync("INSERT INTO t VALUES (1)");
        await consumer.UntilCommitsAsync(1);

        await server.StopAsync();

        await Assert.ThrowsAnyAsync<PgException>(() => stream.Completion);
        Assert.Equal(["Insert t new(1)"], consumer.Lines);
        await server.StartAsync();
    }
}
