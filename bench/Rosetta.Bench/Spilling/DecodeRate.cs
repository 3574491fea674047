using System.Diagnostics;
using Rosetta.Bench.Stage;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Wire;

namespace Rosetta.Bench.Spilling;

/// <summary>How fast a backlog is read and decoded when nothing is done with it.</summary>
static class DecodeRate
{
    /// <param name="slot">Holds the backlog; a copy of it is read.</param>
    /// <returns>Seconds from the first change to the last.</returns>
    public static async Task<double> MeasureAsync(BenchDatabases databases, string slot, CancellationToken cancellationToken)
    {
        var source = databases.Source;
        var publications = await source.ScalarAsync<string[]>("SELECT array_agg(pubname::text) FROM pg_publication", BenchDatabases.SourceDatabase, cancellationToken);
        var end = Lsn.Parse((await databases.SourceWalEndAsync(cancellationToken))!);
        var endpoint = new PgEndpoint { Host = source.Host, Port = source.Port, Database = BenchDatabases.SourceDatabase, User = "postgres" };
        await using var connection = await ReplicationConnection.OpenAsync(endpoint, null, cancellationToken);
        var start = await connection.CopySlotAsync(slot, "bench_decode", cancellationToken);
        await using var stream = await connection.StartAsync(new ChangeStreamOptions
        {
            Slot = "bench_decode", Publications = publications!, Start = start, StatusInterval = TimeSpan.FromSeconds(1),
        }, cancellationToken);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var sink = new Discarding(end, enough);
        try
        {
            await stream.RunAsync(sink, enough.Token);
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // All of it has come.
        }

        return sink.Seconds;
    }

    sealed class Discarding(Lsn end, CancellationTokenSource enough) : IChangeConsumer
    {
        long _first;

        public double Seconds { get; private set; }

        public async ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken)
        {
            if (_first == 0 && !batch.IsEmpty)
                _first = Stopwatch.GetTimestamp();
            if (!batch.IsEmpty)
                Seconds = Stopwatch.GetElapsedTime(_first).TotalSeconds;
            if (batch.DeliveredUpTo >= end && !batch.IsOpenAtEnd)
                await enough.CancelAsync();
        }
    }
}
