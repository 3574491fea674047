using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Store.Configuration;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Store.Tests.Configuration;

public sealed class ConfigDatabaseAwayTests
{
    [Fact]
    public async Task Should_say_quickly_that_the_database_is_away_and_go_on_when_it_is_back()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "away" });
        await using var store = await StoreUnderTest.OpenAsync(StoreUnderTest.Patient(AsANodeConnects(server)));
        var pipeline = await store.AddPipelineAsync();
        // Several idle connections, which the restart breaks.
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None)));

        await server.StopAsync(PostgresStopMode.Immediate);
        var watch = Stopwatch.StartNew();
        var error = await Assert.ThrowsAsync<ConfigDatabaseUnavailableException>(() => store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(15), $"took {watch.Elapsed}");
        Assert.Contains("away", error.Message, StringComparison.Ordinal);
        Assert.False(await store.Database.IsAvailableAsync(CancellationToken.None));

        await server.StartAsync();
        for (var i = 0; i < 5; i++) Assert.NotNull(await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None));

        // A restart between two calls, with the old connections still in the pool: reads do not notice.
        await server.RestartAsync(PostgresStopMode.Immediate);
        Assert.NotNull(await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None));
    }

    [Fact]
    public async Task Should_say_in_bounded_time_that_a_frozen_database_is_away()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "frozen" });
        await using var database = new ConfigDatabase(AsANodeConnects(server), NullLogger<ConfigDatabase>.Instance);

        await server.FreezeAsync();
        try
        {
            var watch = Stopwatch.StartNew();
            Assert.False(await database.IsAvailableAsync(CancellationToken.None));
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"took {watch.Elapsed}");
        }
        finally
        {
            await server.ThawAsync();
        }

        await Wait.UntilAsync(() => database.IsAvailableAsync(CancellationToken.None), "the thawed database answers");
    }

    [Fact]
    public async Task Should_wait_for_the_database_at_start_and_say_so()
    {
        var port = FreePorts.Next();
        var lines = new Lines();
        await using var database = new ConfigDatabase($"postgres://postgres@127.0.0.1:{port}/postgres", lines);

        var waiting = database.WaitUntilAvailableAsync(CancellationToken.None);
        await lines.SaidAsync("does not answer");
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "late", Port = port });

        await waiting.WaitAsync(TimeSpan.FromSeconds(60));
        await lines.SaidAsync("] answers");
    }

    [Fact]
    public async Task Should_not_wait_where_waiting_does_not_help()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "strict", Auth = "scram-sha-256" });
        await using var wrongPassword = new ConfigDatabase(
            $"postgres://postgres:wrong-word@127.0.0.1:{server.Port}/postgres", NullLogger<ConfigDatabase>.Instance);
        await using var wrongDatabase = new ConfigDatabase(server.ConnectionString("nowhere"), NullLogger<ConfigDatabase>.Instance);

        var password = await Assert.ThrowsAsync<ConfigDatabaseSettingException>(() => wrongPassword.WaitUntilAvailableAsync(CancellationToken.None));
        var name = await Assert.ThrowsAsync<ConfigDatabaseSettingException>(() => wrongDatabase.WaitUntilAvailableAsync(CancellationToken.None));

        Assert.Contains("CONFIG_DATABASE_URL", password.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-word", password.ToString(), StringComparison.Ordinal);
        Assert.Contains("nowhere", name.Message, StringComparison.Ordinal);
    }

    /// <summary>With a pool and the timeouts of a node, both of which the kit's own connection strings switch off.</summary>
    static string AsANodeConnects(PostgresServer server) => $"Host={server.Host};Port={server.Port};Database=postgres;Username=postgres";

    sealed class Lines : ILogger<ConfigDatabase>
    {
        readonly System.Threading.Channels.Channel<string> _lines = System.Threading.Channels.Channel.CreateUnbounded<string>();

        public async Task SaidAsync(string words)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (!(await _lines.Reader.ReadAsync(deadline.Token)).Contains(words, StringComparison.Ordinal))
            {
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Writer.TryWrite(formatter(state, exception));
    }
}
