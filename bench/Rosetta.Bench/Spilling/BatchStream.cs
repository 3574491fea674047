using Rosetta.Bench.Stage;
using Rosetta.Bench.Workloads;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Wire;

namespace Rosetta.Bench.Spilling;

/// <summary>Batches of the throughput workloads as they are decoded, in runs that make a part of a spill log.</summary>
sealed record BatchStream(IReadOnlyList<BatchRun> Parts, long Changes, long RawBytes)
{
    const int PartBytes = 4 << 20;
    const string Name = "bench_spill";

    public static async Task<BatchStream> ReadAsync(BenchDatabases databases, BenchOptions options, CancellationToken cancellationToken)
    {
        var stock = options.Scaled(1_000_000, 1_000);
        await BenchTables.CreateAsync(databases, stock, cancellationToken);
        await databases.ExecuteAtSourceAsync($"CREATE PUBLICATION {Name} FOR ALL TABLES", cancellationToken);
        await databases.ExecuteAtSourceAsync($"SELECT pg_create_logical_replication_slot('{Name}', 'pgoutput')", cancellationToken);
        long changes = 0;
        foreach (var workload in (Workload[])[Workload.Inserts(options), Workload.Updates(options, stock), Workload.SmallTransactions(options, stock, 250_000)])
        {
            await workload.FillAsync(databases, changes, cancellationToken);
            changes += workload.Changes;
        }

        var end = Lsn.Parse((await databases.SourceWalEndAsync(cancellationToken))!);
        var endpoint = new PgEndpoint { Host = databases.Source.Host, Port = databases.Source.Port, Database = BenchDatabases.SourceDatabase, User = "postgres" };
        await using var connection = await ReplicationConnection.OpenAsync(endpoint, null, cancellationToken);
        await using var stream = await connection.StartAsync(
            new ChangeStreamOptions { Slot = Name, Publications = [Name], Start = Lsn.Zero, StatusInterval = TimeSpan.FromSeconds(1) }, cancellationToken);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var gathering = new Gathering(end, enough);
        try
        {
            await stream.RunAsync(gathering, enough.Token);
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // All of it has come.
        }

        return new BatchStream(gathering.Parts, gathering.Parts.Sum(p => p.Batches.Sum(b => (long)b.Changes.Length)), gathering.Parts.Sum(p => (long)p.RawBytes));
    }

    sealed class Gathering(Lsn end, CancellationTokenSource enough) : IChangeConsumer
    {
        List<ChangeBatch> _batches = [];
        int _bytes;

        public List<BatchRun> Parts { get; } = [];

        public async ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken)
        {
            _batches.Add(batch.Retain());
            _bytes += batch.Bytes.Length + (batch.Changes.Length * 18) + (batch.Transactions.Length * 45);
            var isLast = batch.DeliveredUpTo >= end;
            if (batch.IsOpenAtEnd || (_bytes < PartBytes && !isLast))
                return;
            Parts.Add(new BatchRun(_batches));
            (_batches, _bytes) = ([], 0);
            if (isLast)
                await enough.CancelAsync();
        }
    }
}

/// <summary>What becomes a part.</summary>
sealed record BatchRun(IReadOnlyList<ChangeBatch> Batches)
{
    public Lsn Through => Batches[^1].DeliveredUpTo;

    public int RawBytes { get; } = Encoded(Batches);

    public void Encode(ref PooledBytes output)
    {
        foreach (var batch in Batches)
            BatchCodec.Encode(batch, ref output);
    }

    static int Encoded(IReadOnlyList<ChangeBatch> batches)
    {
        var output = new PooledBytes(8 << 20);
        foreach (var batch in batches)
            BatchCodec.Encode(batch, ref output);
        System.Buffers.ArrayPool<byte>.Shared.Return(output.Array);
        return output.Length;
    }
}
