using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Configuration;
using Rosetta.Store.Requests;
using Xunit;

namespace Rosetta.Store.Tests.Configuration;

[Collection(nameof(StoreCollection))]
public sealed class ConfigListenerTests(StoreFixture fixture)
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Should_hear_of_a_plain_sql_update_and_of_a_request()
    {
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync("a'b\"; DROP TABLE pipelines; --ü");
        await using var listening = Listening.To(store.Database);
        await listening.NextAsync(change => change == ConfigChange.Unknown);

        await store.ExecuteAsync("UPDATE pipelines SET status = 'START' WHERE name = @name", new { name = pipeline.Name });

        await listening.NextAsync(change => change is { Table: "pipelines", Operation: "UPDATE" } && change.PipelineId == pipeline.Id);
        var found = await store.Pipelines.FindAsync(pipeline.Id, CancellationToken.None);
        Assert.Equal(PipelineStatus.Start, found!.Status);
        Assert.True(found.ConfigVersion > pipeline.ConfigVersion);

        await new PipelineRequestRepository(store.Database).AddAsync(pipeline.Id, PipelineRequestKind.Refresh, null, null, null, CancellationToken.None);

        await listening.NextAsync(change => change is { Table: "pipeline_requests" } && change.PipelineId == pipeline.Id);
    }

    [Fact]
    public async Task Should_listen_again_after_the_connection_was_cut_and_say_that_something_may_have_been_missed()
    {
        await using var store = await fixture.NewStoreAsync();
        await using var listening = Listening.To(store.Database);
        await listening.NextAsync(change => change == ConfigChange.Unknown);

        await store.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rosetta listen' AND datname = current_database()");

        await listening.NextAsync(change => change == ConfigChange.Unknown);
        Assert.Equal([true, false, true], listening.Connections);
        await store.AddSourceAsync();
        await listening.NextAsync(change => change is { Table: "sources", Operation: "INSERT" });
    }

    [Fact]
    public async Task Should_take_a_payload_that_is_not_ours_as_a_wake_up()
    {
        await using var store = await fixture.NewStoreAsync();
        await using var listening = Listening.To(store.Database);
        await listening.NextAsync(change => change == ConfigChange.Unknown);

        await store.ExecuteAsync("NOTIFY rosetta_config, 'hello'");

        await listening.NextAsync(change => change == ConfigChange.Unknown);
    }

    /// <summary>A listener that runs until disposed.</summary>
    sealed class Listening : IAsyncDisposable
    {
        readonly Channel<ConfigChange> _changes = Channel.CreateUnbounded<ConfigChange>();
        readonly CancellationTokenSource _stop = new();
        readonly Task _run;

        Listening(ConfigDatabase database) => _run = new ConfigListener(database, NullLogger<ConfigListener>.Instance).RunAsync(
            change => _changes.Writer.TryWrite(change), Connections.Enqueue, _stop.Token);

        public ConcurrentQueue<bool> Connections { get; } = new();

        public static Listening To(ConfigDatabase database) => new(database);

        public async Task NextAsync(Func<ConfigChange, bool> wanted)
        {
            using var deadline = new CancellationTokenSource(Deadline);
            while (!wanted(await _changes.Reader.ReadAsync(deadline.Token)))
            {
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _run;
            _stop.Dispose();
        }
    }
}
