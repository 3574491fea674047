using Rosetta.Core.Changes;
using Rosetta.Postgres.Replication;

namespace Rosetta.Postgres.Tests.Replication;

/// <summary>A stream that runs in the background of a test.</summary>
sealed class RunningStream : IAsyncDisposable
{
    readonly CancellationTokenSource _stop = new();

    RunningStream(ReplicationConnection connection, ChangeStream stream, IChangeConsumer consumer)
    {
        Connection = connection;
        Stream = stream;
        Completion = Task.Run(() => stream.RunAsync(consumer, _stop.Token));
    }

    public ReplicationConnection Connection { get; }

    public ChangeStream Stream { get; }

    public Task Completion { get; }

    public static async Task<RunningStream> StartAsync(SourceFixture source, IChangeConsumer consumer, ChangeStreamOptions? options = null, ReadPacing? pacing = null) =>
        await StartAsync(await source.OpenAsync(pacing), consumer, options ?? source.Options);

    public static async Task<RunningStream> StartAsync(ReplicationConnection connection, IChangeConsumer consumer, ChangeStreamOptions options)
    {
        try
        {
            return new RunningStream(connection, await connection.StartAsync(options), consumer);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the stream in good order.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await Completion;
        }
        catch (OperationCanceledException)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await Completion;
        }
        catch (Exception)
        {
            // Whoever cares has looked at Completion.
        }

        await Stream.DisposeAsync();
        await Connection.DisposeAsync();
        _stop.Dispose();
    }
}
